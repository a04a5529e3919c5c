"""Group models: one network per group, trained on that group alone."""

from __future__ import annotations

import numpy as np

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError, TrainingError
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.erm import train_pooled
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.settings import TrainSettings
from everygroup.training import Task, Trained

MIN_SAMPLES = 10
SMALL_GROUPS = ("error", "erm")


def train_in_group(
    name: str, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store, *, train_size: int
) -> Trained:
    """Train the network of one group on its own samples, with as many updates as one trained on everybody's."""
    task = Task.diagnosis(f"group_model[{name}]", train.in_group(name), validation.in_group(name))
    return store.network(task, settings, n_budget=train_size)


def too_small(train: Cohort, validation: Cohort, name: str) -> str:
    """Say why a group cannot have a network of its own; an empty text if it can."""
    inside, checked = train.in_group(name), validation.in_group(name)
    if len(inside) < MIN_SAMPLES:
        return f"only {len(inside)} training samples (at least {MIN_SAMPLES} are needed)"
    if (np.bincount(inside.y) >= 2).sum() < 2:
        return f"{len(inside)} training samples but fewer than two classes with two samples"
    return "" if len(checked) else "no validation samples"


def pooled_groups(train: Cohort, validation: Cohort, small_groups: str) -> list[str]:
    """Return the groups that the pooled network has to answer for.

    Raises
    ------
    TrainingError
        If there are any and `small_groups` is 'error'.
    """
    if small_groups not in SMALL_GROUPS:
        raise SettingsError(f"small_groups = {small_groups!r}.", fix=f"choose one of {', '.join(SMALL_GROUPS)}")
    reasons = {g: why for g in train.groups if (why := too_small(train, validation, g))}
    if reasons and small_groups == "error":
        listed = "; ".join(f"{g!r} has {why}" for g, why in reasons.items())
        raise TrainingError(
            f"Group {listed}.",
            fix="merge it with another by --bins, or let the pooled network answer for it with --set small_groups=erm",
        )
    return list(reasons)


@register
class GroupModel(Method):
    """One independent network per group, trained on in-group samples only.

    Parameters
    ----------
    small_groups : {'error', 'erm'}
        What happens to a group with fewer than 10 training samples or fewer than two classes: an error, or the pooled
        network (ERM, trained for it) answers.
    """

    info = MethodInfo(
        name="group_model",
        title="GroupModel (protected group models)",
        paper="Puyol-Anton et al. Fairness in cardiac MR image analysis. MICCAI 2021",
        family="group-specific",
        min_groups=1,
        max_groups=None,
        needs_group_at_test=True,
        cost=lambda groups: groups,
    )

    def __init__(self, *, small_groups: str = "error") -> None:
        self.small_groups = small_groups

    def check_cohorts(self, train: Cohort, validation: Cohort) -> None:
        """Refuse, besides, groups too small for a network of their own."""
        super().check_cohorts(train, validation)
        pooled_groups(train, validation, self.small_groups)

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        """Train one network per group; see `Method.fit`."""
        left_out = pooled_groups(train, validation, self.small_groups)
        trained: dict[str, Trained] = {}
        for g in train.groups:
            if g not in left_out:
                trained[g] = self._train_group(g, train, validation, settings, store)
        if left_out:
            trained["pooled"] = train_pooled(train, validation, settings, store)
        return RoutedModel.build(
            self.info.name,
            train,
            trained,
            route={g: "pooled" if g in left_out else g for g in train.groups},
            pooled="pooled" if left_out else None,
            info={"hyperparameters": self.hyperparameters},
        )

    def _train_group(
        self, group: str, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store
    ) -> Trained:
        return train_in_group(group, train, validation, settings, store, train_size=len(train))
