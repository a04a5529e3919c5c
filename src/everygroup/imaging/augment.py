"""Batched augmentation on the device: one affine map and one colour change for a whole batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Augmentation:
    """Random flips, rotation, scaling, cropping and colour, drawn anew for every sample.

    Draws come from torch's CPU generator, so that a seed gives the same augmentation on every device. Vectors pass
    unchanged.

    Attributes
    ----------
    flips : bool
        Mirror every axis of the image or volume, each with probability 1/2.
    rotation : float
        Largest angle in degrees, either way; of volumes within their slices.
    scale : float
        Largest relative change of size, either way.
    crop : float
        Smallest share of the area that is cut out, at a random place, and brought to full size; 1 cuts nothing.
    colour : float
        Largest relative change of brightness, contrast and saturation, either way.
    """

    flips: bool = False
    rotation: float = 0.0
    scale: float = 0.0
    crop: float = 1.0
    colour: float = 0.0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Augment images (B, C, H, W) or volumes (B, C, D, H, W) in [0, 1]; the result stays in [0, 1]."""
        if x.ndim < 4:
            return x
        x = self._move(x)(x, "bilinear")
        return self._recolour(x) if self.colour else x

    def pair(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Augment images and what belongs to each of their pixels: both are moved alike.

        Parameters
        ----------
        x : Tensor, (B, C, H, W) or (B, C, D, H, W)
        y : Tensor
            Masks of integers (B, H, W) or (B, D, H, W), which take the nearest pixel's value; or images (B, C, ...) of
            floats, as the undegraded ones of `x`, and then the colours of both are left alone.
        """
        move = self._move(x)
        moved = move(x, "bilinear")
        if y.is_floating_point():
            return moved, move(y, "bilinear")
        mask = move(y[:, None].to(x.dtype), "nearest")[:, 0].to(y.dtype)
        return (self._recolour(moved) if self.colour else moved), mask

    def _move(self, x: torch.Tensor) -> Callable[[torch.Tensor, str], torch.Tensor]:
        """Draw what happens to the pixels' places: a function of anything of the same size and of how to read it."""
        if self.rotation or self.scale or self.crop < 1:
            matrix = self._matrix(x)

            def affine(values: torch.Tensor, mode: str) -> torch.Tensor:
                grid = F.affine_grid(matrix, list(values.shape), align_corners=False)
                return F.grid_sample(values, grid, mode, "reflection", align_corners=False)

            return affine
        axes = range(2, x.ndim) if self.flips else ()
        chosen = [(torch.rand(len(x)) < 0.5).to(x.device).view(-1, *[1] * (x.ndim - 1)) for _ in axes]

        def flip(values: torch.Tensor, mode: str) -> torch.Tensor:
            for axis, those in zip(axes, chosen, strict=True):
                values = torch.where(those, values.flip(axis), values)
            return values

        return flip

    def _matrix(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (B, 2, 3) in the plane; of volumes (B, 3, 4), turned about the axis from slice to slice."""
        draw = torch.rand(len(x), x.ndim)
        angle = (2 * draw[:, 0] - 1) * math.radians(self.rotation)
        size = 1 + (2 * draw[:, 1] - 1) * self.scale
        mirror = torch.where((draw[:, 2:] < 0.5) & self.flips, -1.0, 1.0)
        cos, sin = angle.cos() / size, angle.sin() / size
        ratio = x.shape[-1] / x.shape[-2]  # keeps rotations rigid on images that are not square
        rows = torch.stack(
            [cos * mirror[:, 0], -sin * mirror[:, 1] / ratio, sin * mirror[:, 0] * ratio, cos * mirror[:, 1]], 1
        )
        matrix = torch.zeros(len(x), x.ndim - 2, x.ndim - 1)
        matrix[:, :2, :2] = rows.view(-1, 2, 2)
        if x.ndim == 5:
            matrix[:, 2, 2] = mirror[:, 2] / size
        if self.crop < 1:
            draw = torch.rand(len(x), 1 + 2)
            side = (self.crop + (1 - self.crop) * draw[:, 0]).sqrt()
            matrix *= side[:, None, None]
            matrix[:, :2, -1] = (1 - side)[:, None] * (2 * draw[:, 1:] - 1)
        return matrix.to(x.device, x.dtype)

    def _recolour(self, x: torch.Tensor) -> torch.Tensor:
        gains = 1 + (2 * torch.rand(len(x), 3) - 1) * self.colour
        shape = (-1, *[1] * (x.ndim - 1))
        brightness, contrast, saturation = (gains[:, i].to(x.device, x.dtype).view(shape) for i in range(3))
        grey = x.mean(1, keepdim=True)
        centre = grey.mean(tuple(range(2, x.ndim)), keepdim=True)
        return (((x - grey) * saturation + grey - centre) * contrast + centre).mul(brightness).clamp(0, 1)


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(),
    "flip": Augmentation(flips=True),
    "standard": Augmentation(flips=True, rotation=30, scale=0.1, colour=0.1),
    "crop": Augmentation(flips=True, crop=0.35, colour=0.1),
    "strong": Augmentation(flips=True, rotation=180, scale=0.2, colour=0.3),
}
