"""One of several classes: a diagnosis, or the group of a group predictor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F

from everygroup.metrics.confusion import confusion_counts, one_vs_rest
from everygroup.metrics.rates import average_rate
from everygroup.targets.base import Target, Truth, log_of

if TYPE_CHECKING:
    from everygroup.cohort import Cohort


class Classes(Target):
    """The class of every sample; loss: cross-entropy; selection score: macro F1 over the classes present."""

    name: ClassVar[str] = "classes"
    score: ClassVar[str] = "macro_f1"
    smooths: ClassVar[bool] = True

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The classes."""
        return self.classes

    @classmethod
    def of(cls, cohort: Cohort) -> Self:
        """Return the classes of a cohort."""
        return cls(cohort.classes)

    def truth(self, cohort: Cohort) -> np.ndarray:
        """Return class indices."""
        return cohort.y

    def losses(self, outputs: torch.Tensor, y: torch.Tensor, *, smoothing: float = 0.0) -> torch.Tensor:
        """CE(f(x_i), y_i)."""
        return F.cross_entropy(outputs, y, reduction="none", label_smoothing=smoothing)

    def answers(self, outputs: torch.Tensor) -> torch.Tensor:
        """Softmax, (N, K)."""
        return outputs.softmax(1)

    def quality(self, y: np.ndarray, seen: np.ndarray) -> float:
        """Macro F1."""
        counts = one_vs_rest(confusion_counts(y, seen.argmax(1), n_classes=seen.shape[1]))
        return float(average_rate(counts, "f1", average="macro"))

    def log_likelihood(self, y: np.ndarray, answers: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """log p_y(x)."""
        return log_of(np.take_along_axis(answers, y[:, None], 1))

    def learnable(self, y: Truth) -> str:
        """One class alone teaches nothing."""
        present = np.unique(y[:])
        return "" if len(present) > 1 else f"all {len(y)} training samples are {self.classes[present[0]]!r}"

    def strata(self, y: Truth) -> np.ndarray:
        """The classes themselves."""
        return y[:]
