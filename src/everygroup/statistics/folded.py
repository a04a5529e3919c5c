"""Intervals of numbers that noise pushes one way: distances between groups, and the worst of several groups."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from everygroup.statistics.intervals import FloatArray, percentile_interval
from everygroup.statistics.permutation import permutation_p


def moved_interval(
    point: ArrayLike, replicates: FloatArray, null: FloatArray | None, *, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interval of a distance (0 or more, such as EOdds or Kolmogorov-Smirnov), whose replicates noise makes too large.

    Two samples of one population are apart by noise; resamples of them by that of drawing once more. So the percentile
    interval of a distance all but excludes 0, and in small samples even the true distance. Here the upper limit is the
    percentile less what resampling adds (mean replicate minus value). The lower limit is the value less the `level`
    quantile of the distances that noise alone makes, those of shuffled groups: a distance d plus noise measures at most
    d plus the distance of the noise (triangle inequality), so the true distance lies below this limit in 1 - `level` of
    the samples or fewer, and 0 is inside unless the permutation p is at most 1 - `level`.

    Parameters
    ----------
    point : (...) distance in the sample.
    replicates : (R, ...) distance in every bootstrap replicate.
    null : (R', ...) distance under shuffled groups; without it, or where it is undefined, the lower limit is 0.

    Returns
    -------
    low, high : (...) with 0 <= low <= point <= high; NaN where the distance or more than half of the replicates are
        undefined.
    """
    value, drawn = np.asarray(point, dtype=np.float64), np.asarray(replicates, dtype=np.float64)
    _, high = percentile_interval(drawn, level=level)
    lowest = np.zeros(value.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # undefined throughout: NaN
        extra = np.nanmean(drawn, axis=0) - value
        if null is not None and len(null):
            by_chance = np.nan_to_num(np.nanquantile(null, level, axis=0), nan=np.inf)
            lowest = np.where(permutation_p(value, null) <= 1.0 - level, np.maximum(value - by_chance, 0.0), 0.0)
    unknown = np.isnan(value) | np.isnan(high)
    return np.where(unknown, np.nan, lowest), np.where(unknown, np.nan, np.maximum(high - extra, value))


def widening(count: ArrayLike, *, level: float = 0.95) -> NDArray[np.float64]:
    """Return what margins are multiplied with so that `count` of them hold together (Bonferroni).

    Examples
    --------
    >>> float(widening(4).round(3))
    1.274
    """
    tail = (1.0 - level) / 2.0
    return np.asarray(special.ndtri(1.0 - tail / np.maximum(count, 1)) / special.ndtri(1.0 - tail), dtype=np.float64)


def lowest_interval(
    low: ArrayLike, high: ArrayLike, point: ArrayLike, *, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interval of the lowest of G true values from the groups' own intervals.

    The lowest of several estimates is too low on average, and lower still in a bootstrap sample. But the lowest true
    value is one of the groups': it lies above that group's own lower limit, so above the lowest of them, with the
    confidence of a single limit. And it lies below every group's upper limit if all of these hold, for which their
    margins are widened from the quantile of one group to that of G (Bonferroni).

    Parameters
    ----------
    low, high, point : (..., G) limits at `level` and estimates of the groups; undefined (NaN) groups are left out.

    Returns
    -------
    low, high : (...), NaN without any group; high may lie beyond the range of a bounded value.

    Examples
    --------
    >>> low, high = lowest_interval([0.7, 0.6], [0.9, 0.8], [0.8, 0.7])
    >>> float(low), float(high.round(3))
    (0.6, 0.814)
    """
    lower, upper, middle = (np.asarray(side, dtype=np.float64) for side in (low, high, point))
    known = ~np.isnan(lower + upper + middle)
    count = known.sum(axis=-1)
    widen = np.asarray(widening(count, level=level))
    lowest = np.where(known, lower, np.inf).min(axis=-1)
    highest = np.where(known, middle + widen[..., None] * (upper - middle), np.inf).min(axis=-1)
    return np.where(count > 0, lowest, np.nan), np.where(count > 0, highest, np.nan)
