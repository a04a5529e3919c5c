"""Scale and shift by the group that a rule makes of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from everygroup.cohort import GroupRule
from everygroup.errors import CohortError
from everygroup.models.transforms.base import Tensors, Transform, register_transform


def place_of(rule: GroupRule, groups: Sequence[str], table: pd.DataFrame, otherwise: str) -> np.ndarray:
    """Return the group of every row, (b,), by index; len(groups) for an unknown or missing one.

    Raises
    ------
    CohortError
        For one of these, where `otherwise` is 'refuse'.
    """
    index = rule.assign(table, groups)[1]
    if otherwise == "refuse" and (index < 0).any():
        shown = table[list(rule.attributes)][index < 0].astype(str).agg(" & ".join, axis=1).unique()[:5]
        raise CohortError(
            f"{rule.name} has values that the model was not fitted on: {', '.join(shown)}.",
            fix=f"the model knows {', '.join(groups)}; fit it with the others, too, or with otherwise=reference",
        )
    return np.where(index < 0, len(groups), index)


@register_transform
class AffineByGroup(Transform):
    """x -> x * scale[g] + shift[g], images within [0, 1].

    Parameters
    ----------
    rule : GroupRule
    groups : sequence of str, G
        Those that were seen at training.
    scale, shift : ndarray (G + 1, ...)
        For each group, and the last for an unknown or missing one; broadcast over an image.
    otherwise : {'refuse', 'reference'}
        What happens to those.
    """

    name = "affine_by_group"

    def __init__(
        self, rule: GroupRule, groups: Sequence[str], scale: np.ndarray, shift: np.ndarray, otherwise: str = "refuse"
    ) -> None:
        self.rule, self.groups, self.otherwise = rule, tuple(groups), otherwise
        self.scale, self.shift = np.asarray(scale, np.float32), np.asarray(shift, np.float32)
        self.columns = rule.attributes

    def __call__(self, images: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        g = place_of(self.rule, self.groups, table, self.otherwise)
        x = images.astype(np.float32) / 255 if images.dtype == np.uint8 else images
        seen = x * self.scale[g] + self.shift[g]
        return np.clip(seen, 0, 1) if images.ndim >= 4 else seen

    def options(self) -> dict[str, Any]:
        """Return rule, groups and what happens to others."""
        return {"rule": self.rule.to_dict(), "groups": list(self.groups), "otherwise": self.otherwise}

    def tensors(self) -> Tensors:
        """Return scale and shift."""
        return {"scale": torch.from_numpy(self.scale), "shift": torch.from_numpy(self.shift)}

    @classmethod
    def build(cls, options: Mapping[str, Any], tensors: Tensors) -> AffineByGroup:
        """Build it again."""
        rule = GroupRule.from_dict(options["rule"])
        return cls(rule, options["groups"], tensors["scale"].numpy(), tensors["shift"].numpy(), options["otherwise"])
