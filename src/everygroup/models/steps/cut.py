"""A threshold for each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from everygroup.models.steps.base import Step, of_group, register_step


@register_step
@dataclass(frozen=True)
class Cut(Step):
    """Of two classes the second where its probability reaches the group's threshold.

    Attributes
    ----------
    thresholds : sequence of float, (G,)
    otherwise : float
        Where no group is known.
    """

    name: ClassVar[str] = "cut"
    thresholds: Sequence[float]
    otherwise: float

    def answers(self, scores: np.ndarray, group: np.ndarray, answers: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """1 from the threshold on."""
        return (scores[:, 1] >= of_group(self.thresholds, self.otherwise, group)).astype(np.int64)
