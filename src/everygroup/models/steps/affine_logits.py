"""Temperatures and shifts of classes for each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from everygroup.models.steps.base import Step, of_group, register_step


@register_step
@dataclass(frozen=True)
class AffineLogits(Step):
    """softmax(a_g log p + b_g): temperatures (a = 1 / T, b = 0), shifts of classes (a = 1), by group.

    Attributes
    ----------
    slopes : sequence of float, (G,)
    shifts : sequence of sequences of float, (G, K)
    slope, shift : float, sequence of float
        Where no group is known.
    """

    name: ClassVar[str] = "affine_logits"
    slopes: Sequence[float]
    shifts: Sequence[Sequence[float]]
    slope: float
    shift: Sequence[float]

    def scores(self, scores: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Return the changed probabilities."""
        log_p = np.log(np.maximum(scores, np.finfo(np.float64).tiny))
        z = of_group(self.slopes, self.slope, group)[:, None] * log_p + of_group(self.shifts, self.shift, group)
        e = np.exp(z - z.max(1, keepdims=True))
        changed: np.ndarray = e / e.sum(1, keepdims=True)
        return changed

    def answers(self, scores: np.ndarray, group: np.ndarray, answers: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """The likeliest class."""
        return scores.argmax(1)
