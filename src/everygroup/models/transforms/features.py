"""Images as a network's features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from everygroup.imaging.tensors import to_input
from everygroup.models.transforms.base import Tensors, Transform, register_transform
from everygroup.networks import NetworkSpec, rebuild


@register_transform
class Features(Transform):
    """Images as the penultimate features of a network, (q,): what follows works on vectors."""

    name = "features"

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval()

    def __call__(self, images: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        with torch.inference_mode():
            x = to_input(torch.from_numpy(np.ascontiguousarray(images)))
            features: torch.Tensor = self.network.features(x)  # type: ignore[operator]
        return features.float().numpy()

    def shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The number of features."""
        with torch.inference_mode():
            x = to_input(torch.zeros((1, *sample_shape)))
            return tuple(self.network.features(x).shape[1:])  # type: ignore[operator]

    def options(self) -> dict[str, Any]:
        """Return how the network is built."""
        return {"spec": self.network.spec.to_dict()}  # type: ignore[union-attr, operator]

    def tensors(self) -> Tensors:
        """Return its weights."""
        return {k: v.detach().cpu().contiguous().clone() for k, v in self.network.state_dict().items()}

    @classmethod
    def build(cls, options: Mapping[str, Any], tensors: Tensors) -> Features:
        """Build it again."""
        return cls(rebuild(NetworkSpec.from_dict(options["spec"]), tensors))
