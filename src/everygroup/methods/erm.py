"""Empirical risk minimisation: one network for everybody."""

from __future__ import annotations

from collections.abc import Sequence

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.settings import TrainSettings
from everygroup.training import Task, Trained

SELECTION_BY = ("everybody", "group")


def train_pooled(train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> Trained:
    """Train the network of everybody, which other methods share."""
    return store.network(Task.diagnosis("erm", train, validation), settings, n_budget=len(train))


def train_pooled_for(group: str, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> Trained:
    """Train the network of everybody once more, with the epoch chosen on one group's validation samples."""
    task = Task.diagnosis(f"erm[{group}]", train, validation.in_group(group))
    return store.network(task, settings, n_budget=len(train))


@register
class ERM(Method):
    """min (1/n) sum_i CE(f(x_i), y_i): blind to groups, and the baseline of every comparison.

    Parameters
    ----------
    selection_by : {'everybody', 'group'}
        On whose validation samples the epoch is chosen. 'group': on those of each group, which is then answered by the
        network of that epoch, as GroupModel's and SPARE's networks are chosen; the control for what the choice of the
        epoch alone gains. The training is the same for all groups, but a training keeps one epoch, so that it is done
        once for each and once for everybody, who answers where the group is missing or has no validation samples:
        G + 1 times. Where the setting selection is 'last' there is nothing to choose, and 'group' is ERM.
    """

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

    def __init__(self, *, selection_by: str = "everybody") -> None:
        if selection_by not in SELECTION_BY:
            raise SettingsError(f"selection_by = {selection_by!r}.", fix=f"choose one of {', '.join(SELECTION_BY)}")
        self.selection_by = selection_by

    def cost(self, groups: Sequence[str]) -> float:
        """Return the trainings: one, or one for each group besides."""
        return 1 + (len(groups) if self.selection_by == "group" else 0)

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        """Train one network on all samples; see `Method.fit`."""
        everybody = train_pooled(train, validation, settings, store)
        if self.selection_by == "everybody" or settings.selection == "last":
            return self._one_network(train, everybody)
        trained = {
            g: train_pooled_for(g, train, validation, settings, store)
            for g in train.groups
            if len(validation.in_group(g))
        }
        return RoutedModel.build(
            self.info.name,
            train,
            {"pooled": everybody, **trained},
            route={g: g if g in trained else "pooled" for g in train.groups},
            pooled="pooled",
            info={"hyperparameters": self.hyperparameters},
        )
