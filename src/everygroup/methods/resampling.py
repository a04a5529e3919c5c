"""Balanced ERM: batches in which groups, or cells of label and group, are equally likely."""

from __future__ import annotations

import numpy as np

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.settings import TrainSettings
from everygroup.training import Task

OVER = ("group", "cell")


def balanced_probabilities(train: Cohort, *, over: str = "group", power: float = 1.0) -> np.ndarray:
    """Return p_i proportional to n_c^-power, c the sample's group or (label, group) cell, with mean 1.

    Samples without a group are a group of their own whose share of the draws stays as it is in the data.
    """
    known = train.group >= 0
    code = train.group if over == "group" else train.y * len(train.groups) + train.group
    _, cell = np.unique(code[known], return_inverse=True)
    p = np.ones(len(train))
    drawn = np.bincount(cell).astype(float)[cell] ** -power
    p[known] = drawn / drawn.mean()
    return p


@register
class Resampling(Method):
    """Draw sample i with probability proportional to 1/n_g (or 1/n_kg), with replacement.

    Parameters
    ----------
    over : {'group', 'cell'}
        What is balanced: groups, or (label, group) cells.
    power : float
        1 = full balance, 0.5 = square root, 0 = ERM.
    """

    info = MethodInfo(
        name="resampling",
        title="Balanced resampling (Balanced ERM)",
        paper="Zhang et al. Improving the fairness of chest X-ray classifiers. CHIL 2022",
        family="pre-processing",
        min_groups=1,
        max_groups=None,
        needs_group_at_test=False,
        cost=lambda groups: 1,
    )

    def __init__(self, *, over: str = "group", power: float = 1.0) -> None:
        if over not in OVER:
            raise SettingsError(f"over = {over!r}.", fix=f"choose one of {', '.join(OVER)}")
        if not 0 <= power <= 1:
            raise SettingsError(f"power = {power} lies outside [0, 1].", fix="0 is ERM, 1 full balance")
        self.over, self.power = over, power

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        drawn = balanced_probabilities(train, over=self.over, power=self.power) if self.power else None
        task = Task.diagnosis(self.info.name, train, validation, probabilities=drawn)
        return self._one_network(train, store.network(task, settings, n_budget=len(train)))
