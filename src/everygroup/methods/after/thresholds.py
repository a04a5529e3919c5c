"""Thresholds by group that give every group the same sensitivity on validation samples."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from everygroup.console import warn
from everygroup.errors import SettingsError
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel
from everygroup.models.steps.cut import Cut


def threshold_at(sensitivity: float, scores: np.ndarray) -> float:
    """Return the largest threshold that at least this share of the positives' scores (n,) reaches.

    Examples
    --------
    >>> threshold_at(0.75, np.array([0.1, 0.4, 0.6, 0.9]))
    0.4
    """
    needed = int(np.ceil(sensitivity * len(scores) - 1e-9))
    return float(np.sort(scores)[::-1][max(1, needed) - 1])


@method(
    "Thresholds by group",
    "Hardt, Price and Srebro. Equality of opportunity in supervised learning. NeurIPS 2016",
    needs_group_at_test=True,
    two_classes=True,
    branch="decision rule",
)
class Thresholds(After):
    """Of two classes the second where its score reaches the group's threshold t_g: the largest at which at least `sens`
    of the group's positive validation samples are found.

    A group with fewer than `min_positives` of them, and patients without a group, get the threshold of everybody.
    """

    sens: float = Field(0.8, gt=0, le=1, description="sensitivity that every group is to have on validation")
    min_positives: int = Field(10, ge=1, description="positives that a threshold of a group's own needs")

    def check(self, lab: Lab) -> None:
        """Refuse, besides, a cohort without positives to choose on."""
        super().check(lab)
        if not (lab.validation.y == 1).any():
            raise SettingsError(
                f"No validation sample is {lab.target.outputs[1]!r}: no threshold can be chosen.",
                fix="use a larger cohort",
            )

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Choose the thresholds."""
        scores = lab.answers(model, lab.validation)[:, 1]
        positive = lab.validation.y == 1
        everybody = threshold_at(self.sens, scores[positive])
        chosen = []
        for i, g in enumerate(lab.groups):
            own = scores[positive & (lab.validation.group == i)]
            if len(own) < self.min_positives:
                warn(f"{g}: {len(own)} positive validation samples; the threshold of everybody is used.")
            chosen.append(threshold_at(self.sens, own) if len(own) >= self.min_positives else everybody)
        return model.answering_by(Cut(chosen, everybody))
