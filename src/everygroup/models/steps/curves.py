"""A curve for every class and group that probabilities are read off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from everygroup.models.steps.base import Step, register_step

Curve = Sequence[Sequence[float]]
"""Rising x, and y at each; linear in between."""


@register_step
@dataclass(frozen=True)
class Curves(Step):
    """p_k -> curve_gk(p_k), divided by the sum over the classes.

    Attributes
    ----------
    curves : sequence of sequences of curves, (G, K)
    otherwise : sequence of curves, (K,)
        Where no group is known.
    """

    name: ClassVar[str] = "curves"
    curves: Sequence[Sequence[Curve]]
    otherwise: Sequence[Curve]

    def scores(self, scores: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Return the changed probabilities; those whose curves are all 0 stay."""
        read = np.empty_like(scores, dtype=np.float64)
        for g, curves in [*enumerate(self.curves), (-1, self.otherwise)]:
            members = group == g
            for k, (x, y) in enumerate(curves):
                read[members, k] = np.interp(scores[members, k], x, y)
        total = read.sum(1, keepdims=True)
        changed: np.ndarray = np.divide(read, total, out=scores.astype(np.float64), where=total > 0)
        return changed

    def answers(self, scores: np.ndarray, group: np.ndarray, answers: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """The likeliest class."""
        return scores.argmax(1)
