"""The smallest gap between groups that a data set could have shown, from replicates of the groups' values."""

from __future__ import annotations

import functools
import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from everygroup.errors import EverygroupError

FloatArray = NDArray[np.float64]


def detectable_gap(
    replicates: ArrayLike | None = None,
    *,
    null: ArrayLike | None = None,
    rate: bool = False,
    n_groups: int = 2,
    power: float = 0.8,
    alpha: float = 0.05,
) -> FloatArray:
    """Smallest true gap (max - min over groups) that would have been declared with probability `power`.

    A gap is declared when it exceeds the 1 - `alpha` quantile of the gaps that chance makes. Replicates of the
    groups' values, moved so that every group has mean 0, say how the values scatter. One group is then moved away from
    all others until a share `power` of the replicates has a declared gap; the largest such distance over the groups,
    up and down, is the result: a gap of that size would have been found whichever group it is in. Groups with few
    samples decide it.

    Parameters
    ----------
    replicates : (R, ..., G)
        Bootstrap replicates of the values of G groups. A replicate with an undefined (NaN) group is left out.
    null : (R', ...)
        Gaps under shuffled groups (the permutation null). They give the limit above which a gap is declared, as the
        permutation p does; without them it comes from the replicates. Without `replicates`, the groups are taken to
        scatter normally and alike, as much as the null says: too small for groups of unequal size.
    rate : bool
        Whether the values are rates between 0 and 1, or means of such. A group that falls behind then scatters more
        (or less) than the others. Read only with `replicates`.
    n_groups : number of groups behind `null`; read only without `replicates`.

    Returns
    -------
    array (...)
        NaN where more than half of the replicates are undefined, where a null of fewer than 1/alpha - 1 gaps can
        declare nothing, and for a single group. With `rate` also where no gap within 0..1 could have been shown;
        without, the result may exceed the metric's range.

    Raises
    ------
    EverygroupError
        If neither argument is given.

    Notes
    -----
    With `rate`, all this happens on the scale asin(sqrt(value)), on which a proportion of n samples has the variance
    1/(4n) whatever its value; the distance found there is turned back from the mean of the groups, down or up, and the
    larger of the two that stay within 0..1 is the result.

    A group that is right (or wrong) on all its samples does not scatter in the bootstrap, and its gap looks easier to
    show than it is; the limit from `null` does not suffer from this.

    References
    ----------
    Bloom, Minimum detectable effects, Evaluation Review 1995, carried over to max - min.

    Examples
    --------
    Two groups with a standard error of 0.01 each:

    >>> scatter = np.random.default_rng(0).normal(0.8, 0.01, (20000, 2))
    >>> detectable_gap(scatter).round(3).item()  # (1.960 + 0.842) 0.01 sqrt(2)
    0.04
    """
    limit = None if null is None else _limit(np.asarray(null, dtype=np.float64), alpha)
    if replicates is None:
        if limit is None:
            raise EverygroupError("There are no replicates.", fix="give replicates, null or both")
        return limit * _normal_ratio(n_groups, power, alpha)
    values = np.asarray(replicates, dtype=np.float64)
    if values.shape[-1] < 2:
        return np.full(values.shape[1:-1], np.nan)
    undefined = np.asarray(np.isnan(values).any(axis=-1))
    values = np.where(undefined[..., None], np.nan, values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a value undefined in all replicates stays NaN
        if not rate:
            found = _distance(values, limit, power, alpha)
        else:
            # the permutation null widens (or narrows) the limit as much as it does on the plain scale
            factor = 1.0 if limit is None else limit / _own_limit(_centred(values), alpha)
            angles = np.arcsin(np.sqrt(np.clip(values, 0.0, 1.0)))
            limit = factor * _own_limit(_centred(angles), alpha)
            found = _as_rate(np.nanmean(angles, axis=(0, -1)), _distance(angles, limit, power, alpha))
    return np.where(undefined.mean(axis=0) > 0.5, np.nan, found)


def _centred(values: FloatArray) -> FloatArray:
    return np.asarray(values - np.nanmean(values, axis=0))


def _own_limit(centred: FloatArray, alpha: float) -> FloatArray:
    """Return the quantile of the gaps that replicates without a true gap have."""
    return np.asarray(np.nanquantile(centred.max(axis=-1) - centred.min(axis=-1), 1 - alpha, axis=0))


def _limit(null: FloatArray, alpha: float) -> FloatArray:
    """Return the gap from which on p = (1 + #{null >= gap}) / (1 + R) <= alpha."""
    ordered = np.sort(null, axis=0)  # undefined ones last
    defined = (~np.isnan(ordered)).sum(axis=0)
    above = np.floor(alpha * (1 + defined) - 1 + 1e-9).astype(np.int64)
    at = np.clip(defined - 1 - above, 0, len(null) - 1)
    limit = np.take_along_axis(ordered, at[None], axis=0)[0]
    # gaps of counts come in steps: the middle of the step between this gap and the next, which is declared
    following = np.where(ordered > limit + 1e-12, ordered, np.inf).min(axis=0)
    limit = np.where(np.isfinite(following), (limit + following) / 2, limit)
    return np.asarray(np.where((above >= 0) & (defined > 0), limit, np.nan))


def _distance(values: FloatArray, limit: FloatArray | None, power: float, alpha: float) -> FloatArray:
    """Return how far a group must lie from all others to be declared: the largest over groups, up and down."""
    centred = _centred(values)
    if limit is None:
        limit = _own_limit(centred, alpha)
    found = np.zeros(centred.shape[1:-1])
    for g in range(centred.shape[-1]):
        for sign in (1.0, -1.0):
            own, others = sign * centred[..., g], sign * np.delete(centred, g, axis=-1)
            lowest, highest = others.min(axis=-1), others.max(axis=-1)
            # a replicate is declared from this distance on; at any when the others alone are far enough apart
            needed = np.where(highest - lowest > limit, -np.inf, limit + lowest - own)
            needed = np.where(np.isnan(own), np.nan, needed)
            found = np.maximum(found, np.nanquantile(needed, power, axis=0, method="inverted_cdf"))
    return np.where(np.isnan(limit), np.nan, found)


def _as_rate(middle: FloatArray, distance: FloatArray) -> FloatArray:
    """Turn a distance between angles, from `middle` down or up, into the larger possible distance of rates."""
    value = np.sin(middle) ** 2
    down = np.where(middle >= distance, value - np.sin(middle - distance) ** 2, -np.inf)
    up = np.where(middle + distance <= np.pi / 2, np.sin(middle + distance) ** 2 - value, -np.inf)
    larger = np.maximum(down, up)
    return np.where(np.isfinite(larger), larger, np.nan)


@functools.lru_cache(maxsize=64)
def _normal_ratio(n_groups: int, power: float, alpha: float) -> float:
    """Return detectable gap / limit for independent normal groups with one standard error."""
    if n_groups < 2:
        return float("nan")
    from scipy import stats  # takes a second to import

    limit = float(stats.studentized_range.ppf(1 - alpha, n_groups, np.inf))

    def missed(distance: float) -> float:
        """P(all groups within one window of length `limit`), by the place of the lowest group."""
        x = np.linspace(-9.0, 9.0 + distance, 4001)
        window = special.ndtr(x + limit) - special.ndtr(x)
        moved = special.ndtr(x + limit - distance) - special.ndtr(x - distance)
        density = np.exp(-(x**2) / 2), np.exp(-((x - distance) ** 2) / 2)
        lowest = (n_groups - 1) * density[0] * window ** (n_groups - 2) * moved + density[1] * window ** (n_groups - 1)
        return float(lowest.sum() * (x[1] - x[0]) / np.sqrt(2 * np.pi))

    return float(optimize.brentq(lambda d: missed(d) - (1 - power), 0.0, limit + 10.0)) / limit
