"""Cross-fitting: measure a training sample on a network that has not seen its patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from everygroup.errors import TrainingError
from everygroup.methods.store import Store
from everygroup.settings import TrainSettings
from everygroup.training import Task


def cross_fitted_distances(
    task: Task, folds: int, settings: TrainSettings, store: Store, n_budget: int, search: Mapping[str, Any]
) -> np.ndarray:
    """Return the boundary distance of every training sample of a task, by k-fold cross-fitting.

    A network is over-confident on the samples it was trained on, and its boundary is too far from them.

    Parameters
    ----------
    task : Task
        Its training cohort is cut into folds by patient or lesion. The fold networks are taken from their last epoch:
        a choice on the fold they are measured on would not be unseen.
    folds : int
        k.
    n_budget : int
        Size of the whole training cohort, for the number of updates.
    search : mapping
        Options of `everygroup.boundary.boundary_distances`.

    Raises
    ------
    TrainingError
        If there are fewer patients than folds.
    """
    cohort = task.train
    names = np.unique(cohort.units)
    if len(names) < folds:
        raise TrainingError(
            f"{task.name}: {len(names)} patients cannot be cut into {folds} folds.", fix="use a smaller cross_fit"
        )
    order = np.random.default_rng(settings.seed).permutation(len(names))
    fold = (np.argsort(order) % folds)[np.searchsorted(names, cohort.units)]
    distances = np.full(len(cohort), np.nan)
    for k in range(folds):
        held = fold == k
        part = replace(
            task,
            name=f"{task.name} fold {k + 1}",
            train=cohort.where(~held),
            y_train=task.y_train[~held],
            validation=cohort.where(held),
            y_validation=task.y_train[held],
        )
        trained = store.network(part, settings.but(selection="last"), n_budget=n_budget)
        distances[held] = store.distances(trained, part.validation, **search).distance
    return distances
