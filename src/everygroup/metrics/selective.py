"""Risk among the most confident rows under many replicate weights at once, from one ordering of the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse, special

from everygroup.metrics._inputs import FloatArray


@dataclass(frozen=True)
class Selective:
    """Rows by falling confidence, those of equal confidence together.

    `rows` and `wrong` (m, C) count the rows, and the wrong ones, of every unit at each of m levels of confidence.
    """

    rows: sparse.csr_matrix
    wrong: sparse.csr_matrix

    @classmethod
    def of(
        cls, wrong: ArrayLike, confidence: ArrayLike, unit: ArrayLike | None = None, n_units: int | None = None
    ) -> Selective:
        """Order (n,) rows by confidence; `unit` (n,), of `n_units`, is what weights will be given for."""
        error, sure = np.asarray(wrong, dtype=bool), np.asarray(confidence, dtype=np.float64)
        column = np.arange(sure.size) if unit is None else np.asarray(unit, dtype=np.int64)
        width = n_units if n_units is not None else int(column.max(initial=-1)) + 1
        levels, at = np.unique(-sure, return_inverse=True)
        at = at.reshape(-1)

        def count(kept: NDArray[np.bool_]) -> sparse.csr_matrix:
            ones = np.ones(int(kept.sum()), dtype=np.float32)
            return sparse.csr_matrix((ones, (at[kept], column[kept])), shape=(levels.size, width))

        return cls(count(np.ones(sure.size, dtype=bool)), count(error))

    def _sums(self, weights: NDArray[np.float32]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rows and wrong rows above every level, cumulated (m + 1, r), and the error rate within the level (m, r)."""
        rows, wrong = (self.rows @ weights).astype(np.float64), (self.wrong @ weights).astype(np.float64)
        rate = np.divide(wrong, rows, out=np.zeros_like(rows), where=rows > 0)
        zero = np.zeros((1, rows.shape[1]))
        return np.vstack([zero, rows.cumsum(axis=0)]), np.vstack([zero, wrong.cumsum(axis=0)]), rate

    def aurc(self, weights: NDArray[np.float32]) -> FloatArray:
        """Area under the risk-coverage curve (r,) under whole-number weights (C, r); NaN without rows.

        Within a level the mean over the orders of its rows is sum_j (E + j e) / (W + j), which the digamma function
        gives at once.
        """
        above, errors, rate = self._sums(weights)
        first, last = above[:-1], above[1:]
        spread = special.digamma(last + 1.0) - special.digamma(first + 1.0)
        total = ((last - first) * rate + (errors[:-1] - rate * first) * spread).sum(axis=0)
        return np.divide(total, above[-1], out=np.full(total.shape, np.nan), where=above[-1] > 0)

    def accuracy(self, weights: NDArray[np.float32], coverage: float = 0.8) -> FloatArray:
        """Accuracy (r,) among the most confident ``ceil(coverage * n)`` rows; NaN without rows."""
        above, errors, rate = self._sums(weights)
        kept = np.ceil(coverage * above[-1] - 1e-9)
        # the level in which the last kept row lies
        at = np.minimum((above[1:] < kept).sum(axis=0), max(rate.shape[0] - 1, 0))
        r = np.arange(kept.size)
        if not rate.shape[0]:
            return np.full(kept.shape, np.nan)
        wrong = errors[at, r] + (kept - above[at, r]) * rate[at, r]
        return 1.0 - np.divide(wrong, kept, out=np.full(kept.shape, np.nan), where=kept > 0)
