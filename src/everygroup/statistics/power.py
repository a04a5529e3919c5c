"""What a number of samples could have shown: smallest detectable differences, and the samples a difference needs.

All tests are two-sided. "Detectable" means: a true difference of this size is declared with the probability `power`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special


def detectable_difference(se: ArrayLike, *, power: float = 0.8, alpha: float = 0.05) -> NDArray[np.float64]:
    """Smallest detectable difference of an estimate with a normal error: (z[1 - alpha/2] + z[power]) se.

    Parameters
    ----------
    se : array of any shape
        Standard error of the difference, e.g. the standard deviation of its paired bootstrap replicates.

    Returns
    -------
    array of the same shape

    References
    ----------
    Bloom, Minimum detectable effects, Evaluation Review 1995.

    Examples
    --------
    >>> detectable_difference([0.01, 0.02]).round(5).tolist()
    [0.02802, 0.05603]
    """
    return np.asarray(se, dtype=np.float64) * (_z(1 - alpha / 2) + _z(power))


def n_for_difference(difference: float, se: float, n: int, *, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Return the samples needed to detect `difference`, when `n` samples (or patients) gave the standard error `se`.

    Standard errors shrink with the root of n, so n grows by (detectable difference now / difference)^2, to be
    understood as all groups growing alike. None for a difference of 0, which no n detects.

    Examples
    --------
    >>> n_for_difference(0.02, se=0.02, n=500)
    3925
    """
    if difference == 0 or not math.isfinite(difference * se):
        return None
    return math.ceil(n * (float(detectable_difference(se, power=power, alpha=alpha)) / difference) ** 2)


def power_of_proportions(p_a: float, p_b: float, n_a: int, n_b: int, *, alpha: float = 0.05) -> float:
    """Power of the two-sample z-test of proportions (pooled variance in the test, own variances under the truth).

    Parameters
    ----------
    p_a, p_b : true proportions.
    n_a, n_b : samples of each; NaN without any.

    References
    ----------
    Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, 2003, chapter 4.

    Examples
    --------
    >>> round(power_of_proportions(0.9, 0.8, 100, 100), 4)
    0.5082
    """
    if min(n_a, n_b) < 1:
        return float("nan")
    pooled = (n_a * p_a + n_b * p_b) / (n_a + n_b)
    in_test = math.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
    truly = math.sqrt(p_a * (1 - p_a) / n_a + p_b * (1 - p_b) / n_b)
    distance, limit = abs(p_a - p_b), _z(1 - alpha / 2) * in_test
    if truly == 0:
        return float(distance > limit)
    return float(special.ndtr((distance - limit) / truly) + special.ndtr((-distance - limit) / truly))


def detectable_proportion(
    p: float,
    n_a: int,
    n_b: int,
    *,
    direction: Literal["lower", "higher"] = "lower",
    power: float = 0.8,
    alpha: float = 0.05,
) -> float:
    """Smallest detectable difference of a second group's proportion from the first group's.

    Parameters
    ----------
    p : the first group's proportion, such as its recall.
    n_a, n_b : samples behind the proportion in the first and in the second group.
    direction : whether the second group's proportion lies lower or higher.

    Returns
    -------
    float
        A positive difference; NaN where not even 0 (or 1) would be told from `p`.

    Examples
    --------
    >>> round(detectable_proportion(0.9, 200, 50), 4)
    0.1601
    """
    room, sign = (p, -1.0) if direction == "lower" else (1.0 - p, 1.0)

    def power_at(distance: float) -> float:
        other = min(max(p + sign * distance, 0.0), 1.0)  # rounding must not leave [0, 1]
        return power_of_proportions(p, other, n_a, n_b, alpha=alpha)

    return _smallest(power_at, room, power)


def n_for_proportions(
    p_a: float, p_b: float, *, ratio: float = 1.0, power: float = 0.8, alpha: float = 0.05
) -> tuple[int, int] | None:
    """Return the samples of both groups needed to tell two proportions apart, n_b = `ratio` n_a; None for equal ones.

    Examples
    --------
    >>> n_for_proportions(0.9, 0.8)
    (199, 199)
    """
    return _samples(lambda a, b: power_of_proportions(p_a, p_b, a, b, alpha=alpha), p_a != p_b, ratio, power)


