"""Families of what was measured of every row by itself: means of values, and proportions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from everygroup.metrics.families import Array, SumFamily, Sums
from everygroup.metrics.rates import ratio_of

Share = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""(n,) whether the sample is a success, and whether it is a trial."""


class Means(SumFamily):
    """Means of measured values, NaN where undefined: (n,) by metric name."""

    def __init__(self, values: Mapping[str, Array]) -> None:
        self.metrics = tuple(values)
        columns = np.stack([np.asarray(v, dtype=np.float64) for v in values.values()], axis=1)
        known = ~np.isnan(columns)
        self.features = np.concatenate([np.where(known, columns, 0.0), known], axis=1)

    def values(self, sums: Array) -> Sums:
        """Means (...) of the defined values."""
        k = len(self.metrics)
        return {m: ratio_of(sums[..., i], sums[..., k + i]) for i, m in enumerate(self.metrics)}


class Shares(SumFamily):
    """Proportions by metric name."""

    counts = True

    def __init__(self, shares: Mapping[str, Share]) -> None:
        self.metrics = tuple(shares)
        columns = [c for success, trial in shares.values() for c in (success & trial, trial)]
        self.features = np.stack(columns, axis=1).astype(np.float64)

    def proportions(self, sums: Array) -> dict[str, tuple[Array, Array]]:
        """Successes and trials."""
        return {m: (sums[..., 2 * i], sums[..., 2 * i + 1]) for i, m in enumerate(self.metrics)}

    def values(self, sums: Array) -> Sums:
        """Successes over trials."""
        return {m: ratio_of(*parts) for m, parts in self.proportions(sums).items()}
