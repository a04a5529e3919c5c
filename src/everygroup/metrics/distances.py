"""How far apart the values of two groups lie: Kolmogorov-Smirnov and Wasserstein-1 distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from everygroup.metrics.families import Array, SumFamily, Sums
from everygroup.metrics.rates import ratio_of

EXACT_LEVELS = 256
"""An audit's distances are exact up to this many distinct values, and from as many equally full bins above."""


class Distances(SumFamily):
    """Largest Kolmogorov-Smirnov and Wasserstein-1 distance between the values of two groups.

    With F_g the distribution function of group g: the largest abs(F_g - F_h), and the area between F_g and F_h.

    Parameters
    ----------
    values : (n,) numbers; used : (n,) which of them count.
    ks, wasserstein : names of the two gaps.
    levels : bins where there are more distinct values; None for as many as there are.
    """

    def __init__(
        self,
        values: Array,
        used: NDArray[np.bool_] | None = None,
        *,
        ks: str,
        wasserstein: str,
        levels: int | None = EXACT_LEVELS,
    ) -> None:
        self.gaps = (ks, wasserstein)
        inside = np.arange(values.size) if used is None else np.flatnonzero(used)
        edges = np.unique(values[inside])
        self.exact = levels is None or edges.size <= levels
        if levels is not None and not self.exact:
            edges = np.unique(np.quantile(values[inside], np.arange(1, levels + 1) / levels))
        at = np.searchsorted(edges, values[inside])
        n = np.bincount(at, minlength=edges.size)
        # a bin stands where its values are on average
        self._position = np.bincount(at, weights=values[inside], minlength=edges.size) / np.maximum(n, 1)
        shape = (values.size, max(edges.size, 1))
        self.features = sparse.csr_matrix((np.ones(inside.size), (inside, at)), shape=shape)

    def values(self, sums: Array) -> Sums:
        """No value of a single group."""
        return {}

    def gap_values(self, sums: Array) -> Sums:
        """Distances (...) from the sums (..., G, J) of the groups; undefined where a group has no value."""
        share = ratio_of(np.cumsum(sums, axis=-1), sums.sum(axis=-1, keepdims=True))
        n_groups, shape = sums.shape[-2], sums.shape[:-2]
        if n_groups < 2:
            return {m: np.full(shape, np.nan) for m in self.gaps}
        ks, area = np.full(shape, -np.inf), np.full(shape, -np.inf)
        steps = np.diff(self._position)
        for a in range(n_groups):
            for b in range(a + 1, n_groups):
                apart = np.abs(share[..., a, :] - share[..., b, :])
                # an undefined pair makes the largest undefined
                ks = np.maximum(ks, apart.max(axis=-1))
                area = np.maximum(area, apart[..., :-1] @ steps)
        return dict(zip(self.gaps, (ks, area), strict=True))
