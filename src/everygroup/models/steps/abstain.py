"""No answer where the model is not sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from everygroup.models.steps.base import ABSTAINED, Step, of_group, register_step


@register_step
@dataclass(frozen=True)
class Abstain(Step):
    """No answer where the largest probability stays below the group's limit.

    Attributes
    ----------
    limits : sequence of float, (G,)
    otherwise : float
        Where no group is known.
    """

    name: ClassVar[str] = "abstain"
    limits: Sequence[float]
    otherwise: float

    def answers(self, scores: np.ndarray, group: np.ndarray, answers: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """-1 below the limit."""
        sure = scores.max(1) >= of_group(self.limits, self.otherwise, group)
        return np.where(sure, answers, ABSTAINED)
