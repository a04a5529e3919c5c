"""ComBat's correction with the numbers that training samples gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from everygroup.cohort import GroupRule
from everygroup.models.transforms.affine_by_group import place_of
from everygroup.models.transforms.base import Tensors, Transform, register_transform


def covariates(table: pd.DataFrame, columns: Sequence[str], means: np.ndarray) -> np.ndarray:
    """Return numbers of the table (b, c), less their training means; a missing one counts as the mean."""
    if not columns:
        return np.zeros((len(table), 0))
    values = table[list(columns)].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64) - means
    return np.nan_to_num(values)


@register_transform
class Combat(Transform):
    """y -> s (z - gamma_b) / sqrt(delta_b) + alpha + x beta, z = (y - alpha - x beta) / s.

    Parameters
    ----------
    rule, groups, otherwise
        What makes the batches, see `AffineByGroup`; an unknown one is left as it is.
    kept : sequence of str
        Columns of the covariates x.
    numbers : dict of ndarray
        alpha, scale (p,); beta (c, p); gamma, delta (B, p); means (c,).
    """

    name = "combat"

    def __init__(
        self,
        rule: GroupRule,
        groups: Sequence[str],
        kept: Sequence[str],
        numbers: Mapping[str, np.ndarray],
        otherwise: str = "refuse",
    ) -> None:
        self.rule, self.groups, self.kept, self.otherwise = rule, tuple(groups), tuple(kept), otherwise
        self.numbers = {k: np.asarray(v, np.float64) for k, v in numbers.items()}
        self.columns = tuple(dict.fromkeys((*rule.attributes, *kept)))

    def __call__(self, images: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        n = self.numbers
        place = place_of(self.rule, self.groups, table, self.otherwise)
        gamma = np.concatenate([n["gamma"], np.zeros_like(n["gamma"][:1])])[place]
        delta = np.concatenate([n["delta"], np.ones_like(n["delta"][:1])])[place]
        fitted = n["alpha"] + covariates(table, self.kept, n["means"]) @ n["beta"]
        z = (images - fitted) / n["scale"]
        return (n["scale"] * (z - gamma) / np.sqrt(delta) + fitted).astype(np.float32)

    def options(self) -> dict[str, Any]:
        """Return rule, batches, covariates, and what happens to other batches."""
        told = {"rule": self.rule.to_dict(), "groups": list(self.groups), "kept": list(self.kept)}
        return told | {"otherwise": self.otherwise}

    def tensors(self) -> Tensors:
        """Return the numbers."""
        return {k: torch.from_numpy(v) for k, v in self.numbers.items()}

    @classmethod
    def build(cls, options: Mapping[str, Any], tensors: Tensors) -> Combat:
        """Build it again."""
        rule = GroupRule.from_dict(options["rule"])
        numbers = {k: v.numpy() for k, v in tensors.items()}
        return cls(rule, options["groups"], options["kept"], numbers, options["otherwise"])
