"""Empirical risk minimisation: one network for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from everygroup.methods.info import ALL_TARGETS
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.models import RoutedModel


@method(
    "Empirical risk minimisation",
    "Vapnik. Principles of risk minimization for learning theory. NeurIPS 1991",
    family="baseline",
    groups=(0, None),
    targets=ALL_TARGETS,
    blind=True,
    branch="control",
)
class ERM(Learn):
    """min (1/n) sum_i L(f(x_i), y_i): blind to groups, and the baseline of every comparison.

    With selection_by='group' every group is answered by the network of the epoch that is best on its own validation
    samples, as GroupModel's and SPARE's networks are chosen: the control for what the choice of the epoch alone gains.
    The training is the same for all groups, but a training keeps one epoch, so that it is done once for each and once
    for everybody, who answers where the group is missing or has no validation samples: G + 1 times. Where the setting
    selection is 'last' there is nothing to choose, and 'group' is ERM.
    """

    selection_by: Literal["everybody", "group"] = Field(
        "everybody", description="on whose validation samples the epoch is chosen"
    )

    def cost(self, groups: Sequence[str]) -> float:
        """Return the trainings: one, or one for each group besides."""
        return 1 + (len(groups) if self.selection_by == "group" else 0)

    def model(self, lab: Lab) -> RoutedModel:
        """Train one network on all samples."""
        everybody = lab.erm()
        if self.selection_by == "everybody" or lab.settings.selection == "last":
            return lab.one_model(self.info.name, everybody)
        trained = {g: lab.erm(selected_for=g) for g in lab.groups if len(lab.validation.in_group(g))}
        route = {g: g if g in trained else "pooled" for g in lab.groups}
        return lab.model(self.info.name, {"pooled": everybody, **trained}, route, pooled="pooled")
