"""Permutation null of a gap: who belongs to which group is shuffled, everything else stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.statistics.bootstrap import MAX_BYTES, FloatArray, IntArray
from everygroup.statistics.tables import distinct


def permutation_units(cluster: IntArray, group: IntArray) -> IntArray:
    """Index (n,) of the (cluster, group) pair of every row: the units whose group label is shuffled as one.

    Normally a cluster has one group and the unit is the cluster. Where a patient's rows lie in several groups, the
    rows of each group move together.
    """
    width, n_clusters = int(group.max(initial=-1)) + 2, int(cluster.max(initial=-1)) + 1
    _, _, unit = distinct(cluster * width + group + 1, n_clusters * width)
    return unit


def majority(unit: IntArray, value: IntArray, n_values: int) -> IntArray:
    """The most frequent value (ties: the lowest) of every unit: (U,) from (n,) rows."""
    n_units = int(unit.max(initial=-1)) + 1
    if n_units == unit.size:  # one row each
        alone = np.empty(n_units, dtype=np.int64)
        alone[unit] = value
        return alone
    counts = np.bincount(unit * n_values + value, minlength=n_units * n_values).reshape(n_units, n_values)
    return counts.argmax(axis=1).astype(np.int64)


def permuted_blocks(
    labels: IntArray,
    strata: IntArray,
    n_perm: int,
    *,
    seed: int,
    n_rows: int | None = None,
    max_bytes: int = MAX_BYTES,
) -> Iterator[NDArray[np.int16]]:
    """Yield blocks of labels shuffled within strata, together `n_perm` columns.

    Parameters
    ----------
    labels : (U,) group index of every unit.
    strata : (U,) labels are exchanged only between units of one stratum (zeros: freely).
    seed : the same seed gives the same shuffles, whatever the block size.
    n_rows : rows the labels will be spread over (to bound memory); the number of units when not given.

    Yields
    ------
    (U, r) int16 arrays of group indices.
    """
    members = [np.flatnonzero(strata == s) for s in np.unique(strata)]
    # one stream per stratum keeps the result independent of the block size
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(len(members))]
    width = max(1, min(n_perm, max_bytes // (40 * max(labels.size, n_rows or 0, 1))))
    for first in range(0, n_perm, width):
        r = min(width, n_perm - first)
        block = np.empty((labels.size, r), dtype=np.int16)
        for rows, rng in zip(members, streams, strict=True):
            tiled = np.tile(labels[rows].astype(np.int16), (r, 1))
            block[rows] = rng.permuted(tiled, axis=1).T
        yield block


def permutation_p(observed: FloatArray | float, null: FloatArray) -> FloatArray:
    """p = (1 + #{null >= observed}) / (1 + R), over the first axis of `null`; undefined replicates are left out.

    NaN where the observed value is undefined. Ties within rounding error count as >=.
    """
    gap = np.asarray(observed, dtype=np.float64)
    values = np.asarray(null, dtype=np.float64)
    at_least = (values >= gap - 1e-12).sum(axis=0)
    defined = (~np.isnan(values)).sum(axis=0)
    return np.where(np.isnan(gap), np.nan, (1.0 + at_least) / (1.0 + defined))


def permutation_test(
    statistic: Callable[[IntArray], float],
    group: ArrayLike,
    *,
    units: ArrayLike | None = None,
    label: ArrayLike | None = None,
    n_perm: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Observed gap and permutation p-value of any statistic of the group index.

    Parameters
    ----------
    statistic : maps a (n,) group index to a gap (larger is worse).
    group : (n,) group index; rows with -1 (missing) keep it.
    units : (n,) cluster ids; labels are shuffled between clusters.
    label : (n,) class index; when given, labels are shuffled within the classes only, which is the null of a gap in
        true or false positive rates (the groups may differ in prevalence).

    Returns
    -------
    observed, p

    References
    ----------
    Phipson and Smyth, Permutation p-values should never be zero, 2010.
    """
    g = np.asarray(group, dtype=np.int64)
    known = np.flatnonzero(g >= 0)
    cluster = np.arange(g.size) if units is None else np.unique(np.asarray(units), return_inverse=True)[1].reshape(-1)
    unit = permutation_units(cluster[known].astype(np.int64), g[known])
    labels = majority(unit, g[known], int(g.max(initial=0)) + 1)
    strata = np.zeros(labels.size, dtype=np.int64)
    if label is not None:
        y = np.asarray(label, dtype=np.int64)[known]
        strata = majority(unit, y, int(y.max(initial=0)) + 1)
    null: list[float] = []
    for block in permuted_blocks(labels, strata, n_perm, seed=seed):
        for column in block.T:
            shuffled = g.copy()
            shuffled[known] = column[unit]
            null.append(statistic(shuffled))
    observed = statistic(g)
    return observed, float(permutation_p(observed, np.asarray(null)))
