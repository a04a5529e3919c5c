"""Pairs of pictures that are nearly the same: another size, another compression, slightly cropped or brightened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from everygroup.imaging.likeness import (
    DETAIL_SIDE,
    HASH_SIDE,
    MIN_SIDE,
    detail,
    hamming,
    perceptual_hash,
    standardised,
    thumbnails,
)
from everygroup.mapped import take

MAX_DISTANCE = 10
"""Bits of 64 in which the hashes of a candidate pair may differ."""
MIN_CORRELATION = 0.95
"""Least correlation of the grey 32 x 32 thumbnails."""
MIN_DETAIL, MAX_DETAIL, MARGIN = 0.5, 0.97, 0.5
"""Least correlation of the fine detail; higher where unrelated pictures of the set correlate: see `detail_level`."""
MAX_PAIRS = 200_000
"""With more pairs than this the pictures are too alike for the search to mean anything."""
_BLOCK, _READ, _SAMPLE, _RANDOM = 4_000_000, 256, 2_000, 20_000
_FLAT = 1.0  # standard deviation of the luminance below which a picture shows nothing

Index = NDArray[np.int64]


@dataclass(frozen=True)
class NearPairs:
    """Pairs i < j of pictures, by position.

    Attributes
    ----------
    i, j : (m,) positions.
    distance : (m,) bits in which the hashes differ, of 64.
    correlation, detail : (m,) correlation of the thumbnails, and of their detail after subtracting the set's mean.
    detail_level : the least correlation of detail that was asked for in this set.
    n_candidates : pairs with hashes near enough, before they were confirmed.
    note : why nothing was searched or kept; empty otherwise.
    """

    i: Index
    j: Index
    distance: NDArray[np.uint8]
    correlation: NDArray[np.float64]
    detail: NDArray[np.float64]
    detail_level: float
    n_candidates: int
    note: str = ""

    def __len__(self) -> int:
        return len(self.i)

    @classmethod
    def none(cls, note: str) -> NearPairs:
        """No pairs, and why."""
        empty = np.empty(0)
        return cls(
            empty.astype(np.int64),
            empty.astype(np.int64),
            empty.astype(np.uint8),
            empty,
            empty,
            float("nan"),
            0,
            note,
        )


def near_pairs(
    images: np.ndarray,
    rows: Index | None = None,
    *,
    max_distance: int = MAX_DISTANCE,
    min_correlation: float = MIN_CORRELATION,
    seed: int = 0,
) -> NearPairs:
    """Find all pairs of nearly equal pictures.

    Every picture's 64-bit perceptual hash is compared with every other (blockwise popcount: 10,000 pictures take
    about a second, 100,000 about a minute of one core). Candidates are confirmed by the correlation of their grey
    thumbnails and of their fine detail. Mirrored or rotated copies are not found, nor are parts of a picture.

    Parameters
    ----------
    images : (M, H, W, C) uint8
    rows : (n,) which of them, in order; all by default. Positions in the result count these.
    max_distance : bits of 64.
    min_correlation : of the thumbnails.
    seed : of the random pairs that show how alike unrelated pictures of this set are.
    """
    rows = np.arange(len(images)) if rows is None else np.asarray(rows, dtype=np.int64)
    if images.dtype != np.uint8 or images.ndim != 4:
        return NearPairs.none("not searched: these are no 8-bit pictures in two dimensions")
    if min(images.shape[1:3]) < MIN_SIDE:
        return NearPairs.none(f"not searched: pictures of fewer than {MIN_SIDE} pixels hold too little")
    small = np.empty((len(rows), HASH_SIDE, HASH_SIDE), dtype=np.float32)
    for first in range(0, len(rows), _READ):
        small[first : first + _READ] = thumbnails(take(images, rows[first : first + _READ]), HASH_SIDE)
    busy = np.flatnonzero(small.std(axis=(1, 2)) >= _FLAT)  # flat ones all look alike, and are told apart elsewhere
    if len(busy) < 2:
        return NearPairs.none("")
    hashes = np.concatenate([perceptual_hash(small[busy[k : k + 4096]]) for k in range(0, len(busy), 4096)])
    vectors = standardised(small[busy])
    kept: list[np.ndarray] = [np.empty((4, 0))]
    n_candidates = n_kept = 0
    for a, b, bits in _candidates(hashes, max_distance):
        n_candidates += len(a)
        r = np.einsum("ij,ij->i", vectors[a], vectors[b])
        near = r >= min_correlation
        kept.append(np.stack([busy[a[near]], busy[b[near]], bits[near], r[near]]))
        n_kept += int(near.sum())
        if n_kept > MAX_PAIRS:
            return NearPairs.none(
                f"given up: over {MAX_PAIRS:,} pairs look alike, so these pictures are too similar to find copies"
            )
    found = np.concatenate(kept, axis=1)
    i, j = found[0].astype(np.int64), found[1].astype(np.int64)
    level, fine = _detail_correlations(images, rows, busy, i, j, seed)
    sure = fine >= level
    return NearPairs(i[sure], j[sure], found[2][sure].astype(np.uint8), found[3][sure], fine[sure], level, n_candidates)


def detail_level(unrelated: np.ndarray) -> float:
    """Return the least correlation of detail for a copy, from those of random pairs of the set.

    0.5, but 0.5 above the 99th percentile of random pairs where that is more, and never above 0.97: eye grounds taken
    by one camera share its outline and its flaws. (With more copies than one pair in a hundred the level rises too.)
    """
    if not len(unrelated):
        return MIN_DETAIL
    return float(min(MAX_DETAIL, max(MIN_DETAIL, np.quantile(unrelated, 0.99) + MARGIN)))


def _candidates(hashes: NDArray[np.uint64], max_distance: int) -> Iterator[tuple[Index, Index, np.ndarray]]:
    """Yield positions a < b and distances of all pairs within the distance, block by block."""
    n = len(hashes)
    first = 0
    while first < n:
        last = min(n, first + max(1, _BLOCK // (n - first)))
        bits = hamming(hashes[first:last, None], hashes[None, first:])
        a, b = np.nonzero(bits <= max_distance)
        upper = b > a
        a, b = a[upper], b[upper]
        for k in range(0, len(a), 50_000):  # thumbnails of the candidates are gathered: not too many at once
            part = slice(k, k + 50_000)
            yield a[part] + first, b[part] + first, bits[a[part], b[part]]
        first = last


def _detail_correlations(
    images: np.ndarray, rows: Index, busy: Index, i: Index, j: Index, seed: int
) -> tuple[float, NDArray[np.float64]]:
    """Return the level asked for in this set and the correlation of each pair's detail."""
    side = DETAIL_SIDE if min(images.shape[1:3]) >= DETAIL_SIDE else HASH_SIDE

    def fine_of(positions: Index) -> np.ndarray:
        parts = [
            detail(thumbnails(take(images, rows[positions[k : k + _READ]]), side))
            for k in range(0, len(positions), _READ)
        ]
        return np.concatenate(parts) if parts else np.empty((0, side, side), dtype=np.float32)

    rng = np.random.default_rng(seed)
    sample = np.sort(rng.permutation(busy)[:_SAMPLE])
    fine = fine_of(sample)
    mean = fine.mean(axis=0)
    unit = standardised(fine - mean)
    a, b = rng.integers(0, len(sample), (2, _RANDOM))
    apart = a != b
    level = detail_level(np.einsum("ij,ij->i", unit[a[apart]], unit[b[apart]]))
    involved, place = np.unique(np.concatenate([i, j]), return_inverse=True)
    values = np.empty(len(i))
    vectors = standardised(fine_of(involved) - mean) if len(involved) else np.empty((0, side * side))
    left, right = place[: len(i)], place[len(i) :]
    for k in range(0, len(i), 10_000):
        part = slice(k, k + 10_000)
        values[part] = np.einsum("ij,ij->i", vectors[left[part]], vectors[right[part]])
    return level, values
