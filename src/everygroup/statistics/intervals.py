"""Bootstrap intervals: percentile, expanded, BCa; simultaneous ones of differences; folded ones of gaps."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from everygroup.statistics.proportions import difference_of_limits, wilson_interval

FloatArray = NDArray[np.floating]

_TIE = 1e-12
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
    ordered, m = _ordered(values)
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
    ordered, m = _ordered(values)
    z = np.broadcast_to(_expanded_quantile(n_units, level), values.shape[1:])
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
    ordered, m = _ordered(values)
    z0 = _bias(values, estimate, m)
    a = _acceleration(np.asarray(jackknife, dtype=np.float64), jackknife_weight)
    units = np.full(estimate.shape, np.inf) if n_units is None else np.broadcast_to(n_units, estimate.shape)
    z = np.broadcast_to(_expanded_quantile(units, level), estimate.shape)
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
        stuck = keep & (high - low <= _TIE) & ((estimate <= _TIE) | (estimate >= 1.0 - _TIE))
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


def simultaneous_differences(
    point: ArrayLike,
    replicates: FloatArray,
    *,
    level: float = 0.95,
    n_units: ArrayLike | None = None,
    limits: tuple[ArrayLike, ArrayLike] | None = None,
    max_undefined: float = 0.5,
) -> tuple[FloatArray, FloatArray]:
    """Intervals of all signed pairwise differences point_a - point_b that hold together with probability `level`.

    Every group's own interval gives its margins (up and down); the margins of a pair are joined as for Newcombe's
    interval and widened by the 'max-|t|' quantile of the replicates over all pairs. With two groups nothing is widened,
    and with Wilson limits the result is Newcombe's interval.

    Parameters
    ----------
    point : (..., G) the value of every group.
    replicates : (R, ..., G) bootstrap values. Columns of one replicate must come from the same draw: patients with
        rows in several groups then make the groups' values correlated, and that is used.
    n_units : (..., G) units in every group, used only when `limits` is not given: margins are then expanded-t margins
        of the replicates' standard deviation.
    limits : low and high, each (..., G): the groups' own intervals of the same `level`, such as Wilson or BCa.
        Give them for proportions: a group with 20 of 20 right has no spread over the replicates, but it has limits.
    max_undefined : a group with a larger share of undefined replicates has NaN intervals.

    Returns
    -------
    low, high : (..., G, G), entry (a, b) for point_a - point_b; the diagonal is 0; NaN for undefined groups.

    References
    ----------
    Zou and Donner 2008 (margins); Westfall and Young, Resampling-Based Multiple Testing, 1993 (max-|t|), capped by
    Tukey and Kramer's range quantile, which is enough for normal values of independent groups.
    """
    estimate, values = np.asarray(point, dtype=np.float64), np.asarray(replicates, dtype=np.float64)
    n_groups = estimate.shape[-1]
    defined = (np.isnan(values).mean(axis=0) <= max_undefined) & ~np.isnan(estimate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN columns are taken out by `defined`
        deviation = values - np.nanmean(values, axis=0)
        sd = np.sqrt(np.nanmean(deviation**2, axis=0))
    standard = np.where(np.isnan(deviation) | (sd <= _TIE), 0.0, deviation / np.where(sd <= _TIE, 1.0, sd))
    z = float(special.ndtri(0.5 + level / 2.0))
    if limits is None:
        margin = sd * (z if n_units is None else _expanded_quantile(n_units, level))
        low_group, high_group = estimate - margin, estimate + margin
    else:
        low_group, high_group = (np.asarray(side, dtype=np.float64) for side in limits)
    defined &= ~np.isnan(low_group + high_group)
    widen = _multiplicity(standard, (high_group - low_group) / 2.0, defined, level) / z
    correlation = np.einsum("r...a,r...b->...ab", standard, standard) / max(values.shape[0], 1)
    # below this a correlation is noise of the replicates, and groups of different patients have none
    correlation = np.where(np.abs(correlation) < 4.0 / np.sqrt(max(values.shape[0], 1)), 0.0, correlation)
    a, b = estimate[..., :, None], estimate[..., None, :]
    low, high = difference_of_limits(
        a, low_group[..., :, None], high_group[..., :, None], b, low_group[..., None, :], high_group[..., None, :],
        correlation=correlation,
    )  # fmt: skip
    factor = widen[..., None, None]
    low, high = (a - b) + factor * (low - (a - b)), (a - b) + factor * (high - (a - b))
    both = defined[..., :, None] & defined[..., None, :]
    own = np.eye(n_groups, dtype=bool)
    low, high = np.where(own, 0.0, low), np.where(own, 0.0, high)
    return np.where(both, low, np.nan), np.where(both, high, np.nan)


def gap_interval(
    point: ArrayLike,
    replicates: FloatArray,
    *,
    level: float = 0.95,
    n_units: ArrayLike | None = None,
    limits: tuple[ArrayLike, ArrayLike] | None = None,
    max_undefined: float = 0.5,
) -> tuple[FloatArray, FloatArray]:
    """Interval of the gap max - min over groups, folded from :func:`simultaneous_differences`.

    The bootstrap distribution of a gap never reaches 0 and sits above the gap itself, so its percentiles all but
    exclude a gap of 0 even where there is none. When all signed differences lie in their simultaneous intervals, the
    true gap, which is one of them, is at least the largest lower limit and at most the largest upper limit. So the
    interval holds the true gap with probability `level` or more, whatever that gap is, and has 0 inside unless at least
    one pair of groups clearly differs.

    Parameters
    ----------
    As for :func:`simultaneous_differences`.

    Returns
    -------
    low, high : (...) with 0 <= low <= high; NaN with fewer than two defined groups.
    """
    lows, highs = simultaneous_differences(
        point, replicates, level=level, n_units=n_units, limits=limits, max_undefined=max_undefined
    )
    n_groups = lows.shape[-1]
    pair = ~np.isnan(lows) & ~np.eye(n_groups, dtype=bool)
    low = np.where(pair, lows, -np.inf).max(axis=(-2, -1), initial=-np.inf)
    high = np.where(pair, highs, -np.inf).max(axis=(-2, -1), initial=-np.inf)
    some = pair.any(axis=(-2, -1))
    return np.where(some, np.maximum(low, 0.0), np.nan), np.where(some, np.maximum(high, 0.0), np.nan)


def _ordered(values: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """Sorted replicates (NaN last) and the number of defined ones in every column."""
    return np.sort(values, axis=0), (~np.isnan(values)).sum(axis=0)


def _defined(values: FloatArray, m: NDArray[np.int64], max_undefined: float) -> NDArray[np.bool_]:
    """Columns with enough defined replicates."""
    return (m > 0) & (values.shape[0] - m <= max_undefined * values.shape[0])


def _quantile(ordered: FloatArray, m: NDArray[np.int64], levels: FloatArray, shift: float = 1.0) -> FloatArray:
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
        np.where(keep, _quantile(ordered, m, low, shift), np.nan),
        np.where(keep, _quantile(ordered, m, high, shift), np.nan),
    )


def _expanded_quantile(n_units: ArrayLike, level: float) -> FloatArray:
    """sqrt(n/(n-1)) t of every n: what the replicates' standard deviation is multiplied with; NaN for n < 2."""
    n = np.asarray(n_units, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.where(n >= 2, n - 1.0, np.nan)
        t = np.where(np.isinf(df), special.ndtri(0.5 + level / 2.0), special.stdtrit(df, 0.5 + level / 2.0))
        return np.where(np.isinf(df), t, t * np.sqrt((df + 1.0) / df))


def _bias(values: FloatArray, estimate: FloatArray, m: NDArray[np.int64]) -> FloatArray:
    """z0: normal quantile of the share of replicates below the estimate, ties counted half."""
    tie = _TIE * np.maximum(np.abs(estimate), 1.0)
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
    return np.where(total > 0, np.where(square > _TIE**2, a, 0.0), np.nan)


@lru_cache(maxsize=64)
def _range_quantile(n_groups: int, level: float) -> float:
    """Tukey's quantile of the largest standardised difference among `n_groups` independent normal values."""
    from scipy import optimize

    # P(range < q) = G integral of phi(x) (Phi(x + q) - Phi(x))^(G - 1); scipy.stats has it, but takes a second to load
    x = np.linspace(-9.0, 9.0, 4001)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)

    def above(q: float) -> float:
        window = special.ndtr(x + q) - special.ndtr(x)
        return float(n_groups * (density * window ** (n_groups - 1)).sum() * (x[1] - x[0])) - level

    return float(optimize.brentq(above, 0.0, 20.0, xtol=1e-10)) / float(np.sqrt(2.0))


