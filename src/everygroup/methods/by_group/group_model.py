"""Group models: one network per group, trained on that group alone."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from everygroup.errors import TrainingError
from everygroup.methods.info import ALL_TARGETS
from everygroup.methods.lab import Lab
from everygroup.methods.parts import ByGroup, method
from everygroup.models import RoutedModel
from everygroup.training import Trained

MIN_SAMPLES = 10
SmallGroups = Literal["error", "erm"]


def too_small(lab: Lab, group: str) -> str:
    """Say why a group cannot have a network of its own; an empty text if it can."""
    inside, checked = lab.train.in_group(group), lab.validation.in_group(group)
    used = lab.target.used(inside)
    size = len(inside) if used is None else int(used.sum())
    if size < MIN_SAMPLES:
        return f"only {size} training samples (at least {MIN_SAMPLES} are needed)"
    strata = lab.target.strata(lab.target.truth(inside))
    if strata is not None and (np.bincount(strata) >= 2).sum() < 2:
        return f"{len(inside)} training samples but fewer than two classes with two samples"
    return "" if len(checked) else "no validation samples"


def pooled_groups(lab: Lab, small_groups: SmallGroups) -> list[str]:
    """Return the groups that the pooled network has to answer for.

    Raises
    ------
    TrainingError
        If there are any and `small_groups` is 'error'.
    """
    reasons = {g: why for g in lab.groups if (why := too_small(lab, g))}
    if reasons and small_groups == "error":
        listed = "; ".join(f"{g!r} has {why}" for g, why in reasons.items())
        raise TrainingError(
            f"Group {listed}.",
            fix="merge it with another by --bins, or let the pooled network answer for it with --set small_groups=erm",
        )
    return list(reasons)


@method(
    "GroupModel (protected group models)",
    "Puyol-Anton et al. Fairness in cardiac MR image analysis. MICCAI 2021",
    cost=lambda groups: groups,
    needs_group_at_test=True,
    targets=ALL_TARGETS,
    branch="networks by group",
)
class GroupModel(ByGroup):
    """One independent network per group, trained on in-group samples only, with as many updates as ERM."""

    small_groups: SmallGroups = Field(
        "error",
        description="what happens to a group with fewer than 10 training samples or fewer than two classes: an error, "
        "or the pooled network (ERM, trained for it) answers",
    )

    def check(self, lab: Lab) -> None:
        """Refuse, besides, groups too small for a network of their own."""
        super().check(lab)
        pooled_groups(lab, self.small_groups)

    def model(self, lab: Lab) -> RoutedModel:
        """Train one network per group."""
        left_out = pooled_groups(lab, self.small_groups)
        trained = {g: self._of_group(lab, g) for g in lab.groups if g not in left_out}
        if left_out:
            trained["pooled"] = lab.erm()
        route = {g: "pooled" if g in left_out else g for g in lab.groups}
        return lab.model(self.info.name, trained, route, pooled="pooled" if left_out else None)

    def _of_group(self, lab: Lab, group: str) -> Trained:
        return lab.group_model(group)
