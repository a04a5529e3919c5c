"""Group weight: a network per group on everybody, the samples of other groups weighted down by one tuned number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from everygroup.methods.lab import Lab
from everygroup.methods.parts import ByGroup, method
from everygroup.methods.weighted import of_groups
from everygroup.models import RoutedModel


@method(
    "Tuned group weight",
    "the source weight of Wu and Dietterich. Improving SVM accuracy by training on auxiliary data sources. ICML 2004",
    groups=(2, None),
    cost=lambda groups: 5 * groups + 1,
    needs_group_at_test=True,
    targets=("classes", "labels", "number", "mask", "anomaly"),
    branch="weights by group",
)
class GroupWeight(ByGroup):
    """Weight 1 for the target group's samples, omega for all others; omega chosen on the group's validation samples.

    1 is ERM, 0 the group's own model: the control that every weight by sample has to beat.
    """

    omegas: Sequence[Annotated[float, Field(ge=0, le=1)]] = Field(
        (1.0, 0.5, 0.2, 0.1, 0.0), min_length=1, description="candidates of omega; the first among equals is taken"
    )

    def cost(self, groups: Sequence[str]) -> float:
        """Return a network for each group and candidate, and ERM."""
        return len(self.omegas) * len(groups) + 1

    def model(self, lab: Lab) -> RoutedModel:
        """Train and choose."""

        def weights(group: int) -> dict[str, np.ndarray]:
            inside = lab.train.group == group
            return {f"omega={omega:g}": np.where(inside, 1.0, omega) for omega in self.omegas}

        return of_groups(lab, self.info.name, weights)
