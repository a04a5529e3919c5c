"""Distances that can stand in for boundary distances: from features to a group, and between two scores (Table 5).

The paper names them in prose; the sample-wise forms are our reading of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import SettingsError
from everygroup.spare.weights import Array

LEVELS = ("sample", "group")
_CHUNK = 1024  # rows of a kernel matrix held at once
_MEDIAN_SAMPLES = 1000  # samples whose pairs give the median distance


def centroid_distance(features: ArrayLike, group: ArrayLike, target: int, *, level: str = "sample") -> Array:
    """Feature centroid distance (FCD), (n,): how far a sample lies from the mean of the target group.

    Features are standardised by mean and standard deviation over all samples; constant ones play no part.

    Parameters
    ----------
    features : (n, q) penultimate features
    group : (n,) int, -1 where missing, a value of its own
    target : int
    level : {'sample', 'group'}
        ||phi(x) - mu_t|| for each sample; or ||mu_g - mu_t|| for all samples of group g, 0 in the target group.

    Raises
    ------
    SettingsError
        If the target group has no sample, or for an unknown level.
    """
    phi, source = _checked(features, group, target, level)
    spread = phi.std(0)
    varies = spread > 1e-12 * np.maximum(1, np.abs(phi).max(0))
    z = (phi[:, varies] - phi[:, varies].mean(0)) / spread[varies]
    centre = z[source == target].mean(0)
    if level == "group":
        for g in np.unique(source):
            z[source == g] = z[source == g].mean(0)
    result: Array = np.sqrt(((z - centre) ** 2).sum(1))
    return result


def mean_discrepancy(
    features: ArrayLike, group: ArrayLike, target: int, *, level: str = "sample", bandwidth: float | None = None
) -> Array:
    r"""Maximum mean discrepancy (MMD) to the target group with an RBF kernel, (n,).

    .. math:: d(x)^2 = k(x, x) - 2 \overline{k(x, x_j)} + \overline{k(x_j, x_l)}, \quad j, l \in D_t

    with k(u, v) = exp(-||u - v||^2 / (2 s^2)). At level 'group' every sample of group g has MMD^2(D_g, D_t), 0 in the
    target group. Means run over all pairs, those of a sample with itself too.

    Parameters
    ----------
    features, group, target, level
        As in `centroid_distance`; features are not standardised.
    bandwidth : float, optional
        s; the median distance of pairs by default (of at most 1,000 samples spread evenly over the data).

    Raises
    ------
    SettingsError
        As in `centroid_distance`, or for a bandwidth that is not positive.
    """
    phi, source = _checked(features, group, target, level)
    s = _median_distance(phi) if bandwidth is None else bandwidth
    if not s > 0:
        raise SettingsError(f"bandwidth = {s} is not positive.", fix="check that the features differ")
    inside = phi[source == target]

    def mean_kernel(rows: Array, columns: Array) -> Array:
        """Mean over the columns of k, for every row."""
        parts = [
            np.exp(-_squared(rows[i : i + _CHUNK], columns) / (2 * s**2)).mean(1) for i in range(0, len(rows), _CHUNK)
        ]
        return np.concatenate(parts)

    own = mean_kernel(inside, inside).mean()
    toward = mean_kernel(phi, inside)
    if level == "sample":
        result: Array = np.sqrt(np.maximum(0.0, 1 - 2 * toward + own))
        return result
    result = np.zeros(len(phi))
    for g in np.unique(source[source != target]):
        members = source == g
        within = mean_kernel(phi[members], phi[members]).mean()
        result[members] = max(0.0, within - 2 * toward[members].mean() + own)
    return result


def logit_gap(logits: ArrayLike, *, probabilities: bool = True) -> Array:
    """Logit gap (LG), (n,): how far the best class is ahead of the second.

    Parameters
    ----------
    logits : (n, K), K >= 2
    probabilities : bool
        Of the probabilities, in [0, 1] (the paper); else of the logits themselves.
    """
    z = np.asarray(logits, dtype=np.float64)
    if probabilities:
        z = np.exp(z - z.max(1, keepdims=True))
        z = z / z.sum(1, keepdims=True)
    top = np.sort(z, axis=1)[:, -2:]
    gap: Array = top[:, 1] - top[:, 0]
    return gap


def _checked(features: ArrayLike, group: ArrayLike, target: int, level: str) -> tuple[Array, np.ndarray]:
    phi, source = np.array(features, dtype=np.float64), np.asarray(group)
    if level not in LEVELS:
        raise SettingsError(f"Unknown level {level!r}.", fix=f"choose one of {', '.join(LEVELS)}")
    if not (source == target).any():
        raise SettingsError("The target group has no sample to measure a distance to.", fix="choose another --group")
    return phi, source


def _squared(rows: Array, columns: Array) -> Array:
    cross = (rows**2).sum(1)[:, None] + (columns**2).sum(1)[None] - 2 * rows @ columns.T
    return np.maximum(0.0, cross)


def _median_distance(phi: Array) -> float:
    some = phi[np.unique(np.linspace(0, len(phi) - 1, min(len(phi), _MEDIAN_SAMPLES)).round().astype(int))]
    above = np.sqrt(_squared(some, some))[np.triu_indices(len(some), 1)]
    return float(np.median(above)) if len(above) else 0.0
