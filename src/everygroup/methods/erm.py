"""Empirical risk minimisation: one network for everybody."""

from __future__ import annotations

from everygroup.cohort import Cohort
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.settings import TrainSettings
from everygroup.training import Task, Trained


def train_pooled(train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> Trained:
    """Train the network of everybody, which other methods share."""
    return store.network(Task.diagnosis("erm", train, validation), settings, n_budget=len(train))


@register
class ERM(Method):
    """min (1/n) sum_i CE(f(x_i), y_i): blind to groups, and the baseline of every comparison."""

    info = MethodInfo(
        name="erm",
        title="Empirical risk minimisation",
        paper="Vapnik. Principles of risk minimization for learning theory. NeurIPS 1991",
        family="baseline",
        min_groups=0,
        max_groups=None,
        needs_group_at_test=False,
        cost=lambda groups: 1,
    )

    def __init__(self) -> None:
        pass

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        """Train one network on all samples; see `Method.fit`."""
        return self._one_network(train, train_pooled(train, validation, settings, store))
