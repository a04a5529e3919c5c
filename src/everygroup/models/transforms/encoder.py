"""Vectors as the code of a small encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from everygroup.models.transforms.base import Tensors, Transform, register_transform


@register_transform
class Encoder(Transform):
    """x -> W2 max(0, W1 (x - mean) / scale + b1) + b2, (D,) to (q,).

    Parameters
    ----------
    numbers : dict of ndarray
        mean, scale (D,); w1 (h, D); b1 (h,); w2 (q, h); b2 (q,).
    """

    name = "encoder"

    def __init__(self, numbers: Mapping[str, np.ndarray]) -> None:
        self.numbers = {k: np.asarray(v, np.float32) for k, v in numbers.items()}

    def __call__(self, images: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        n = self.numbers
        hidden = np.maximum((images - n["mean"]) / n["scale"] @ n["w1"].T + n["b1"], 0)
        code: np.ndarray = hidden @ n["w2"].T + n["b2"]
        return code

    def shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """(q,)."""
        return (len(self.numbers["b2"]),)

    def options(self) -> dict[str, Any]:
        """Nothing but the numbers."""
        return {}

    def tensors(self) -> Tensors:
        """Return the numbers."""
        return {k: torch.from_numpy(v) for k, v in self.numbers.items()}

    @classmethod
    def build(cls, options: Mapping[str, Any], tensors: Tensors) -> Encoder:
        """Build it again."""
        return cls({k: v.numpy() for k, v in tensors.items()})
