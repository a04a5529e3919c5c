"""Stratified ERM: one network per group, each with the passes over its own data that ERM makes over everybody's."""

from __future__ import annotations

from everygroup.cohort import Cohort
from everygroup.methods.base import MethodInfo
from everygroup.methods.group_model import GroupModel, train_in_group
from everygroup.methods.registry import register
from everygroup.methods.store import Store
from everygroup.settings import TrainSettings
from everygroup.training import Trained


@register
class StratifiedERM(GroupModel):
    """GroupModel with as many epochs, not as many updates: the network of a small group is trained less.

    A budget given as `updates` counts for every network as it is; then only the epochs, between which the validation
    samples are looked at, are shorter than GroupModel's.
    """

    info = MethodInfo(
        name="stratified_erm",
        title="Stratified ERM",
        paper="Zhang et al. Improving the fairness of chest X-ray classifiers. CHIL 2022",
        family="group-specific",
        min_groups=1,
        max_groups=None,
        needs_group_at_test=True,
        cost=lambda groups: 1,
    )

    def _train_group(
        self, group: str, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store
    ) -> Trained:
        return train_in_group(group, train, validation, settings, store, train_size=len(train.in_group(group)))
