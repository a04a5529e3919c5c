"""Stratified batches: every batch holds as many samples of each group."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from everygroup.methods.before.resampling import Over, cells
from everygroup.methods.info import ALL_TARGETS
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, method


@method(
    "Stratified batch sampling",
    "Puyol-Anton et al. Fairness in cardiac MR image analysis: an investigation of bias due to data imbalance in deep "
    "learning based segmentation. MICCAI 2021",
    targets=ALL_TARGETS,
    branch="sampling",
)
class StratifiedBatches(Before):
    """B/G samples of each of G groups (or of each cell of diagnosis and group) in every batch of B, with replacement.

    `resampling` does so on average; here every batch does, so that rates by group can be computed in each. What does
    not divide goes to groups at random. Samples without a group keep their share of the batch.
    """

    changes_what_is_seen: ClassVar[bool] = False

    over: Over = Field("group", description="what is equally frequent: groups, or (label, group) cells")

    def check(self, lab: Lab) -> None:
        """Refuse, besides, cells where there are no classes."""
        super().check(lab)
        cells(lab, self.over, what=self.info.name)

    def prepare(self, lab: Lab) -> Lab:
        """Let batches be drawn so."""
        return lab.but(strata=cells(lab, self.over, what=self.info.name))
