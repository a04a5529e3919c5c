"""Cross-fitting: measure a training sample on a network that has not seen its patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch import nn

from everygroup.cohort import Cohort
from everygroup.console import warn
from everygroup.errors import TrainingError
from everygroup.methods.lab import Lab
from everygroup.training import Task, Trained


def cross_fitted(
    task: Task,
    folds: int,
    lab: Lab,
    measure: Callable[[nn.Module, Cohort], np.ndarray],
    *,
    otherwise: Trained | None = None,
) -> np.ndarray:
    """Measure every training sample of a task on the network of a k-fold cross-fit that has not seen its patient.

    A network is over-confident on the samples it was trained on, and its boundary is too far from them.

    Parameters
    ----------
    task : Task
        Its training cohort is cut into folds by patient or lesion. The fold networks are taken from their last epoch:
        a choice on the fold they are measured on would not be unseen.
    folds : int
        k.
    lab : Lab
        Trains the networks, with as many updates as one of everybody.
    measure : callable
        (network, samples) -> values (n, ...), such as boundary distances.
    otherwise : Trained, optional
        Network of everybody. The folds' linear heads take its penalty; and it measures a fold without which nothing can
        be learnt: its patients hold all samples of every class but one. A warning says so.

    Returns
    -------
    ndarray, (n_train, ...)

    Raises
    ------
    TrainingError
        If there are fewer patients than folds, or a fold cannot be left out and there is no other network.
    """
    cohort = task.train
    names = np.unique(cohort.units)
    if len(names) < folds:
        raise TrainingError(
            f"{task.name}: {len(names)} patients cannot be cut into {folds} folds.", fix="use a smaller cross_fit"
        )
    order = np.random.default_rng(lab.settings.seed).permutation(len(names))
    fold = (np.argsort(order) % folds)[np.searchsorted(names, cohort.units)]
    values: np.ndarray | None = None
    for k in range(folds):
        held = fold == k
        unseen, left = cohort.where(held), task.y_train[~held]
        name = f"{task.name} fold {k + 1}"
        why = task.target.learnable(left)
        if why and otherwise is not None:
            warn(f"{name}: {why}; its samples are measured on the network that has seen them.")
            network = otherwise
        else:
            part = replace(
                task,
                name=name,
                train=cohort.where(~held),
                y_train=left,
                validation=unseen,
                y_validation=task.y_train[held],
            )
            network = lab.cross_fitted_network(part, like=otherwise)
        found = measure(network.network, unseen)
        if values is None:
            values = np.full((len(cohort), *found.shape[1:]), np.nan)
        values[held] = found
    assert values is not None
    return values
