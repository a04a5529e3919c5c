"""Contrasts: features lie together by diagnosis, and less by group."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from everygroup.cohort import Cohort
from everygroup.models import RoutedModel
from everygroup.networks import predict_features
from zoo.adversarial import READ, WORLD, compared
from zoo.effect import Effect
from zoo.worlds import PERCEPTRON, odds_gap, separability


def alike(by: str) -> Callable[[RoutedModel, Cohort], float]:
    """How much more alike (cosine) two samples' features are that share a diagnosis and not a group, or the reverse."""

    def measure(model: RoutedModel, cohort: Cohort) -> float:
        (network,) = {id(n): n for n in model.networks.values()}.values()
        h = predict_features(network, cohort)
        u = h / np.maximum(np.linalg.norm(h, axis=1, keepdims=True), 1e-9)
        cosine = u @ u.T
        y, group = (v[:, None] == v for v in (cohort.y, cohort.group))
        np.fill_diagonal(y, False)
        np.fill_diagonal(group, False)
        mine, other = (y, group) if by == "diagnosis" else (group, y)
        return float(cosine[mine & ~other].mean() - cosine[~mine & ~other].mean())

    return measure


BY_DIAGNOSIS = "how much more alike features are within a diagnosis, across groups"
BY_GROUP = "how much more alike features are within a group, across diagnoses"
GAP = "gap of the rates within each diagnosis"
ALONE = "the group is written in the vectors and does not go with the diagnosis; 600 updates"
LONGER = PERCEPTRON.but(updates=600)
SAME = "supcon(against=same_group)"
EFFECTS = [
    Effect("supcon", ALONE, BY_DIAGNOSIS, compared("supcon", alike("diagnosis"), LONGER, share=0.5), "larger"),
    Effect(SAME, WORLD, BY_GROUP, compared(SAME, alike("group"))),
    Effect("fairdisco", WORLD, READ, compared("fairdisco", separability)),
    Effect("fairdisco(as_released=true)", WORLD, READ, compared("fairdisco(as_released=true)", separability)),
    Effect("end", WORLD, BY_GROUP, compared("end", alike("group"))),
    Effect("circle(alpha=10)", WORLD, GAP, compared("circle(alpha=10)", odds_gap)),
]
