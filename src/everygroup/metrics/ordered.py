"""Scores of one class ordered once: the areas under its curves and points of them, without going through the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from everygroup.metrics.rates import ratio_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ordered:
    """Scores of the rows of a class and of all others, both ascending."""

    positives: Array
    negatives: Array

    @classmethod
    def of(cls, score: Array, positive: NDArray[np.bool_]) -> Self:
        """Order (n,) scores by whether the row is of the class."""
        return cls(np.sort(score[positive]), np.sort(score[~positive]))

    @property
    def _levels(self) -> tuple[Array, Array, Array, Array]:
        """Distinct scores of the positives; the positives, and the negatives below and equal, at each."""
        first = np.flatnonzero(np.r_[True, np.diff(self.positives) != 0])
        levels = self.positives[first]
        hits = np.diff(np.r_[first, self.positives.size]).astype(np.float64)
        below = np.searchsorted(self.negatives, levels, side="left").astype(np.float64)
        return levels, hits, below, np.searchsorted(self.negatives, levels, side="right") - below

    def areas(self) -> tuple[float, float]:
        """AUC and average precision, NaN where undefined; ties of a positive and a negative count half in the AUC."""
        n_positive, n_negative = self.positives.size, self.negatives.size
        if not n_positive:
            return float("nan"), float("nan")
        _, hits, below, equal = self._levels
        right = n_positive - (np.cumsum(hits) - hits)
        placed = ratio_of(below + equal / 2.0, n_negative)
        share = right / (right + n_negative - below)
        return float(hits @ placed) / n_positive, float(hits @ share) / n_positive

    def roc(self, x: Array) -> Array | None:
        """True positive rate (points,) at false positive rates `x`, the best of each, linear between thresholds.

        None without a positive or a negative.
        """
        n_positive, n_negative = self.positives.size, self.negatives.size
        if not n_positive or not n_negative:
            return None
        # how many negatives may lie above a threshold: next to every x, all of one score or none
        at = np.concatenate([np.floor(x * n_negative), np.ceil(x * n_negative)]).astype(np.int64).clip(0, n_negative)
        last = self.negatives[np.minimum(n_negative - at, n_negative - 1)]  # the lowest of them
        more = n_negative - np.searchsorted(self.negatives, last, side="left")
        fewer = n_negative - np.searchsorted(self.negatives, last, side="right")
        above = np.unique(np.concatenate([more, fewer, [0, n_negative]]))
        # a threshold just above the next negative
        following = np.where(
            above < n_negative, self.negatives[n_negative - 1 - np.minimum(above, n_negative - 1)], 0.0
        )
        hits = n_positive - np.searchsorted(self.positives, following, side="right")
        hits = np.where(above < n_negative, hits, n_positive)
        return np.interp(x, above / n_negative, hits / n_positive)

    def precision_recall(self, x: Array) -> Array | None:
        """Precision (points,) at recalls `x`, the best of each, linear between thresholds; None without a positive."""
        n_positive = self.positives.size
        if not n_positive:
            return None
        levels, hits, below, _ = self._levels
        right = (n_positive - (np.cumsum(hits) - hits))[::-1]
        wrong = (self.negatives.size - below)[::-1]
        precision = right / (right + wrong)
        # nothing is answered above the highest score: the curve begins with the precision there
        first = precision[0] if not self.negatives.size or levels[-1] >= self.negatives[-1] else 0.0
        return np.interp(x, np.r_[0.0, right / n_positive], np.r_[first, precision])
