"""Cluster bootstrap: replicate weights of patients, and sums over them.

A replicate is a column of integer weights, one per cluster (patient, lesion): how often the cluster was drawn.
Every statistic that is a function of weighted sums is then one sparse matrix product away.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from everygroup.statistics.intervals import percentile_interval

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]

MAX_BYTES = 200_000_000
"""Memory that one block of replicate weights and its working copies may take."""


def cluster_index(units: ArrayLike) -> IntArray:
    """Number the clusters 0..C-1 in order of first appearance: (n,) ids -> (n,) index."""
    import pandas as pd  # hashing ids is many times faster than sorting them

    values = np.asarray(units).reshape(-1)
    return np.asarray(pd.factorize(values, use_na_sentinel=False)[0], dtype=np.int64)


def cluster_strata(cluster: IntArray, group: IntArray) -> IntArray:
    """Stratum of every cluster: its group, or one common stratum for all clusters with rows in several groups.

    A patient seen at 50 and at 60 may sit in two age groups. One stratum per set of groups would often hold a single
    patient, who is then in every replicate exactly once and adds nothing to the interval.

    Parameters
    ----------
    cluster : (n,) index of the cluster of every row, 0..C-1.
    group : (n,) index of the group, -1 for missing (a value of its own).

    Returns
    -------
    (C,) stratum index 0..S-1.
    """
    n_clusters = int(cluster.max(initial=-1)) + 1
    if n_clusters == cluster.size:  # one row each
        kind = np.empty(n_clusters, dtype=np.int64)
        kind[cluster] = group + 1
        found = np.bincount(kind) > 0
        return np.asarray((np.cumsum(found) - 1)[kind], dtype=np.int64)
    present = np.zeros((n_clusters, int(group.max(initial=-1)) + 2), dtype=bool)
    present[cluster, group + 1] = True
    single = present.sum(axis=1) == 1
    kind = np.where(single, present.argmax(axis=1), present.shape[1])
    _, stratum = np.unique(kind, return_inverse=True)
    return stratum.reshape(-1).astype(np.int64)


def replicate_blocks(
    strata: IntArray, n_boot: int, *, seed: int, n_rows: int | None = None, max_bytes: int = MAX_BYTES
) -> Iterator[NDArray[np.float32]]:
    """Yield blocks of multinomial replicate weights, together `n_boot` columns.

    Parameters
    ----------
    strata : (C,) stratum of every cluster; clusters are drawn with replacement within their stratum. Zeros for the
        unstratified bootstrap.
    n_boot : number of replicates R.
    seed : the same seed gives the same replicates, whatever the block size.
    n_rows : rows the weights will be spread over (to bound memory); the number of clusters when not given.
    max_bytes : bound on the memory of one block.

    Yields
    ------
    (C, r) float32 arrays of counts; every column sums to C, and within a stratum to the stratum's size.
    """
    n_clusters = strata.size
    order = np.argsort(strata, kind="stable")
    sizes_by_stratum = np.bincount(strata)
    starts = np.repeat(np.cumsum(sizes_by_stratum) - sizes_by_stratum, sizes_by_stratum)
    sizes = np.repeat(sizes_by_stratum, sizes_by_stratum)
    rng = np.random.default_rng(seed)
    width = max(1, min(n_boot, max_bytes // (40 * max(n_clusters, n_rows or 0, 1))))
    for first in range(0, n_boot, width):
        r = min(width, n_boot - first)
        # one uniform number per cluster and replicate, row by row: the stream does not depend on the block size
        drawn = starts + np.floor(rng.random((r, n_clusters)) * sizes).astype(np.int64)
        drawn += n_clusters * np.arange(r)[:, None]
        counts = np.bincount(drawn.reshape(-1), minlength=r * n_clusters).reshape(r, n_clusters)
        block = np.empty((n_clusters, r), dtype=np.float32)
        block[order] = counts.T
        yield block


def incidence(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Sparse count matrix: entry (i, j) is how often the pair (i, j) occurs in (rows, columns)."""
    ones = np.ones(rows.size, dtype=np.float32)
    return sparse.csr_matrix((ones, (rows, columns)), shape=shape)


def weighted_sums(table: sparse.csr_matrix, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sums of a (C, J) count table under (C, r) replicate weights, as (r, J)."""
    return np.asarray(table.T @ weights, dtype=np.float64).T


def bootstrap_mean(
    values: ArrayLike,
    *,
    units: ArrayLike | None = None,
    group: ArrayLike | None = None,
    n_boot: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """Mean of per-sample values with its cluster-bootstrap percentile interval.

    With `values` the differences between two models on the same samples this is the paired bootstrap.

    Parameters
    ----------
    values : (n,) numbers, e.g. 1 for right and 0 for wrong.
    units : (n,) cluster ids; every row is its own cluster when not given.
    group : (n,) group index to stratify by; not stratified when not given.

    Returns
    -------
    value, low, high
    """
    x = np.asarray(values, dtype=np.float64)
    cluster = cluster_index(np.arange(x.size) if units is None else units)
    n_clusters = int(cluster.max()) + 1
    strata = np.zeros(n_clusters, dtype=np.int64)
    if group is not None:
        strata = cluster_strata(cluster, np.asarray(group, dtype=np.int64))
    total = np.bincount(cluster, weights=x)
    count = np.bincount(cluster).astype(np.float64)
    means = np.concatenate([(total @ block) / (count @ block) for block in replicate_blocks(strata, n_boot, seed=seed)])
    low, high = percentile_interval(means, level=level)
    return float(x.mean()), float(low), float(high)
