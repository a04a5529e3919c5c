"""Resampling of counts instead of rows: clusters with the same contents are one type, and types are drawn.

The cluster bootstrap draws C clusters with replacement. Which cluster of a type is drawn does not matter to a sum over
rows, so how often each *type* is drawn is all there is to know: a multinomial, exactly. Shuffling the groups of units
is likewise a table with fixed margins (groups by types), drawn from the multivariate hypergeometric. The cost depends
on the number of types, not on the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

IntArray = NDArray[np.int64]
Array = NDArray[np.float64]

_BLOCK = 40_000_000
MANY_UNITS = 20_000
"""From how many units on kinds of many are drawn and dealt at once, where each unit would have its turn."""
MANY_OF_A_KIND = 64
"""Units from which on a kind is drawn or dealt at once."""
_DRAW_ONE_BY_ONE = 8
"""With fewer than this many clusters per type, drawing clusters is cheaper than drawing from types."""


@dataclass(frozen=True)
class Types:
    """Clusters by contents.

    Attributes
    ----------
    counts : (T, J) how often each code occurs in one cluster of the type.
    multiplicity : (T,) number of clusters of the type.
    stratum : (T,) stratum of the type's clusters; types are numbered stratum by stratum.
    of_cluster : (C,) type of every cluster.
    """

    counts: sparse.csr_matrix
    multiplicity: IntArray
    stratum: IntArray
    of_cluster: IntArray

    def __len__(self) -> int:
        return self.multiplicity.size

    def total(self) -> Array:
        """(J,) counts of the sample itself."""
        return np.asarray(self.counts.T @ self.multiplicity.astype(np.float64))


def cluster_types(cluster: IntArray, code: IntArray, stratum: IntArray, n_codes: int | None = None) -> Types:
    """Find the types of clusters.

    Parameters
    ----------
    cluster : (n,) index 0..C-1 of the cluster of every row; every cluster has a row.
    code : (n,) what the row is (such as its cell), 0..J-1.
    stratum : (C,) stratum of every cluster; clusters of different strata are of different types.
    n_codes : J; one more than the largest code when not given.
    """
    n_clusters, n = stratum.size, code.size
    width = int(code.max(initial=-1)) + 1 if n_codes is None else n_codes
    if n_clusters == n:
        key = np.empty(n, dtype=np.int64)
        key[cluster] = code
        _, first, inverse = distinct(stratum * width + key, int(stratum.max(initial=0) + 1) * width)
    else:
        first, inverse = _by_contents(cluster, code, stratum, width)
    members = np.full(n_clusters, -1, dtype=np.int64)
    members[first] = np.arange(first.size)
    kept = members[cluster]
    rows = np.flatnonzero(kept >= 0)
    ones = np.ones(rows.size)
    counts = sparse.csr_matrix((ones, (kept[rows], code[rows])), shape=(first.size, width))
    return Types(counts, np.bincount(inverse, minlength=first.size), stratum[first], inverse)


def distinct(key: IntArray, size: int) -> tuple[IntArray, IntArray, IntArray]:
    """Distinct values of (n,) keys in 0..size-1, sorted, one member of each, and the inverse; by counting if few."""
    if size > 4 * key.size + 1_000_000:
        values, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        return values, first.astype(np.int64), inverse.reshape(-1).astype(np.int64)
    first = np.full(size, -1, dtype=np.int64)
    first[key] = np.arange(key.size)
    values = np.flatnonzero(first >= 0)
    rank = np.empty(size, dtype=np.int64)
    rank[values] = np.arange(values.size)
    return values, first[values], rank[key]


def _by_contents(cluster: IntArray, code: IntArray, stratum: IntArray, width: int) -> tuple[IntArray, IntArray]:
    """First member of every type and type of every cluster, for clusters of several rows.

    Contents are compared by the sum of random 64-bit numbers of the codes, and a second sum makes sure.
    """
    order = np.argsort(cluster, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(cluster[order]) > 0])
    sorted_codes = code[order]
    for seed in range(8):
        rng = np.random.default_rng(seed)
        table = rng.integers(0, 2**64, size=(2, width), dtype=np.uint64)
        of_stratum = rng.integers(0, 2**64, size=int(stratum.max()) + 1, dtype=np.uint64)
        first_sum, second_sum = (np.add.reduceat(t[sorted_codes], starts) for t in table)
        key = first_sum + of_stratum[stratum]
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        inverse = inverse.reshape(-1)
        if (second_sum == second_sum[first][inverse]).all() and (stratum == stratum[first][inverse]).all():
            break
    # in order of strata, so that a stratum's types are neighbours
    sort = np.lexsort((first, stratum[first]))
    rank = np.empty(first.size, dtype=np.int64)
    rank[sort] = np.arange(first.size)
    return first[sort].astype(np.int64), rank[inverse].astype(np.int64)


def stratum_slices(types: Types) -> list[slice]:
    """The types of every stratum."""
    bounds = np.flatnonzero(np.r_[True, np.diff(types.stratum) != 0, True])
    return [slice(int(a), int(b)) for a, b in pairwise(bounds)]


def multinomial_weights(types: Types, n_boot: int, *, seed: int, width: int | None = None) -> Iterator[Array]:
    """Yield blocks (r, T) of how often every type is drawn, together `n_boot` rows.

    Within a stratum every row sums to the stratum's number of clusters. The replicates depend on the seed only, not on
    the width of a block.

    References
    ----------
    Field and Welsh, Bootstrapping clustered data, Journal of the Royal Statistical Society B 2007.
    """
    slices = stratum_slices(types)
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(len(slices))]
    per_block = width or max(1, min(n_boot, _BLOCK // max(len(types), 1)))
    for begin in range(0, n_boot, per_block):
        r = min(per_block, n_boot - begin)
        block = np.empty((r, len(types)))
        for part, rng in zip(slices, streams, strict=True):
            block[:, part] = _draw(types.multiplicity[part], r, rng)
        yield block


def _draw(multiplicity: IntArray, r: int, rng: np.random.Generator) -> IntArray:
    """(r, T) multinomial counts: by type, or cluster by cluster where nearly every cluster is its own type."""
    size, n_types = int(multiplicity.sum()), multiplicity.size
    if n_types * _DRAW_ONE_BY_ONE <= size or n_types == 1:
        return np.asarray(rng.multinomial(size, multiplicity / size, size=r))
    # of very many clusters those of the large types are drawn by type, together with how many are left to draw
    large = np.flatnonzero((multiplicity >= MANY_OF_A_KIND) & (size >= MANY_UNITS))
    small = np.where(np.isin(np.arange(n_types), large), 0, multiplicity)
    kind = np.repeat(np.arange(n_types), small)
    by_type = np.zeros((r, large.size + 1), dtype=np.int64)
    by_type[:, -1] = size
    if large.size:
        by_type = rng.multinomial(size, np.append(multiplicity[large], kind.size) / size, size=r)
    out = np.empty((r, n_types), dtype=np.int64)
    step = max(1, _BLOCK // (4 * size))
    for begin in range(0, r, step):
        left = by_type[begin : begin + step, -1]
        drawn = kind[rng.integers(0, kind.size, size=int(left.sum()))] if kind.size else kind
        drawn = drawn + np.repeat(n_types * np.arange(left.size), left)
        counted = np.bincount(drawn, minlength=left.size * n_types)
        out[begin : begin + step] = counted.reshape(left.size, n_types)
    out[:, large] = by_type[:, :-1]
    return out


def multinomial_tables(types: Types, n_boot: int, *, seed: int) -> Array:
    """Counts (R, J) of every code in every bootstrap replicate."""
    return np.concatenate([(types.counts.T @ w.T).T for w in multinomial_weights(types, n_boot, seed=seed)])


def leave_one_out(types: Types, *, max_rows: int = 2000, seed: int = 0) -> tuple[sparse.csr_matrix, Array]:
    """What is left out of the jackknife: one cluster of a type, or one of `max_rows` random blocks of clusters.

    Returns
    -------
    left_out : (B, T) clusters of every type that are left out; blocks where there are more than `max_rows` types.
    multiplicity : (B,) how many clusters (blocks) give that row.
    """
    t = len(types)
    if t <= max_rows:
        return sparse.identity(t, format="csr"), types.multiplicity.astype(np.float64)
    n = types.of_cluster.size
    block = np.random.default_rng(seed).permutation(n) % max_rows
    return sparse.csr_matrix((np.ones(n), (block, types.of_cluster)), shape=(max_rows, t)), np.ones(max_rows)


def shuffled_weights(
    types: Types, group: IntArray, n_groups: int, n_perm: int, *, seed: int, columns: int = 1
) -> Iterator[NDArray[np.float64]]:
    """Yield blocks (r, G, T) of how many units of every type each group gets when the groups are shuffled.

    Parameters
    ----------
    types : the units by contents; groups are exchanged within `types.stratum` only.
    group : (U,) group of every unit.
    n_perm : number of shuffles R; every shuffle keeps the number of units of every group in every stratum, and the
        number of units of every type.
    columns : numbers per group that the caller will make of every shuffle; narrows the blocks.
    """
    slices, of_group = stratum_slices(types), stratum_sizes(types, group, n_groups)
    width = max(8, min(1024, _BLOCK // (4 * n_groups * max(len(types), columns, 1))))
    # a stream for every block, as the order of the draws depends on the block's width
    starts = range(0, n_perm, width)
    for begin, child in zip(starts, np.random.SeedSequence(seed).spawn(len(starts)), strict=True):
        r, rng = min(width, n_perm - begin), np.random.default_rng(child)
        block = np.zeros((r, n_groups, len(types)))
        for part, sizes in zip(slices, of_group, strict=True):
            block[:, :, part] = _deal(types.multiplicity[part], sizes, r, rng)
        yield block


def stratum_sizes(types: Types, group: IntArray, n_groups: int) -> IntArray:
    """(S, G) units of every group in every stratum, from the group of every unit; strata as of `stratum_slices`."""
    first = [part.start for part in stratum_slices(types)]
    position = np.zeros(int(types.stratum.max(initial=0)) + 1, dtype=np.int64)
    position[types.stratum[first]] = np.arange(len(first))
    at = position[types.stratum[types.of_cluster]] * n_groups + group
    return np.bincount(at, minlength=len(first) * n_groups).reshape(-1, n_groups)


def dealt_one_by_one(n_types: int, n_groups: int, n_units: int) -> bool:
    """Whether dealing units costs less than dealing types."""
    return n_types * n_groups * _DRAW_ONE_BY_ONE > n_units


def _deal(multiplicity: IntArray, sizes: IntArray, r: int, rng: np.random.Generator) -> Array:
    """(r, G, T) tables with the margins `sizes` (G,) and `multiplicity` (T,), distributed as a random shuffle."""
    n_groups, n_types = sizes.size, multiplicity.size
    out = np.zeros((r, n_groups, n_types))
    present = np.flatnonzero(sizes)
    if dealt_one_by_one(n_types, present.size, int(multiplicity.sum())):
        kind, labels = np.repeat(np.arange(n_types), multiplicity), np.repeat(np.arange(n_groups), sizes)
        step = max(1, _BLOCK // (8 * labels.size))
        for begin in range(0, r, step):
            rows = min(step, r - begin)
            dealt = rng.permuted(np.tile(labels, (rows, 1)), axis=1) * n_types + kind
            dealt += (n_groups * n_types) * np.arange(rows)[:, None]
            counted = np.bincount(dealt.reshape(-1), minlength=rows * n_groups * n_types)
            out[begin : begin + rows] = counted.reshape(rows, n_groups, n_types)
        return out
    out[:, present] = deal_types(multiplicity, np.tile(sizes[present], (r, 1)), rng)
    return out


def deal_types(multiplicity: IntArray, room: IntArray, rng: np.random.Generator) -> Array:
    """(r, G, T) units of every type that each group gets, dealt type by type into (r, G) rooms, which shrink."""
    r, n_groups = room.shape
    out = np.zeros((r, n_groups, multiplicity.size))
    for t, m in enumerate(multiplicity):
        left = np.full(r, m)
        beyond = room.sum(axis=1)
        for g in range(n_groups - 1):
            beyond -= room[:, g]
            taken = rng.hypergeometric(room[:, g], beyond, left)
            room[:, g] -= taken
            left -= taken
            out[:, g, t] = taken
        room[:, -1] -= left
        out[:, -1, t] = left
    return out


def shuffled_tables(
    types: Types, group: IntArray, n_perm: int, *, seed: int, n_groups: int | None = None
) -> NDArray[np.float64]:
    """Counts (R, G, J) of every code in every group in every shuffle of the groups over the units."""
    width = int(group.max(initial=-1)) + 1 if n_groups is None else n_groups
    blocks = shuffled_weights(types, group, width, n_perm, seed=seed)
    return np.concatenate(
        [np.asarray((types.counts.T @ b.reshape(-1, len(types)).T).T).reshape(b.shape[0], width, -1) for b in blocks]
    )
