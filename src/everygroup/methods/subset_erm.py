"""ERM on the samples of some groups, answering for everybody: which source groups help which target group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.erm import train_pooled
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.settings import TrainSettings
from everygroup.training import Task


@register
class SubsetERM(Method):
    """min sum over i in the named groups of CE(f(x_i), y_i): Section 2 of the SPARE paper (Fig. 1).

    Trained with as many updates as ERM on everybody. The epoch is chosen on everybody's validation samples, so that
    nested subsets differ in nothing but their training samples.

    Parameters
    ----------
    groups : sequence of str, str or None
        Source groups, by name; None for all samples, those without a group too, which is ERM.
    """

    info = MethodInfo(
        name="subset_erm",
        title="ERM on a subset of the groups",
        paper="Xu et al. Rethinking fairness in medical imaging: Maximizing group-specific performance with "
        "application to skin disease diagnosis. Medical Image Analysis 109 (2026) 103950",
        family="baseline",
        min_groups=0,
        max_groups=None,
        needs_group_at_test=False,
        cost=lambda groups: 1,
    )

    def __init__(self, *, groups: Sequence[str] | str | None = None) -> None:
        if groups is not None and (isinstance(groups, bool | int | float) or len(groups) == 0):
            raise SettingsError(f"groups = {groups!r}.", fix="name groups, as in groups=[light, dark], or null for all")
        self.groups = groups

    @property
    def _names(self) -> list[str] | None:
        if self.groups is None:
            return None
        return [self.groups] if isinstance(self.groups, str) else [str(g) for g in self.groups]

    def check_cohorts(self, train: Cohort, validation: Cohort) -> None:
        """Refuse, besides, groups that the cohort does not have."""
        super().check_cohorts(train, validation)
        if unknown := [g for g in self._names or [] if g not in train.groups]:
            raise SettingsError(f"There is no group {unknown[0]!r}.", fix=f"the groups are {', '.join(train.groups)}")

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        """Train one network on the subset; see `Method.fit`."""
        if self._names is None:
            return self._one_network(train, train_pooled(train, validation, settings, store))
        subset = train.where(np.isin(train.group, [train.groups.index(g) for g in self._names]))
        task = Task.diagnosis(f"{self.info.name}[{', '.join(self._names)}]", subset, validation)
        model = self._one_network(train, store.network(task, settings, n_budget=len(train)))
        model.info["n_train"] = len(subset)
        return model
