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
    import torch
    from torch.nn.functional import adaptive_avg_pool2d

    from everygroup.imaging.tensors import to_input

    parts = []
    for start in range(0, len(cohort), _READ):
        stored = torch.from_numpy(np.ascontiguousarray(cohort.batch(slice(start, start + _READ))))
        x = to_input(stored)
        if x.ndim == 4:
            x = adaptive_avg_pool2d(x, (min(SIDE, x.shape[2]), min(SIDE, x.shape[3])))
        parts.append(x.flatten(1).double().numpy())
    return np.concatenate(parts)


def components(values: np.ndarray, seed: int) -> np.ndarray:
    """Return at most 64 principal components of standardised columns, (n, c); fewer columns are only standardised."""
    from sklearn.decomposition import PCA

    spread = values.std(axis=0)
    scaled = (values - values.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    most = min(COMPONENTS, len(values) - 1)
    if scaled.shape[1] <= most:
        return scaled
    return np.asarray(PCA(most, svd_solver="randomized", random_state=seed).fit_transform(scaled))


def pixel_features(cohort: Cohort, seed: int) -> FeatureMap:
    """Return the features of budget 'quick'. The components are of all rows given: no label is used."""
    fixed = components(small_images(cohort), seed)
    return lambda _: fixed


def network_features(cohort: Cohort, settings: TrainSettings) -> FeatureMap:
    """Return the features of budget 'normal': the penultimate layer of ERM, trained on the training rows only.

    The network is trained anew for every fold, so that the rows judged are new to it as well as to what is fitted on
    its features. It is taken from its last epoch: a choice on the rows judged would not leave them unseen.
    """
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
