"""Cheap features for advice: principal components of small images, or what a short network sees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from everygroup.cohort import Cohort
from everygroup.settings import TrainSettings

SIDE = 16
"""Images are averaged down to at most this side in pixels."""
COMPONENTS = 64
_READ = 256  # images averaged at a time

FeatureMap = Callable[[np.ndarray], np.ndarray]
"""Mask of the training rows (n,) -> features (n, d) of all rows, learnt without the labels of the others."""


def small_images(cohort: Cohort) -> np.ndarray:
    """Return every sample as one vector, (n, d): images averaged to at most 16 x 16 pixels, vectors as they are."""
    from everygroup.networks import predict_features
    from everygroup.targets import target_of
    from everygroup.training import Task, train_plain

    def of(rows: np.ndarray) -> np.ndarray:
        inside = cohort.where(rows)
        task = Task.diagnosis("probe", target_of(inside), inside, inside)
        network = train_plain(task, settings.but(selection="last")).network
        features = predict_features(network, cohort)
        return components(features.reshape(len(features), -1).astype(np.float64), settings.seed)

    return of