def _multiplicity(standard: FloatArray, margin: FloatArray, defined: NDArray[np.bool_], level: float) -> FloatArray:
    """max-|t| quantile over the pairs of defined groups, between the normal quantile and Tukey's, shape (...)."""
    z = float(special.ndtri(0.5 + level / 2.0))
    count = defined.sum(axis=-1)
    n_groups = defined.shape[-1]
    if n_groups <= 2:
        return np.full(count.shape, z)
    scaled = standard * np.where(defined, margin, 0.0)
    largest = np.zeros(scaled.shape[:-1])
    for a in range(n_groups):
        for b in range(a + 1, n_groups):
            difference = scaled[..., a] - scaled[..., b]
            sd = np.sqrt(np.mean(difference**2, axis=0))
            both = (defined[..., a] & defined[..., b]) & (sd > _TIE)
            np.maximum(largest, np.abs(difference) / np.where(both, sd, np.inf), out=largest)
    ordered, m = _ordered(largest)
    quantile = _quantile(ordered, m, np.full(count.shape, level))
    # a group without spread over its replicates leaves its pairs out of the maximum: then the cap is taken
    still = (np.where(defined, np.abs(standard).max(axis=0, initial=0.0), 1.0) == 0.0).any(axis=-1)
    sizes = sorted({int(c) for c in np.unique(count)})
    cap = np.full(count.shape, z)
    for size in sizes:
        if size > 2:
            cap = np.where(count == size, _range_quantile(size, level), cap)
    return np.clip(np.where(still, cap, quantile), z, cap)
