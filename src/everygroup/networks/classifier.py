"""The plain network: a backbone with its input scaling inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from everygroup.errors import SettingsError

if TYPE_CHECKING:
    from everygroup.networks.spec import NetworkSpec


class Classifier(nn.Module):
    """A backbone with the input scaling inside: takes images in [0, 1] and returns logits.

    Distances to its decision boundary are therefore in the units of [0, 1] pixels.
    """

    mean: torch.Tensor
    std: torch.Tensor
    spec: NetworkSpec  # how to build it again; set by `build_network`

    def __init__(
        self, body: nn.Module, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        self.body = body
        self.scaled = mean is not None
        if mean is not None and std is not None:
            self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
            self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (N, K) of images (N, C, H, W) in [0, 1], or of vectors (N, D)."""
        logits: torch.Tensor = self.body(self._scale(x))
        return logits

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return penultimate features (N, q)."""
        body: Any = self.body
        features: torch.Tensor = body.forward_features(self._scale(x))
        return body.forward_head(features, pre_logits=True) if features.ndim > 2 else features

    @property
    def head(self) -> nn.Linear:
        """The last layer, from penultimate features to logits."""
        body: Any = self.body
        layer = body.get_classifier() if hasattr(body, "get_classifier") else body.head
        if not isinstance(layer, nn.Linear):
            raise SettingsError("The last layer of this backbone is not linear.", fix="choose another --backbone")
        return layer

    @property
    def linear(self) -> nn.Linear | None:
        """The only layer, where the whole network is one linear map of vectors."""
        trunk = getattr(self.body, "trunk", None)
        return self.head if isinstance(trunk, nn.Sequential) and not len(trunk) else None

    def _scale(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.std if self.scaled else x
