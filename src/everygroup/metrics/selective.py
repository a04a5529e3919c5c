"""Risk among the most confident rows under many replicate weights at once, from one ordering of the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from everygroup.metrics._inputs import FloatArray

STEP = 32
"""Replicates evaluated at a time, so that what is worked on stays near the processor."""


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

    def evaluate(
        self, weights: NDArray[np.float32], coverage: float = 0.8, *, aurc: bool = True
    ) -> tuple[FloatArray, FloatArray]:
        """Area under the risk-coverage curve and accuracy of the surest ``ceil(coverage * n)`` rows, from one pass.

        Both (r,) under whole-number weights (C, r); NaN without rows, the area also where it is not wanted.

        Within a level of w rows of which a share e is wrong, below W rows of which E are wrong, the mean over the
        orders of its rows is ``sum_j (E + j e) / (W + j) = w e + (E - e W) (H(W + w) - H(W))`` with the harmonic
        numbers H.
        """
        n = weights.shape[1]
        if not self.rows.shape[0]:
            return np.full(n, np.nan), np.full(n, np.nan)
        found = [self._block(weights[:, first : first + STEP], coverage, aurc) for first in range(0, n, STEP)]
        return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])

    def _block(self, weights: NDArray[np.float32], coverage: float, aurc: bool) -> tuple[FloatArray, FloatArray]:
        rows, wrong = self.rows @ weights, self.wrong @ weights
        last = np.cumsum(rows, axis=0, dtype=np.float64)
        errors = np.cumsum(wrong, axis=0, dtype=np.float64)
        n, r = last[-1].copy(), np.arange(last.shape[1])
        kept = np.ceil(coverage * n - 1e-9)
        # the level in which the last kept row lies
        at = np.minimum((last < kept).sum(axis=0), len(last) - 1)
        share = np.divide(wrong[at, r], rows[at, r], out=np.zeros(r.size), where=rows[at, r] > 0, dtype=np.float64)
        missed = errors[at, r] - (last[at, r] - kept) * share
        accuracy = 1.0 - np.divide(missed, kept, out=np.full(r.size, np.nan), where=n > 0)
        if not aurc:
            return np.full(r.size, np.nan), accuracy
        whole = np.rint(last).astype(np.int32)
        harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, int(whole[-1].max(initial=0)) + 1))])
        reached = harmonic[whole]
        total = errors[-1].copy()  # the sum over levels of w e
        reached[1:] -= harmonic[whole[:-1]]  # H(W + w) - H(W)
        errors -= wrong
        last -= rows
        rate = np.divide(wrong, rows, out=np.zeros_like(last), where=rows > 0, dtype=np.float64)
        last *= rate
        errors -= last
        total += np.einsum("ij,ij->j", errors, reached)
        return np.divide(total, n, out=np.full(r.size, np.nan), where=n > 0), accuracy
