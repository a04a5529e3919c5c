"""Scale and shift by the value of a column, such as a scanner or a site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from everygroup.errors import CohortError
from everygroup.models.transforms.base import Tensors, Transform, register_transform


@register_transform
class AffineByValue(Transform):
    """x -> x * scale[v] + shift[v], v the value of a column: a scanner, a site. Pixels are clipped to [0, 1].

    Parameters
    ----------
    column : str
    values : sequence of str
        Those that were seen at training.
    scale, shift : ndarray (V, ...), one for each value, broadcast over an image
    """

    name = "affine_by_value"

    def __init__(self, column: str, values: Sequence[str], scale: np.ndarray, shift: np.ndarray) -> None:
        self.column, self.values = column, tuple(values)
        self.scale, self.shift = np.asarray(scale, np.float32), np.asarray(shift, np.float32)
        self.columns = (column,)

    def __call__(self, images: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        names = table[self.column].astype(str).str.strip()
        if unknown := sorted(set(names) - set(self.values)):
            raise CohortError(
                f"Column {self.column!r} has values that the model was not fitted on: {', '.join(unknown[:5])}.",
                fix=f"the model knows {', '.join(self.values)}; fit it with samples of the others, too",
            )
        index = names.map({v: i for i, v in enumerate(self.values)}).to_numpy()
        x = images.astype(np.float32) / 255 if images.dtype == np.uint8 else images
        seen = x * self.scale[index] + self.shift[index]
        return np.clip(seen, 0, 1) if images.ndim == 4 else seen

    def options(self) -> dict[str, Any]:
        """Return column and values."""
        return {"column": self.column, "values": list(self.values)}

    def tensors(self) -> Tensors:
        """Return scale and shift."""
        return {"scale": torch.from_numpy(self.scale), "shift": torch.from_numpy(self.shift)}

    @classmethod
    def build(cls, options: Mapping[str, Any], tensors: Tensors) -> AffineByValue:
        """Build it again."""
        return cls(options["column"], options["values"], tensors["scale"].numpy(), tensors["shift"].numpy())
