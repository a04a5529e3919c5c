"""A network in two parts, features and head, for outputs of any form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class Split(nn.Module):
    """head(features(x)), with the input scaling inside: what `Classifier` is for logits, for maps, images and volumes.

    Parameters
    ----------
    trunk : Module
        From scaled input to features.
    head : Module
        From features to outputs.
    mean, std : sequence of float, optional
        Of the input's channels; 0.5 and 0.25 throughout if not given.
    """

    mean: torch.Tensor
    std: torch.Tensor
    spec: Any  # the NetworkSpec it was built from; set by `build_network`

    def __init__(
        self,
        trunk: nn.Module,
        head: nn.Module,
        mean: Sequence[float] = (0.5,),
        std: Sequence[float] = (0.25,),
    ) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return outputs (N, K, ...) of images (N, C, H, W) or volumes (N, C, D, H, W) in [0, 1]."""
        outputs: torch.Tensor = self.head(self.features(x))
        return outputs

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the head sees, (N, q) or (N, q, ...)."""
        features: torch.Tensor = self.trunk(self.scaled(x))
        return features

    def scaled(self, x: torch.Tensor) -> torch.Tensor:
        """Return the input as the trunk wants it."""
        shape = (1, -1, *[1] * (x.ndim - 2))
        return (x - self.mean.view(shape)) / self.std.view(shape)


def conv_block(n_inputs: int, n_outputs: int, *, stride: int = 1, dimensions: int = 2) -> nn.Sequential:
    """3x3 (3x3x3) convolution, batch norm, ReLU."""
    convolution, norm = {2: (nn.Conv2d, nn.BatchNorm2d), 3: (nn.Conv3d, nn.BatchNorm3d)}[dimensions]
    return nn.Sequential(
        convolution(n_inputs, n_outputs, 3, stride=stride, padding=1, bias=False), norm(n_outputs), nn.ReLU()
    )