def detectable_mean(sd: float, n_a: int, n_b: int | None = None, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest difference that a t-test detects: of two groups' means, or of pairs (seeds, folds) from 0.

    Parameters
    ----------
    sd : standard deviation within a group; for pairs, that of the differences.
    n_a, n_b : samples of the groups; only `n_a` for pairs.

    Returns
    -------
    float
        From the noncentral t distribution; NaN without a degree of freedom (a single pair).

    References
    ----------
    Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, chapter 2.

    Examples
    --------
    Five seeds whose differences scatter by 0.01 show a mean difference of

    >>> round(detectable_mean(0.01, 5), 4)
    0.0168
    """
    return sd * _smallest(lambda d: _power_of_means(d, n_a, n_b, alpha), 1e6, power)


def n_for_mean(difference: float, sd: float, *, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Return the pairs (seeds, folds) a paired t-test needs to detect a mean difference; None for a difference of 0.

    Parameters
    ----------
    difference : true mean of the paired differences.
    sd : their standard deviation.

    Examples
    --------
    >>> n_for_mean(0.01, 0.01)
    10
    """
    size = abs(difference) / sd if sd else math.inf
    found = _samples(lambda a, _: _power_of_means(size, a, None, alpha), difference != 0, 1.0, power)
    return found and found[0]


def n_for_means(
    difference: float, sd: float, *, ratio: float = 1.0, power: float = 0.8, alpha: float = 0.05
) -> tuple[int, int] | None:
    """Return the samples of both groups a t-test needs to tell two means apart, n_b = `ratio` n_a; None for equal ones.

    Parameters
    ----------
    difference : true difference of the means.
    sd : standard deviation within a group.

    Examples
    --------
    >>> n_for_means(0.5, 1.0)
    (64, 64)
    """
    size = abs(difference) / sd if sd else math.inf
    return _samples(lambda a, b: _power_of_means(size, a, b, alpha), difference != 0, ratio, power)


def _z(probability: float) -> float:
    return float(special.ndtri(probability))


def _power_of_means(size: float, n_a: int, n_b: int | None, alpha: float) -> float:
    """Return the power of the t-test for a difference of `size` standard deviations."""
    from scipy import stats  # takes a second to import

    free = n_a - 1 if n_b is None else n_a + n_b - 2
    if free < 1 or n_a < 1 or (n_b is not None and n_b < 1):
        return float("nan")
    shift = size * math.sqrt(n_a if n_b is None else n_a * n_b / (n_a + n_b))
    limit = float(stats.t.ppf(1 - alpha / 2, free))
    # so far beyond the limit the noncentral t is 1 to machine precision, or numerically unreliable
    if shift > 40 + 10 * limit:
        return 1.0
    # the wrong side counts for nothing from 5 on, where scipy sometimes gives NaN for it
    wrong_side = float(stats.nct.cdf(-limit, free, shift)) if shift < 5 else 0.0
    return float(stats.nct.sf(limit, free, shift)) + wrong_side


def _smallest(power_at: Callable[[float], float], largest: float, power: float) -> float:
    """Return the smallest difference up to `largest` with the power wanted, NaN when there is none."""
    high = min(largest, 1e-3)
    while not power_at(high) >= power:
        if high >= largest or math.isnan(power_at(high)):
            return float("nan")
        high = min(2 * high, largest)
    return float(optimize.brentq(lambda d: power_at(d) - power, 0.0, high, xtol=1e-10))


def _samples(
    power_at: Callable[[int, int], float], possible: bool, ratio: float, power: float
) -> tuple[int, int] | None:
    """Return the smallest (n_a, ceil(ratio n_a)) with the power wanted."""
    if not possible:
        return None

    def enough(n: int) -> bool:
        return power_at(n, math.ceil(ratio * n)) >= power

    low, high = 1, 2  # doubling, then halving the bracket
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high, math.ceil(ratio * high)
