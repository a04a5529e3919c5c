"""Several findings a sample, each there, not there, or unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F

from everygroup.boundary.decision import Decision, LabelFlips
from everygroup.metrics.ranking import Ranking
from everygroup.targets.base import Target, Truth, log_of

if TYPE_CHECKING:
    from everygroup.cohort import Cohort


class Labels(Target):
    """Findings that may come together; loss: binary cross-entropy; selection score: AUC, the mean over findings.

    An unknown finding (NaN) is in no loss and no score.
    """

    name: ClassVar[str] = "labels"
    score: ClassVar[str] = "mean_auc"
    smooths: ClassVar[bool] = True

    def __init__(self, findings: Sequence[str]) -> None:
        self.classes = tuple(findings)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The findings."""
        return self.classes

    @classmethod
    def of(cls, cohort: Cohort) -> Self:
        """Return the findings of a cohort."""
        return cls(cohort.classes)

    def truth(self, cohort: Cohort) -> np.ndarray:
        """Return 1, 0 and NaN, (n, L)."""
        return cohort.y

    def losses(self, outputs: torch.Tensor, y: torch.Tensor, *, smoothing: float = 0.0) -> torch.Tensor:
        """(1/|K_i|) sum over K_i of BCE(sigma(f_k(x_i)), y_ik), K_i the known findings of sample i; 0 if none is.

        Smoothing s makes y (1 - s) + s/2 of y.
        """
        known = ~y.isnan()
        wanted = torch.where(known, y, torch.zeros_like(y)).to(outputs.dtype) * (1 - smoothing) + smoothing / 2
        each = F.binary_cross_entropy_with_logits(outputs, wanted, reduction="none")
        return (each * known).sum(1) / known.sum(1).clamp_min(1)

    def answers(self, outputs: torch.Tensor) -> torch.Tensor:
        """Sigmoid, (N, L)."""
        return outputs.sigmoid()

    def quality(self, y: np.ndarray, seen: np.ndarray) -> float:
        """Mean AUC over the findings of which a known presence and a known absence are there; NaN if there are none."""
        areas = [auc(y[:, k], seen[:, k]) for k in range(y.shape[1])]
        known = [area for area in areas if not np.isnan(area)]
        return float(np.mean(known)) if known else float("nan")

    def log_likelihood(self, y: np.ndarray, answers: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """log p of every known finding, or of its absence."""
        return np.where(np.isnan(y), np.nan, log_of(np.where(y == 1, answers, 1 - answers)))

    def learnable(self, y: Truth) -> str:
        """One finding at least is there and not there."""
        values = y[:]
        if ((values == 1).any(0) & (values == 0).any(0)).any():
            return ""
        return f"in {len(y)} training samples no finding is known to be both there and not there"

    def decision(self, outputs: torch.Tensor | None = None) -> Decision:
        """Any finding flips at probability 1/2."""
        return LabelFlips()


def auc(y: np.ndarray, score: np.ndarray) -> float:
    """Return P(score of a 1 > score of a 0), ties 1/2, among known y; NaN without both."""
    known = ~np.isnan(y)
    ranking = Ranking.of(score[known], y[known] == 1)
    return float(ranking.auc(np.ones((int(known.sum()), 1), dtype=np.float32))[0])


def mean_auc(y: np.ndarray, p: np.ndarray) -> float:
    """Return the mean over classes of the AUC of each against the rest, (n, K), of two classes that of the second; NaN
    where none is defined."""
    classes = [1] if p.shape[1] == 2 else range(p.shape[1])
    known = [area for area in (auc((y == k).astype(float), p[:, k]) for k in classes) if not np.isnan(area)]
    return float(np.mean(known)) if known else float("nan")
