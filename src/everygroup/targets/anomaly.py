"""Whether a sample is abnormal, learnt from normal ones alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from everygroup.boundary.decision import CrossesCut, Decision
from everygroup.cohort.outcome import ANOMALY_CLASSES
from everygroup.errors import SettingsError
from everygroup.targets.base import Target, Truth
from everygroup.targets.labels import auc

if TYPE_CHECKING:
    from everygroup.cohort import Cohort

_QUANTILE = 0.95


class Anomaly(Target):
    """A score a sample, higher for anomalies; the network makes it small for normals; selection score: AUC.

    The network's output is the score: of an autoencoder the mean squared error of its reconstruction.
    """

    name: ClassVar[str] = "anomaly"
    score: ClassVar[str] = "auc"
    form: ClassVar[str] = "score"
    at_once: ClassVar[int] = 64
    classes = ANOMALY_CLASSES

    @property
    def outputs(self) -> tuple[str, ...]:
        """The score."""
        return ("anomaly_score",)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Build it again."""
        return cls()

    @classmethod
    def of(cls, cohort: Cohort) -> Self:
        """All anomaly scores are alike."""
        return cls()

    def truth(self, cohort: Cohort) -> np.ndarray:
        """Return 0 for normals, 1 for anomalies, -1 where that is unknown."""
        return cohort.y

    def used(self, cohort: Cohort) -> np.ndarray:
        """Normals are trained on, and nothing else."""
        return np.asarray(cohort.y == 0)

    def losses(self, outputs: torch.Tensor, y: torch.Tensor, *, smoothing: float = 0.0) -> torch.Tensor:
        """The score itself."""
        return outputs[:, 0]

    def answers(self, outputs: torch.Tensor) -> torch.Tensor:
        """The score, (N,)."""
        return outputs[:, 0]

    def quality(self, y: np.ndarray, seen: np.ndarray) -> float:
        """AUC of anomalies against normals; NaN without both."""
        return auc(np.where(y < 0, np.nan, y), seen)

    def learnable(self, y: Truth) -> str:
        """Something must be normal."""
        return "" if (y[:] == 0).any() else f"none of {len(y)} training samples is normal"

    def decision(self, outputs: torch.Tensor | None = None) -> Decision:
        """The score crosses the 95th percentile of these scores, (n, 1), of normals.

        Raises
        ------
        SettingsError
            Without scores: every network has its own cut.
        """
        if outputs is None:
            raise SettingsError("The cut of an anomaly score is that of a network.", fix="give its scores of normals")
        return CrossesCut(float(np.quantile(outputs.detach().cpu().numpy(), _QUANTILE)))
