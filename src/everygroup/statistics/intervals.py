"""Bootstrap intervals of one value: percentile, expanded, BCa."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from everygroup.statistics.proportions import wilson_interval

FloatArray = NDArray[np.floating]

TIE = 1e-12
"""Values closer than this (relative to their size) are the same value up to the order of summation."""


def percentile_interval(
    replicates: FloatArray, *, level: float = 0.95, max_undefined: float = 0.5
) -> tuple[FloatArray, FloatArray]:
    """Percentile interval over the first axis, leaving out undefined (NaN) replicates.

    Parameters
    ----------
    replicates : (R, ...) values of the statistic in every replicate.
    level : coverage aimed at.
    max_undefined : with a larger share of undefined replicates the interval is NaN.

    Returns
    -------
    low, high : arrays of shape (...).

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    values = np.asarray(replicates, dtype=np.float64)
    ordered, m = ordered_replicates(values)
    tail = np.full(values.shape[1:], (1.0 - level) / 2.0)
    # numpy's own position (m - 1) level, so that published percentile intervals are met exactly
    return _limits(ordered, m, tail, 1.0 - tail, _defined(values, m, max_undefined), shift=0.0)


def expanded_interval(
    replicates: FloatArray, *, n_units: ArrayLike, level: float = 0.95, max_undefined: float = 0.5
) -> tuple[FloatArray, FloatArray]:
    """Percentile interval at levels widened for small n, which the plain percentile interval is too narrow for.

    The tail is Phi(-sqrt(n/(n-1)) t), t the quantile of Student's t with n - 1 degrees of freedom: for a sample mean
    the interval is then about as wide as the t-interval.

    Parameters
    ----------
    replicates : (R, ...) values of the statistic in every replicate.
    n_units : (...) number of units (patients) that the column rests on; below 2 the interval is NaN.

    Returns
    -------
    low, high : arrays of shape (...).

    References
    ----------
    Hesterberg, What teachers should know about the bootstrap, The American Statistician 2015.
    """
    values = np.asarray(replicates, dtype=np.float64)
    ordered, m = ordered_replicates(values)
    z = np.broadcast_to(expanded_quantile(n_units, level), values.shape[1:])
    keep = _defined(values, m, max_undefined) & ~np.isnan(z)
    return _limits(ordered, m, special.ndtr(-z), special.ndtr(z), keep)


def bca_interval(
    point: ArrayLike,
    replicates: FloatArray,
    jackknife: FloatArray,
    jackknife_weight: ArrayLike | None = None,
    *,
    level: float = 0.95,
    n_units: ArrayLike | None = None,
    unit_range: bool = False,
    max_undefined: float = 0.5,
) -> tuple[FloatArray, FloatArray]:
    """Bias-corrected and accelerated interval, vectorised over columns.

    Where BCa is undefined (every replicate on one side of the estimate, no jackknife) the column falls back to the
    percentile interval, expanded if `n_units` is given.

    Parameters
    ----------
    point : (...) value of the statistic on the data.
    replicates : (R, ...) values in every bootstrap replicate.
    jackknife : (J, ...) values without one unit, one kind of unit, or one block of units; NaN rows count for nothing.
    jackknife_weight : (J,) or (J, ...) how many units a row stands for; 0 takes a row out of a column, as for units
        outside the column's group. 1 by default.
    level : coverage aimed at.
    n_units : (...) units that the column rests on; widens the levels as in :func:`expanded_interval`. NaN below 2.
    unit_range : the statistic lies in [0, 1] and a column at 0 or 1 whose replicates never vary (all right in a small
        group) gets Wilson's interval of n_units in n_units, not a single point. Needs `n_units`.
    max_undefined : with a larger share of undefined replicates the interval is NaN.

    Returns
    -------
    low, high : arrays of shape (...).

    References
    ----------
    Efron, Better bootstrap confidence intervals, JASA 1987.
    """
    values, estimate = np.asarray(replicates, dtype=np.float64), np.asarray(point, dtype=np.float64)
    ordered, m = ordered_replicates(values)
    z0 = _bias(values, estimate, m)
    a = _acceleration(np.asarray(jackknife, dtype=np.float64), jackknife_weight)
    units = np.full(estimate.shape, np.inf) if n_units is None else np.broadcast_to(n_units, estimate.shape)
    z = np.broadcast_to(expanded_quantile(units, level), estimate.shape)
    levels = []
    usable = np.isfinite(z0) & np.isfinite(a)
    with np.errstate(divide="ignore", invalid="ignore"):
        for side in (-z, z):
            stretch = 1.0 - a * (z0 + side)
            usable &= stretch > 0  # beyond the pole the level jumps to the other end
            levels.append(special.ndtr(z0 + (z0 + side) / stretch))
    low_level = np.where(usable, levels[0], special.ndtr(-z))
    high_level = np.where(usable, levels[1], special.ndtr(z))
    keep = _defined(values, m, max_undefined) & ~np.isnan(z) & ~np.isnan(estimate)
    low, high = _limits(ordered, m, low_level, high_level, keep)
    if unit_range and n_units is not None:
        stuck = keep & (high - low <= TIE) & ((estimate <= TIE) | (estimate >= 1.0 - TIE))
        floor, ceiling = wilson_interval(np.round(estimate) * units, units, level=level)
        low, high = np.where(stuck, floor, low), np.where(stuck, ceiling, high)
    return low, high


