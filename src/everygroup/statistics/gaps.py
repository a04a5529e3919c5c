"""Intervals of the differences between groups that hold together, and of the gap between the best and the worst."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from everygroup.statistics.intervals import TIE, FloatArray, expanded_quantile, ordered_replicates, quantile_at
from everygroup.statistics.proportions import difference_of_limits

_SURELY_BEHIND = 1.5
"""By so many standard deviations a pair may lie behind the largest difference and still count fully as its equal."""


@dataclass(frozen=True)
class _Pairs:
    """Signed pairwise differences of G groups with their own margins, not yet widened for being several.

    Attributes
    ----------
    difference, low, high : (..., G, G), entry (a, b) for value_a - value_b, with the limits of this pair alone.
    deviation : (R, ..., G) deviations of the replicates from their mean, in the units of the groups' margins.
    defined : (..., G) groups with a value, limits and enough replicates.
    still : (...) whether a group's replicates never vary, so that they say nothing of the spread.
    """

    difference: FloatArray
    low: FloatArray
    high: FloatArray
    deviation: FloatArray
    defined: NDArray[np.bool_]
    still: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        point: ArrayLike,
        replicates: FloatArray,
        *,
        level: float,
        n_units: ArrayLike | None,
        limits: tuple[ArrayLike, ArrayLike] | None,
        max_undefined: float,
    ) -> _Pairs:
        """Join the margins of every two groups as for Newcombe's interval."""
        estimate, values = np.asarray(point, dtype=np.float64), np.asarray(replicates, dtype=np.float64)
        defined = (np.isnan(values).mean(axis=0) <= max_undefined) & ~np.isnan(estimate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN columns are taken out by `defined`
            deviation = values - np.nanmean(values, axis=0)
            sd = np.sqrt(np.nanmean(deviation**2, axis=0))
        standard = np.where(np.isnan(deviation) | (sd <= TIE), 0.0, deviation / np.where(sd <= TIE, 1.0, sd))
        if limits is None:
            z = float(special.ndtri(0.5 + level / 2.0))
            margin = sd * (z if n_units is None else expanded_quantile(n_units, level))
            low_group, high_group = estimate - margin, estimate + margin
        else:
            low_group, high_group = (np.asarray(side, dtype=np.float64) for side in limits)
        defined &= ~np.isnan(low_group + high_group)
        correlation = np.einsum("r...a,r...b->...ab", standard, standard) / max(values.shape[0], 1)
        # below this a correlation is noise of the replicates, and groups of different patients have none
        correlation = np.where(np.abs(correlation) < 4.0 / np.sqrt(max(values.shape[0], 1)), 0.0, correlation)
        a, b = estimate[..., :, None], estimate[..., None, :]
        low, high = difference_of_limits(
            a, low_group[..., :, None], high_group[..., :, None], b, low_group[..., None, :], high_group[..., None, :],
            correlation=correlation,
        )  # fmt: skip
        still = (np.where(defined, np.abs(standard).max(axis=0, initial=0.0), 1.0) == 0.0).any(axis=-1)
        weight = np.where(defined, (high_group - low_group) / 2.0, 0.0)
        return cls(a - b, low, high, standard * weight, defined, still)

    @property
    def real(self) -> NDArray[np.bool_]:
        """(..., G, G) pairs of two different, defined groups."""
        both = self.defined[..., :, None] & self.defined[..., None, :]
        return both & ~np.eye(self.defined.shape[-1], dtype=bool)

    def quantile(self, level: float, handicap: FloatArray | None = None) -> FloatArray:
        """The 'max-t' quantile (...) over signed pairs, in standard deviations of a pair.

        Between the quantile of one pair and Tukey and Kramer's for the range, which is enough for normal values of
        independent groups; where a group's replicates never vary its pairs are in no maximum, and the latter is taken.

        Parameters
        ----------
        handicap : (..., G, G) what is taken from each pair before the largest is looked for; the quantile is then that
            of one side.
        """
        count, n_groups = self.defined.sum(axis=-1), self.defined.shape[-1]
        two = float(special.ndtri(0.5 + level / 2.0))
        least = two if handicap is None else float(special.ndtri(level))
        if n_groups <= 2:
            return np.full(count.shape, least)
        largest = np.zeros(self.deviation.shape[:-1])
        for a, b in combinations(range(n_groups), 2):
            difference = self.deviation[..., a] - self.deviation[..., b]
            sd = np.sqrt(np.mean(difference**2, axis=0))
            known = self.real[..., a, b] & (sd > TIE)
            t = np.where(known, difference / np.where(known, sd, 1.0), 0.0)
            if handicap is None:
                np.maximum(largest, np.abs(t), out=largest)
            else:
                np.maximum(largest, t - handicap[..., a, b], out=largest)
                np.maximum(largest, -t - handicap[..., b, a], out=largest)
        ordered, m = ordered_replicates(largest)
        cap = np.full(count.shape, two)
        for size in {int(c) for c in np.unique(count)} - {0, 1, 2}:
            cap = np.where(count == size, _range_quantile(size, level), cap)
        found = np.where(self.still, cap, quantile_at(ordered, m, np.full(count.shape, level)))
        return np.where(count > 2, np.clip(found, least, cap), least)


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
    pairs = _Pairs.of(point, replicates, level=level, n_units=n_units, limits=limits, max_undefined=max_undefined)
    factor = (pairs.quantile(level) / special.ndtri(0.5 + level / 2.0))[..., None, None]
    own = np.eye(pairs.defined.shape[-1], dtype=bool)

    def side(limit: FloatArray) -> FloatArray:
        widened = pairs.difference + factor * (limit - pairs.difference)
        return np.where(pairs.real, widened, np.where(own & pairs.defined[..., None], 0.0, np.nan))

    return side(pairs.low), side(pairs.high)


def gap_interval(
    point: ArrayLike,
    replicates: FloatArray,
    *,
    level: float = 0.95,
    n_units: ArrayLike | None = None,
    limits: tuple[ArrayLike, ArrayLike] | None = None,
    max_undefined: float = 0.5,
) -> tuple[FloatArray, FloatArray]:
    """Interval of the true gap max - min over groups, from the signed differences of all pairs.

    The bootstrap distribution of a gap never reaches 0 and sits above the gap itself, so its percentiles all but
    exclude a gap of 0 even where there is none. Here every limit is a test turned round:

    - A gap of 0 is inside unless some pair's simultaneous interval (:func:`simultaneous_differences`) excludes it.
    - Above: the true gap is the difference of *one* pair, so it is at most the largest of the pairs' own upper limits,
      with the confidence of a single limit: nothing has to be widened (an intersection-union test).
    - Below: a gap d > 0 is excluded if some pair's difference is too far above d, by the 'max-t' quantile of one side;
      a pair counts less the further it lies below the largest (by what exceeds 1.5 standard deviations). It is never
      wider than the simultaneous intervals.

    Parameters
    ----------
    As for :func:`simultaneous_differences`.

    Returns
    -------
    low, high : (...) with 0 <= low <= high; NaN with fewer than two defined groups.

    References
    ----------
    Berger and Hsu, Statistical Science 1996 (intersection-union); Andrews and Soares, Econometrica 2010 (which pairs
    count).
    """
    pairs = _Pairs.of(point, replicates, level=level, n_units=n_units, limits=limits, max_undefined=max_undefined)
    z = float(special.ndtri(0.5 + level / 2.0))
    margin = pairs.difference - pairs.low

    def largest(values: FloatArray) -> FloatArray:
        return np.asarray(np.where(pairs.real, values, -np.inf).max(axis=(-2, -1), initial=-np.inf))

    def lowest(quantile: FloatArray) -> FloatArray:
        return largest(pairs.difference - (quantile / z)[..., None, None] * margin)

    high = largest(pairs.high)
    spread = np.where(pairs.real & (margin > TIE), margin / z, np.inf)
    behind = np.where(pairs.real, largest(pairs.difference)[..., None, None] - pairs.difference, 0.0) / spread
    handicap = np.maximum(behind - _SURELY_BEHIND, 0.0)
    every = pairs.quantile(level)
    one_sided = np.minimum(pairs.quantile(0.5 + level / 2.0, handicap), every)
    low = np.where(lowest(every) > 0.0, lowest(one_sided), 0.0)
    some = pairs.real.any(axis=(-2, -1))
    return np.where(some, np.minimum(low, high), np.nan), np.where(some, np.maximum(high, 0.0), np.nan)


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
