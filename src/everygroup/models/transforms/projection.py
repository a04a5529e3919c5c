"""Vectors projected onto fewer dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from everygroup.models.transforms.base import Tensors, Transform, register_transform


@register_transform
class Projection(Transform):
    """Vectors x -> (x - mean) B, (D,) to (q,).

    Parameters
    ----------
    mean : ndarray (D,)
    basis : ndarray (D, q)
    """

    name = "projection"

    def __init__(self, mean: np.ndarray, basis: np.ndarray) -> None:
        self.mean, self.basis = np.asarray(mean, np.float32), np.asarray(basis, np.float32)

    def __call__(self, images: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        seen: np.ndarray = (images - self.mean) @ self.basis
        return seen

    def shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """(q,)."""
        return (self.basis.shape[1],)

    def options(self) -> dict[str, Any]:
        """Nothing but the numbers."""
        return {}

    def tensors(self) -> Tensors:
        """Return mean and basis."""
        return {"mean": torch.from_numpy(self.mean), "basis": torch.from_numpy(self.basis)}

    @classmethod
    def build(cls, options: Mapping[str, Any], tensors: Tensors) -> Projection:
        """Build it again."""
        return cls(tensors["mean"].numpy(), tensors["basis"].numpy())