def joint_units(units: ArrayLike) -> FloatArray:
    """Number of units of a mean over classes: between that of the smallest class and that of all together.

    The degrees of freedom that Welch and Satterthwaite give to a sum of means of equal spread on n_1, ..., n_K units,
    (sum 1/n)^2 / (sum 1/n^3), and at least 2. As `n_units` of balanced accuracy it says that a mean of three recalls of
    which one rests on 4 patients is less sure than its 20 patients suggest.

    Parameters
    ----------
    units : (..., K) units (patients) of every class; empty classes are left out.

    Returns
    -------
    (...) float; NaN without any unit.
    """
    n = np.asarray(units, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(n > 0, 1.0 / n, 0.0)
        joint = inverse.sum(axis=-1) ** 2 / (inverse**3).sum(axis=-1)
    return np.where((n > 0).any(axis=-1), np.maximum(joint, np.minimum(n.sum(axis=-1), 2.0)), np.nan)


def ordered_replicates(values: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """Sorted replicates (NaN last) and the number of defined ones in every column."""
    return np.sort(values, axis=0), (~np.isnan(values)).sum(axis=0)


def _defined(values: FloatArray, m: NDArray[np.int64], max_undefined: float) -> NDArray[np.bool_]:
    """Columns with enough defined replicates."""
    return (m > 0) & (values.shape[0] - m <= max_undefined * values.shape[0])


def quantile_at(ordered: FloatArray, m: NDArray[np.int64], levels: FloatArray, shift: float = 1.0) -> FloatArray:
    """Quantile of each column at place (m + 1) level of its m replicates (unbiased), or (m - 1) level with shift 0."""
    place = (m - 1 + 2.0 * shift) * np.nan_to_num(levels, nan=0.5) - shift
    place = np.clip(place, 0.0, np.maximum(m - 1, 0))
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(m - 1, 0))
    first = np.take_along_axis(ordered, below[None], axis=0)[0]
    second = np.take_along_axis(ordered, above[None], axis=0)[0]
    return first + (place - below) * (second - first)


def _limits(
    ordered: FloatArray,
    m: NDArray[np.int64],
    low: FloatArray,
    high: FloatArray,
    keep: NDArray[np.bool_],
    shift: float = 1.0,
) -> tuple[FloatArray, FloatArray]:
    """Both quantiles where `keep`, NaN elsewhere."""
    return (
        np.where(keep, quantile_at(ordered, m, low, shift), np.nan),
        np.where(keep, quantile_at(ordered, m, high, shift), np.nan),
    )


def expanded_quantile(n_units: ArrayLike, level: float) -> FloatArray:
    """sqrt(n/(n-1)) t of every n: what the replicates' standard deviation is multiplied with; NaN for n < 2."""
    n = np.asarray(n_units, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.where(n >= 2, n - 1.0, np.nan)
        t = np.where(np.isinf(df), special.ndtri(0.5 + level / 2.0), special.stdtrit(df, 0.5 + level / 2.0))
        return np.where(np.isinf(df), t, t * np.sqrt((df + 1.0) / df))


def _bias(values: FloatArray, estimate: FloatArray, m: NDArray[np.int64]) -> FloatArray:
    """z0: normal quantile of the share of replicates below the estimate, ties counted half."""
    tie = TIE * np.maximum(np.abs(estimate), 1.0)
    below = (values < estimate - tie).sum(axis=0)
    equal = (np.abs(values - estimate) <= tie).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (below + 0.5 * equal) / m
        return np.where(m > 0, special.ndtri(share), np.nan)


def _acceleration(jackknife: FloatArray, weight: ArrayLike | None) -> FloatArray:
    """Skewness of the jackknife influence values over 6; 0 where nothing varies, NaN without any row."""
    w = np.ones(jackknife.shape[:1]) if weight is None else np.asarray(weight, dtype=np.float64)
    w = w.reshape(w.shape + (1,) * (jackknife.ndim - w.ndim))
    w = np.where(np.isnan(jackknife), 0.0, w)
    x = np.where(np.isnan(jackknife), 0.0, jackknife)
    total = w.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        influence = (w * x).sum(axis=0) / total - x
        square = (w * influence**2).sum(axis=0)
        a = (w * influence**3).sum(axis=0) / (6.0 * square**1.5)
    return np.where(total > 0, np.where(square > TIE**2, a, 0.0), np.nan)
