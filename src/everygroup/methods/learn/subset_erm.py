"""ERM on the samples of some groups, answering for everybody: which source groups help which target group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from everygroup.errors import SettingsError
from everygroup.methods.info import ALL_TARGETS
from everygroup.methods.lab import Lab
from everygroup.methods.parts import GroupName, Learn, method
from everygroup.models import RoutedModel


@method(
    "ERM on a subset of the groups",
    "Xu et al. Rethinking fairness in medical imaging: Maximizing group-specific performance with application to skin "
    "disease diagnosis. Medical Image Analysis 109 (2026) 103950",
    family="baseline",
    groups=(0, None),
    targets=ALL_TARGETS,
    branch="control",
)
class SubsetERM(Learn):
    """min sum over i in the named groups of L(f(x_i), y_i): Section 2 of the SPARE paper (Fig. 1).

    Trained with as many updates as ERM on everybody. The epoch is chosen on everybody's validation samples, so that
    nested subsets differ in nothing but their training samples.
    """

    groups: Sequence[GroupName] | GroupName | None = Field(
        None,
        min_length=1,
        description="source groups by name; null for all samples, those without a group too, which is ERM",
    )

    @property
    def _names(self) -> list[str] | None:
        return [self.groups] if isinstance(self.groups, str) else None if self.groups is None else list(self.groups)

    def check(self, lab: Lab) -> None:
        """Refuse, besides, groups that the cohort does not have."""
        super().check(lab)
        if unknown := [g for g in self._names or [] if g not in lab.groups]:
            raise SettingsError(f"There is no group {unknown[0]!r}.", fix=f"the groups are {', '.join(lab.groups)}")

    def model(self, lab: Lab) -> RoutedModel:
        """Train one network on the subset."""
        if self._names is None:
            return lab.one_model(self.info.name, lab.erm())
        inside = np.isin(lab.train.group, [lab.groups.index(g) for g in self._names])
        trained = lab.train_network(name=f"{self.info.name}[{', '.join(self._names)}]", where=inside)
        return lab.one_model(self.info.name, trained, n_train=int(inside.sum()))
