"""Stratified ERM: one network per group, each with the passes over its own data that ERM makes over everybody's."""

from __future__ import annotations

import math

from everygroup.methods.by_group.group_model import GroupModel
from everygroup.methods.info import ALL_TARGETS
from everygroup.methods.lab import Lab
from everygroup.methods.parts import method
from everygroup.training import Trained


@method(
    "Stratified ERM",
    "Zhang et al. Improving the fairness of chest X-ray classifiers. CHIL 2022",
    needs_group_at_test=True,
    targets=ALL_TARGETS,
    branch="networks by group",
)
class StratifiedERM(GroupModel):
    """GroupModel with as many epochs, not as many updates: the network of a small group is trained less.

    A budget given as `updates` is that of everybody's network: a group's gets its share of them, n_g / n.
    """

    def _of_group(self, lab: Lab, group: str) -> Trained:
        size, settings = int((lab.train.group == lab.groups.index(group)).sum()), lab.settings
        if settings.updates is not None:
            settings = settings.but(updates=max(1, math.ceil(settings.updates * size / len(lab.train))))
        return lab.but(settings=settings).group_model(group, budget=size)
