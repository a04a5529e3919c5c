"""Sums over groups under shuffles of very many units of many kinds: exact where counts are small, else their limit.

Dealing every unit anew costs a pass over all of them for each shuffle. Here a kind with many units (such as the right
answers of a class) is dealt at once from the hypergeometric distribution. Of the other kinds, whose units are dealt one
by one, those that only add to sums that are large in every group are many small terms of these sums, and a sum over a
sample without replacement is then normal, with a mean and a covariance that are known: those sums are drawn from it.

References
----------
Hajek, Publications of the Mathematical Institute of the Hungarian Academy of Sciences 1960 (the limit).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from everygroup.statistics.tables import (
    MANY_OF_A_KIND,
    MANY_UNITS,
    IntArray,
    Types,
    deal_types,
    dealt_one_by_one,
    stratum_sizes,
    stratum_slices,
)

Array = NDArray[np.float64]
Features: TypeAlias = Array | sparse.csr_matrix

LARGE_SUM = 30.0
"""What small kinds together must add to a sum in the smallest group so that it has its limit."""
MOST_SUMS = 3000
"""With more free sums over groups the covariance would be too large, and all is dealt or shuffled one by one."""
_NUMBERS, _ROWS = 4_000_000, 8192
_RIDGE, _ROUNDING = 1e-9, 1e-9


def has_limit(types: Types, n_groups: int) -> bool:
    """Whether the units are so many, of so many kinds, that `shuffled_sums` is worth its while."""
    size = int(types.multiplicity.sum())
    return size >= MANY_UNITS and dealt_one_by_one(len(types), n_groups, size)


def shuffled_sums(
    types: Types, features: sparse.csr_matrix, group: IntArray, n_groups: int, n_perm: int, *, seed: int
) -> Iterator[Array]:
    """Yield blocks (r, G, J) of the sums of every group when the groups are shuffled within strata.

    Parameters
    ----------
    types : the units by contents.
    features : (T, J) what one unit of every type adds to the sums, 0 or more.
    group : (U,) group of every unit.
    n_perm : number of shuffles.
    """
    slices, sizes = stratum_slices(types), stratum_sizes(types, group, n_groups)
    at_once = types.multiplicity >= MANY_OF_A_KIND
    bulk = _bulk(types, features, ~at_once, smallest_share(sizes))
    at = np.repeat(np.arange(len(slices)), [part.stop - part.start for part in slices])
    units = sizes.sum(axis=1)
    limit = _Limit.of(features, np.where(bulk, types.multiplicity, 0).astype(np.float64), at, sizes, units)
    if limit.deviation is None:
        bulk = np.zeros_like(bulk)
    dealt = np.flatnonzero(~bulk)
    place, of_dealt = np.cumsum(~bulk) - 1, sparse.csr_matrix(features[dealt])
    one_by_one = int(types.multiplicity[~bulk & ~at_once].sum())
    width = max(4, min(256, _NUMBERS // max(one_by_one, n_groups * max(dealt.size, features.shape[1]), 1)))
    starts = range(0, n_perm, width)
    for begin, child in zip(starts, np.random.SeedSequence(seed).spawn(len(starts)), strict=True):
        r, rng = min(width, n_perm - begin), np.random.default_rng(child)
        counts = np.zeros((r, n_groups, dealt.size))
        left = np.zeros((r, n_groups, len(slices)))
        for s, part in enumerate(slices):
            room = np.tile(sizes[s], (r, 1))
            own = np.arange(part.start, part.stop)
            many, few = own[at_once[part]], own[~at_once[part] & ~bulk[part]]
            counts[:, :, place[many]] = deal_types(types.multiplicity[many], room, rng)
            counts[:, :, place[few]] = _deal_units(types.multiplicity[few], room, rng)
            left[:, :, s] = room
        sums = np.asarray((of_dealt.T @ counts.reshape(-1, dealt.size).T).T).reshape(r, n_groups, -1)
        yield sums + left @ limit.mean + limit.drawn(r, rng) if limit.deviation is not None else sums


def limiting_sums(
    features: Features, strata: IntArray, group: IntArray, n_groups: int, n_perm: int, *, seed: int
) -> Array | None:
    """Sums (R, G, J) of every group when the groups of very many units are shuffled within strata, by their limit.

    None where more than `MOST_SUMS` of them vary, so that their covariance is not worked out.

    Parameters
    ----------
    features : (U, J) what every unit adds.
    strata, group : (U,) of every unit.
    """
    at = np.unique(strata, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(at * n_groups + group, minlength=(int(at.max(initial=0)) + 1) * n_groups).reshape(-1, n_groups)
    limit = _Limit.of(features, np.ones(at.size), at, sizes, sizes.sum(axis=1))
    centre = sizes.T @ limit.mean
    if not limit.varies.size:
        return np.tile(centre, (n_perm, 1, 1))
    if limit.deviation is None:
        return None
    return centre + limit.drawn(n_perm, np.random.default_rng(seed))


def smallest_share(sizes: IntArray) -> float:
    """Share of all units that the smallest group has, from units (S, G) by stratum and group."""
    return float(sizes.sum(axis=0).min() / sizes.sum())


def _blocks(features: Features, columns: IntArray | None = None) -> Iterator[tuple[slice, Array]]:
    """Rows of a table, dense or sparse, as full blocks of some columns."""
    for begin in range(0, features.shape[0], _ROWS):
        rows = slice(begin, begin + _ROWS)
        yield rows, _full(features[rows] if columns is None else features[rows][:, columns])


def _full(product: Any) -> Array:
    return np.asarray(product.todense() if sparse.issparse(product) else product)


def _bulk(types: Types, features: sparse.csr_matrix, small: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """(T,) small types that add only to sums to which such types add much in the smallest group, a `share` of all."""
    bulk = small.copy()
    while bulk.any():
        added = np.asarray(features.T @ np.where(bulk, types.multiplicity, 0)).reshape(-1)
        scarce = (added > 0) & (added * share < LARGE_SUM)
        touching = bulk & (np.asarray(abs(features) @ scarce.astype(np.float64)).reshape(-1) > 0)
        if not touching.any():
            break
        bulk &= ~touching
    return bulk


def _deal_units(multiplicity: IntArray, room: IntArray, rng: np.random.Generator) -> Array:
    """(r, G, T) units of every type that each group gets, dealt one by one into (r, G) rooms, which shrink."""
    r, n_groups = room.shape
    size, n_types = int(multiplicity.sum()), multiplicity.size
    if not size:
        return np.zeros((r, n_groups, n_types))
    share = deal_types(np.array([size]), room, rng)[:, :, 0].astype(np.int64)
    ends, position = np.cumsum(share, axis=1), np.arange(size)
    labels = np.zeros((r, size), dtype=np.int64)
    for g in range(n_groups - 1):
        labels += position >= ends[:, g, None]
    dealt = rng.permuted(labels, axis=1) * n_types + np.repeat(np.arange(n_types), multiplicity)
    dealt += (n_groups * n_types) * np.arange(r)[:, None]
    return np.bincount(dealt.reshape(-1), minlength=r * n_groups * n_types).reshape(r, n_groups, n_types).astype(float)


@dataclass(frozen=True)
class _Limit:
    """The limit of the sums of some types.

    Attributes
    ----------
    mean : (S, J) what a unit of these types adds on average in every stratum.
    shape : number of groups and of sums.
    varies : sums that vary.
    deviation : triangular factor of the covariance of these sums in all groups but the last, which has the rest; None
        where there are none or too many.
    """

    mean: Array
    shape: tuple[int, int]
    varies: IntArray
    deviation: Array | None

    @classmethod
    def of(cls, features: Features, weight: Array, stratum: IntArray, sizes: IntArray, units: IntArray) -> Self:
        """Work out mean and covariance of sampling without replacement in every stratum.

        Parameters
        ----------
        features : (T, J) of a unit of every type.
        weight, stratum : (T,) units of every type, and its stratum.
        sizes : (S, G) units of every group, of these types and others; units : (S,) of all types.
        """
        n_groups, free = sizes.shape[1], sizes.shape[1] - 1
        n = np.bincount(stratum, weights=weight, minlength=len(sizes))
        onto = sparse.csr_matrix((weight, (stratum, np.arange(weight.size))), shape=(len(sizes), weight.size))
        mean = _full(onto @ features) / np.maximum(n, 1.0)[:, None]
        # what is the same for all of a stratum, such as its label, varies by rounding only
        spread, size = np.zeros(features.shape[1]), np.zeros(features.shape[1])
        for rows, block in _blocks(features):
            size += weight[rows] @ block**2
            spread += weight[rows] @ (block - mean[stratum[rows]]) ** 2
        varies = np.flatnonzero(spread > _ROUNDING * size)
        shape = (n_groups, features.shape[1])
        if free * varies.size > MOST_SUMS or not varies.size:
            return cls(mean, shape, varies, None)
        # units of these types that every group has on average, and how the numbers that two groups get vary together
        expected = sizes * (n / np.maximum(units, 1))[:, None]
        covariance = np.zeros((free, varies.size, free, varies.size))
        for rows, block in _blocks(features, varies):
            own, at = block - mean[np.ix_(stratum[rows], varies)], stratum[rows]
            for g in range(free):
                for h in range(g + 1):
                    shared = (g == h) * expected[:, g] - expected[:, g] * expected[:, h] / np.maximum(n, 1.0)
                    shared /= np.maximum(n - 1.0, 1.0)
                    covariance[g, :, h] += own.T @ (own * (weight[rows] * shared[at])[:, None])
        for g in range(free):
            for h in range(g):
                covariance[h, :, g] = covariance[g, :, h]
        flat = covariance.reshape(free * varies.size, -1)
        sd = np.sqrt(np.maximum(np.diag(flat), 0.0))
        unit = np.where(sd > 0, sd, np.inf)
        correlation = flat / unit[:, None] / unit
        correlation[np.diag_indices_from(correlation)] = 1.0 + _RIDGE  # sums that add up to a fixed number
        return cls(mean, shape, varies, np.linalg.cholesky(correlation) * sd[:, None])

    def drawn(self, r: int, rng: np.random.Generator) -> Array:
        """Deviations (r, G, J) from the mean, which add up to 0 over the groups."""
        assert self.deviation is not None
        moved = rng.standard_normal((r, len(self.deviation))) @ self.deviation.T
        out = np.zeros((r, *self.shape))
        out[:, :-1, self.varies] = moved.reshape(r, self.shape[0] - 1, -1)
        out[:, -1] = -out[:, :-1].sum(axis=1)
        return out
