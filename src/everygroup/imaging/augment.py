"""Batched augmentation on the device: one affine map and one colour change for a whole batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Augmentation:
    """Random flips, rotation, scaling and colour, drawn anew for every sample.

    Draws come from torch's CPU generator, so that a seed gives the same augmentation on every device. Vectors pass
    unchanged.

    Attributes
    ----------
    flips : bool
        Mirror left-right and up-down, each with probability 1/2.
    rotation : float
        Largest angle in degrees, either way.
    scale : float
        Largest relative change of size, either way.
    colour : float
        Largest relative change of brightness, contrast and saturation, either way.
    """

    flips: bool = False
    rotation: float = 0.0
    scale: float = 0.0
    colour: float = 0.0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Augment images (B, C, H, W) in [0, 1]; the result stays in [0, 1]."""
        if x.ndim != 4:
            return x
        if self.rotation or self.scale:
            x = self._affine(x)
        elif self.flips:
            x = self._flip(x)
        return self._recolour(x) if self.colour else x

    def _flip(self, x: torch.Tensor) -> torch.Tensor:
        for axis in (2, 3):
            chosen = (torch.rand(len(x)) < 0.5).to(x.device).view(-1, 1, 1, 1)
            x = torch.where(chosen, x.flip(axis), x)
        return x

    def _affine(self, x: torch.Tensor) -> torch.Tensor:
        draw = torch.rand(len(x), 4)
        angle = (2 * draw[:, 0] - 1) * math.radians(self.rotation)
        size = 1 + (2 * draw[:, 1] - 1) * self.scale
        mirror = torch.where((draw[:, 2:] < 0.5) & self.flips, -1.0, 1.0)
        cos, sin = angle.cos() / size, angle.sin() / size
        ratio = x.shape[3] / x.shape[2]  # keeps rotations rigid on images that are not square
        rows = torch.stack(
            [cos * mirror[:, 0], -sin * mirror[:, 1] / ratio, sin * mirror[:, 0] * ratio, cos * mirror[:, 1]], 1
        )
        matrix = torch.cat([rows.view(-1, 2, 2), torch.zeros(len(x), 2, 1)], 2).to(x.device, x.dtype)
        grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)

    def _recolour(self, x: torch.Tensor) -> torch.Tensor:
        gains = 1 + (2 * torch.rand(len(x), 3) - 1) * self.colour
        brightness, contrast, saturation = (gains[:, i].to(x.device, x.dtype).view(-1, 1, 1, 1) for i in range(3))
        grey = x.mean(1, keepdim=True)
        centre = grey.mean((2, 3), keepdim=True)
        return (((x - grey) * saturation + grey - centre) * contrast + centre).mul(brightness).clamp(0, 1)


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(),
    "flip": Augmentation(flips=True),
    "standard": Augmentation(flips=True, rotation=30, scale=0.1, colour=0.1),
    "strong": Augmentation(flips=True, rotation=180, scale=0.2, colour=0.3),
}
