"""Other answers, or none, where the score is near the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from everygroup.models.steps.base import Step, of_group, register_step


@register_step
@dataclass(frozen=True)
class Band(Step):
    """Of two classes the second from a threshold on; within a margin of it, the group's own answer.

    Attributes
    ----------
    threshold, margin : float
        The band is |p_1 - threshold| <= margin; with margin 0 there is none.
    inside : sequence of int, (G,)
        Answer within the band; -1 for none.
    """

    name: ClassVar[str] = "band"
    threshold: float
    margin: float
    inside: Sequence[int]

    def answers(self, scores: np.ndarray, group: np.ndarray, answers: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """The group's answer within the band; those without a group are answered by the threshold."""
        plain = (scores[:, 1] >= self.threshold).astype(np.int64)
        near = (np.abs(scores[:, 1] - self.threshold) <= self.margin + 1e-12) & (group >= 0) & (self.margin > 0)
        return np.where(near, of_group(self.inside, 0, group), plain)
