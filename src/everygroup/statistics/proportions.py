"""Intervals of proportions and of their differences: Wilson and Newcombe, with clusters counted as what they are worth.

The percentile bootstrap of 20 right answers of 20 is the single point 1; Wilson's interval is [0.84, 1].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

FloatArray = NDArray[np.floating]


def effective_size(
    successes: ArrayLike, n: ArrayLike, variance: ArrayLike, n_clusters: ArrayLike, *, level: float = 0.95
) -> FloatArray:
    """Number of independent rows that would tell as much as `n` rows in clusters: n / design effect.

    The design effect compares `variance`, that of the proportion over cluster-bootstrap replicates, with the binomial
    p(1-p)/n. A variance estimated from few clusters is itself uncertain, so the result is shrunk by the squared ratio
    of the normal to the t quantile with `n_clusters` - 1 degrees of freedom. At p = 0 or 1 the variance says nothing
    and every cluster counts as one row.

    Parameters
    ----------
    successes, n : (...) successes and rows.
    variance : (...) variance of successes / n over bootstrap replicates that draw clusters.
    n_clusters : (...) clusters with at least one row. Where it equals `n` the rows are independent and `n` is returned.
    level : of the interval the result is meant for.

    Returns
    -------
    (...) float, at most n; NaN where n = 0.

    References
    ----------
    Kish, Survey Sampling, 1965; the t factor: Korn and Graubard, Survey Methodology 1998.
    """
    x, rows, spread, clusters = np.broadcast_arrays(
        *(np.asarray(v, float) for v in (successes, n, variance, n_clusters))
    )
    tail = (1.0 - level) / 2.0
    with np.errstate(divide="ignore", invalid="ignore"):
        p = x / rows
        df = np.maximum(clusters - 1.0, 1.0)
        grouped = clusters < rows * (1.0 - 1e-9)
        shrink = np.where(grouped, (special.ndtri(tail) / special.stdtrit(df, tail)) ** 2, 1.0)
        # the bootstrap of C clusters is too narrow by (C - 1) / C
        worth = p * (1.0 - p) / (spread * clusters / np.maximum(clusters - 1.0, 1.0)) * shrink
        worth = np.where((spread > 0) & (p > 0) & (p < 1), np.minimum(worth, rows * shrink), clusters)
        worth = np.where(grouped, np.maximum(worth, 1.0), rows)
    return np.where(rows > 0, np.minimum(worth, rows), np.nan)


def wilson_interval(
    successes: ArrayLike, n: ArrayLike, *, n_effective: ArrayLike | None = None, level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Wilson score interval of a proportion.

    Parameters
    ----------
    successes, n : (...) successes and trials; arrays broadcast. Fractional (weighted) counts are allowed.
    n_effective : (...) trials that the n are worth when they come in clusters (:func:`effective_size`); n by default.
    level : coverage aimed at.

    Returns
    -------
    low, high : (...) within [0, 1]; NaN where n = 0.

    References
    ----------
    Wilson, JASA 1927; Brown, Cai and DasGupta, Statistical Science 2001.

    Examples
    --------
    >>> low, high = wilson_interval(20, 20)
    >>> round(float(low), 3), float(high)
    (0.839, 1.0)
    """
    x, trials = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    worth = trials if n_effective is None else np.asarray(n_effective, dtype=np.float64)
    z2 = float(special.ndtri(0.5 + level / 2.0)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        p = x / trials
        centre = (p + z2 / (2.0 * worth)) / (1.0 + z2 / worth)
        half = np.sqrt(z2 * (p * (1.0 - p) / worth + z2 / (4.0 * worth**2))) / (1.0 + z2 / worth)
    # at the ends the limit is exactly 0 or 1; rounding must not move it
    low = np.where(x <= 0, 0.0, np.maximum(centre - half, 0.0))
    high = np.where(x >= trials, 1.0, np.minimum(centre + half, 1.0))
    known = (trials > 0) & ~np.isnan(p + worth)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def clustered_wilson(success: ArrayLike, cluster: ArrayLike | None = None) -> tuple[float, float]:
    """Wilson interval of the share of (n,) rows that succeed, the rows in clusters counted as what they are worth.

    The variance between clusters is that of the cluster bootstrap. Where all rows agree the clusters count.

    Examples
    --------
    >>> low, high = clustered_wilson([1] * 20, cluster=[0] * 10 + [1] * 10)  # two patients, all right
    >>> round(low, 3), high
    (0.342, 1.0)
    """
    right = np.asarray(success, dtype=np.float64)
    if cluster is None or right.size == 0:
        low, high = wilson_interval(right.sum(), right.size)
        return float(low), float(high)
    _, unit = np.unique(np.asarray(cluster), return_inverse=True)
    sums = np.bincount(unit.reshape(-1), weights=right - right.mean())
    worth = effective_size(right.sum(), right.size, (sums**2).sum() / right.size**2, sums.size)
    low, high = wilson_interval(right.sum(), right.size, n_effective=worth)
    return float(low), float(high)


def newcombe_difference(
    successes_a: ArrayLike,
    n_a: ArrayLike,
    successes_b: ArrayLike,
    n_b: ArrayLike,
    *,
    n_effective_a: ArrayLike | None = None,
    n_effective_b: ArrayLike | None = None,
    level: float = 0.95,
) -> tuple[FloatArray, FloatArray]:
    """Newcombe's hybrid score interval of the difference p_a - p_b of two independent proportions.

    Parameters
    ----------
    successes_a, n_a, successes_b, n_b : (...) counts of the two samples; arrays broadcast.
    n_effective_a, n_effective_b : as in :func:`wilson_interval`.

    Returns
    -------
    low, high : (...) within [-1, 1]; NaN where either sample is empty.

    References
    ----------
    Newcombe, Statistics in Medicine 1998, method 10.
    """
    low_a, high_a = wilson_interval(successes_a, n_a, n_effective=n_effective_a, level=level)
    low_b, high_b = wilson_interval(successes_b, n_b, n_effective=n_effective_b, level=level)
    with np.errstate(divide="ignore", invalid="ignore"):
        p_a = np.asarray(successes_a, dtype=np.float64) / np.asarray(n_a, dtype=np.float64)
        p_b = np.asarray(successes_b, dtype=np.float64) / np.asarray(n_b, dtype=np.float64)
    return difference_of_limits(p_a, low_a, high_a, p_b, low_b, high_b)


def difference_of_limits(
    a: FloatArray,
    low_a: FloatArray,
    high_a: FloatArray,
    b: FloatArray,
    low_b: FloatArray,
    high_b: FloatArray,
    *,
    correlation: ArrayLike = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Limits of a - b from the limits of a and of b ('MOVER'); with Wilson's limits this is Newcombe's interval.

    The distance from the estimate to each limit is taken as that side's margin, so that skew is kept.

    References
    ----------
    Zou and Donner, Construction of confidence limits about effect measures, Statistics in Medicine 2008.
    """
    rho = np.asarray(correlation, dtype=np.float64)

    def joint(x: FloatArray, y: FloatArray) -> FloatArray:
        return np.sqrt(np.maximum(x**2 + y**2 - 2.0 * rho * x * y, 0.0))

    # an estimate may lie a rounding error, or a strong bias correction, outside its own limits
    down = joint(np.maximum(a - low_a, 0.0), np.maximum(high_b - b, 0.0))
    up = joint(np.maximum(high_a - a, 0.0), np.maximum(b - low_b, 0.0))
    return a - b - down, a - b + up
