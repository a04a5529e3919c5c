"""Images with the same picture added to every one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from everygroup.models.transforms.base import Tensors, Transform, register_transform


@register_transform
class Added(Transform):
    """x -> clip(x + e) to [0, 1].

    Parameters
    ----------
    picture : ndarray (H, W)
        e, the same for all channels.
    """

    name = "added"

    def __init__(self, picture: np.ndarray) -> None:
        self.picture = np.asarray(picture, np.float32)

    def __call__(self, images: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        x = images.astype(np.float32) / 255 if images.dtype == np.uint8 else images
        return np.clip(x + self.picture[..., None], 0, 1)

    def options(self) -> dict[str, Any]:
        """Nothing but the numbers."""
        return {}

    def tensors(self) -> Tensors:
        """Return the picture."""
        return {"picture": torch.from_numpy(self.picture)}

    @classmethod
    def build(cls, options: Mapping[str, Any], tensors: Tensors) -> Added:
        """Build it again."""
        return cls(tensors["picture"].numpy())
