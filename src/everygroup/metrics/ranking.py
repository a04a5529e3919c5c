"""Area under the ROC and the precision-recall curve of one class, under many replicate weights at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from everygroup.metrics._inputs import FloatArray, IntArray

STEP, WIDE = 4_000_000, 64
"""Numbers of one block of replicates, and from how many columns on whole rows are added up."""


@dataclass(frozen=True)
class Ranking:
    """One class's scores against the rest, ordered once and used for every replicate.

    With u_1 < ... < u_m the distinct scores of the positives, `positives` (m, C) counts the positives of every unit at
    u_i, `between` (m + 1, C) the negatives between u_i and u_(i+1), and `tied` (m, C) the negatives exactly at u_i
    (None if there are none). Sums under any weights of the units are then sparse products.
    """

    positives: sparse.csr_matrix
    between: sparse.csr_matrix
    tied: sparse.csr_matrix | None

    @classmethod
    def of(
        cls, score: ArrayLike, positive: ArrayLike, unit: ArrayLike | None = None, n_units: int | None = None
    ) -> Ranking:
        """Rank (n,) scores by whether the row is of the class.

        `unit` (n,) is the cluster of every row, of `n_units`, whose weights will be given; the row itself by default.
        """
        s, p = np.asarray(score, dtype=np.float64), np.asarray(positive, dtype=bool)
        column = np.arange(s.size) if unit is None else np.asarray(unit, dtype=np.int64)
        width = n_units if n_units is not None else int(column.max(initial=-1)) + 1
        levels, at = np.unique(s[p], return_inverse=True)
        m = levels.size
        lower = np.searchsorted(levels, s, side="left")
        tied = ~p & (lower < np.searchsorted(levels, s, side="right"))
        apart = ~p & ~tied

        def count(rows: IntArray, columns: IntArray, n_rows: int) -> sparse.csr_matrix:
            ones = np.ones(rows.size, dtype=np.float32)
            return sparse.csr_matrix((ones, (rows, columns)), shape=(n_rows, width))

        return cls(
            count(at.reshape(-1), column[p], m),
            count(lower[apart], column[apart], m + 1),
            count(lower[tied], column[tied], m) if tied.any() else None,
        )

    def auc(self, weights: NDArray[np.float32]) -> FloatArray:
        """AUC (r,) under weights (C, r) of the units: P(score of a positive > of a negative), ties 1/2.

        NaN where a replicate has no positive or no negative weight. Integer weights are summed exactly in float32 up
        to 2^23 samples.
        """
        return self.areas(weights, precision=False)[0]

    def average_precision(self, weights: NDArray[np.float32]) -> FloatArray:
        """Average precision (r,) under weights (C, r) of the units: sum of recall steps times precision.

        Rows of equal score are answered together. NaN where a replicate has no positive weight.
        """
        return self.areas(weights)[1]

    def areas(self, weights: NDArray[np.float32], *, precision: bool = True) -> tuple[FloatArray, FloatArray]:
        """`auc` and `average_precision` (NaN if not wanted) from one pass."""
        n = weights.shape[1]
        found = np.full((2, n), np.nan)
        step = max(8, STEP // (self.positives.shape[0] + 1))
        for first in range(0, n if self.positives.shape[0] else 0, step):
            found[:, first : first + step] = self._areas(weights[:, first : first + step], precision)
        return found[0], found[1]

    def _areas(self, weights: NDArray[np.float32], precision: bool) -> tuple[FloatArray, FloatArray]:
        positive, below = self.positives @ weights, self.between @ weights
        tied = None if self.tied is None else self.tied @ weights
        if tied is not None:
            below[1:] += tied
        # row i: the negatives below u_i; the last row all of them
        _run(below)
        total, negatives, below = positive.sum(axis=0, dtype=np.float64), below[-1].copy(), below[:-1]
        wins = np.einsum("ij,ij->j", positive, below, dtype=np.float64)
        if tied is not None:
            wins += np.einsum("ij,ij->j", positive, tied, dtype=np.float64) / 2
        pairs = total * negatives
        area = np.divide(wins, pairs, out=np.full(total.shape, np.nan), where=pairs > 0)
        if not precision:
            return area, np.full(total.shape, np.nan)
        # rows that score at least u_i: the precision there is the share of positives
        right = _run(positive.copy())
        np.subtract(right[-1] + 0, right, out=right)
        right += positive
        below -= negatives
        answered = np.subtract(right, below, out=below)
        share = np.divide(right, answered, out=np.zeros(right.shape), where=right > 0, dtype=np.float64)
        share *= positive
        return area, np.divide(share.sum(axis=0), total, out=np.full(total.shape, np.nan), where=total > 0)


def _run(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum down the columns, in place. Wide rows are added one to the next, faster than `cumsum` across memory."""
    if values.shape[1] < WIDE:
        return np.cumsum(values, axis=0, out=values)
    for before, row in pairwise(values):
        row += before
    return values
