"""Sums of a family's features over the rows of every cluster, by group, and under weights of the clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from everygroup.metrics.families import Array, Index, SumFamily

ROWS = 20_000
"""Rows whose features are looked at together where only their sum is wanted."""


class ClusterSums:
    """(C, S * J) sums over the rows of every cluster, slot by slot.

    A table of numbers is kept by slot, as full as it is; a sparse one in one piece.

    Parameters
    ----------
    cluster, slot : (n,) of every row, of `n_clusters` and `n_slots`.
    """

    def __init__(self, family: SumFamily, cluster: Index, slot: Index, n_clusters: int, n_slots: int) -> None:
        features = family.take(np.arange(cluster.size))
        j = features.shape[1]
        self.shape = (n_clusters, n_slots * j)
        self._whole: sparse.csr_matrix | None = None
        self._parts: list[tuple[Index, Array]] = []
        if isinstance(features, np.ndarray):
            for s in range(n_slots):
                rows = np.flatnonzero(slot == s)
                inside, at = np.unique(cluster[rows], return_inverse=True)
                own = features[rows]
                self._parts.append((inside, own[np.argsort(at)] if inside.size == rows.size else _by(at, own)))
            return
        entries = features.tocoo()
        column = slot[entries.row] * j + entries.col
        self._whole = sparse.csr_matrix((entries.data, (cluster[entries.row], column)), shape=self.shape)

    def under(self, weights: NDArray[np.float32]) -> Array:
        """Sums (r, S * J) under weights (C, r)."""
        if self._whole is not None:
            return dense(self._whole.T @ weights).T
        return np.concatenate([weights[at].T.astype(np.float64) @ own for at, own in self._parts], axis=1)

    def of(self, chosen: sparse.spmatrix) -> Array:
        """Sums (B, S * J) over sets of clusters, rows of a (B, C) sparse matrix."""
        if self._whole is not None:
            return dense(chosen @ self._whole)
        return np.concatenate([np.asarray(sparse.csc_matrix(chosen)[:, at] @ own) for at, own in self._parts], axis=1)


def slot_sums(family: SumFamily, slot: Index, n_slots: int) -> Array:
    """(S, J) sums over the rows of every slot, without a table of all rows."""
    total: Any = 0.0
    for begin in range(0, max(slot.size, 1), ROWS):
        rows = np.arange(begin, min(begin + ROWS, slot.size))
        total = total + _by(slot[rows], family.take(rows), n_slots)
    return np.asarray(total)


def _by(index: Index, values: Any, size: int | None = None) -> Array:
    """Sums (size, J) of the rows of (n, J) values, dense or sparse, with the same index."""
    width = int(index.max(initial=-1)) + 1 if size is None else size
    onto = sparse.csr_matrix((np.ones(index.size), (index, np.arange(index.size))), shape=(width, index.size))
    return dense(onto @ values)


def dense(product: Any) -> Array:
    """Return a product of matrices as an array, sparse or not."""
    return np.asarray(product.toarray() if sparse.issparse(product) else product, dtype=np.float64)
