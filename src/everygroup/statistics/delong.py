"""DeLong's variance of an AUC and test of two correlated AUCs, also for clustered samples, from mid-ranks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from everygroup.errors import EverygroupError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class DeLong:
    """`difference` = `auc_a` - `auc_b` with its interval and the two-sided `p` of no difference."""

    auc_a: float
    auc_b: float
    difference: float
    low: float
    high: float
    p: float
    n_positive: int
    n_negative: int


def delong(
    y_true: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, *, cluster: ArrayLike | None = None, level: float = 0.95
) -> DeLong:
    """Test of two scores of the same samples for equal AUC, in O(n log n).

    Every positive has a placement value, its share of the negatives with a lower score (ties 1/2), and every negative
    one among the positives; their means are the AUC. The variance of the difference of two AUCs is the variance of the
    differences of the positives' placement values / n_positive plus the same for the negatives. With `cluster`, sums
    over clusters take the place of single values, and a term for clusters that hold both classes is added.

    Parameters
    ----------
    y_true : (n,) 1 or True for positives, 0 or False for negatives.
    score_a, score_b : (n,) scores, larger for positives. Only their order counts.
    cluster : (n,) patient or lesion of every sample; every sample is its own when not given.
    level : coverage aimed at by the interval, a normal one of the difference.

    Returns
    -------
    DeLong
        Without two positive and two negative samples (or clusters) the interval and `p` are NaN, without both classes
        the AUCs too. Scores that order the samples alike have p = 1. A variance of 0 otherwise (both scores separate
        the classes perfectly, say) is no evidence: the interval is NaN, and so is `p` if the AUCs differ.

    Raises
    ------
    EverygroupError
        If lengths differ, a label is neither 0 nor 1, or a score is NaN.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson, Biometrics 1988; mid-ranks: Sun and Xu, IEEE Signal Processing Letters 2014;
    clusters: Obuchowski, Biometrics 1997.

    Examples
    --------
    >>> test = delong([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [2, 5, 1, 4, 3, 6])
    >>> round(test.auc_a, 4), round(test.auc_b, 4), round(test.p, 4)
    (0.8889, 0.7778, 0.7237)
    """
    positive, groups = _checked(y_true, cluster)
    ranks = [_ranks(score, positive) for score in (score_a, score_b)]
    (above_a, below_a), (above_b, below_b) = (_placements(rank, positive) for rank in ranks)
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        nan = float("nan")
        return DeLong(nan, nan, nan, nan, nan, nan, n_positive, n_negative)
    auc_a, auc_b = float(above_a.mean()), float(above_b.mean())
    difference = auc_a - auc_b
    error = float(np.sqrt(_variance(above_a - above_b, below_a - below_b, positive, groups)))
    if error < 1e-12:  # rounding of placement values: their true differences are multiples of 1/(2n)
        alike = np.array_equal(ranks[0], ranks[1])
        half, p = (0.0 if alike else float("nan")), (1.0 if abs(difference) < 1e-12 else float("nan"))
    else:
        half = float(special.ndtri(0.5 + level / 2)) * error
        p = float(2 * special.ndtr(-abs(difference) / error))
    low, high = np.clip([difference - half, difference + half], -1.0, 1.0)
    return DeLong(auc_a, auc_b, difference, float(low), float(high), p, n_positive, n_negative)


def delong_variance(y_true: ArrayLike, score: ArrayLike, *, cluster: ArrayLike | None = None) -> float:
    """DeLong's variance of the AUC of one score, in O(n log n); Obuchowski's with `cluster`.

    Parameters
    ----------
    y_true : (n,) 1 or True for positives, 0 or False for negatives.
    score : (n,) scores, larger for positives.
    cluster : (n,) patient or lesion of every sample.

    Returns
    -------
    float
        NaN without two positive and two negative samples (or clusters); 0 for perfect separation, where the data say
        nothing about the variance.

    Raises
    ------
    EverygroupError
        As `delong`.

    Examples
    --------
    >>> round(delong_variance([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6]), 6)
    0.024691
    """
    positive, groups = _checked(y_true, cluster)
    return _variance(*_placements(_ranks(score, positive), positive), positive, groups)


def _checked(y_true: ArrayLike, cluster: ArrayLike | None) -> tuple[NDArray[np.bool_], NDArray[np.int64] | None]:
    y = np.asarray(y_true)
    if not np.isin(y, (0, 1)).all():
        raise EverygroupError("A label is neither 0 nor 1.", fix="pass y_true == the positive class")
    if cluster is None:
        return y.astype(bool), None
    ids = np.unique(np.asarray(cluster), return_inverse=True)[1].reshape(-1)
    if ids.size != y.size:
        raise EverygroupError(f"There are {ids.size} cluster ids for {y.size} labels.", fix="pass one for every label")
    return y.astype(bool), ids


def _ranks(score: ArrayLike, positive: NDArray[np.bool_]) -> FloatArray:
    from scipy import stats  # takes a second to import

    values = np.asarray(score, dtype=np.float64)
    if values.shape != positive.shape:
        raise EverygroupError(f"There are {values.size} scores for {positive.size} labels.", fix="pass one per label")
    if np.isnan(values).any():
        row = int(np.flatnonzero(np.isnan(values))[0])
        raise EverygroupError(f"The score of row {row} is NaN.", fix="leave out samples without a score")
    return np.asarray(stats.rankdata(values))


def _placements(rank: FloatArray, positive: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Return every positive's share of negatives below it, and every negative's share of positives above it."""
    from scipy import stats

    above, below = rank[positive], rank[~positive]
    # the rank among all minus the rank within the own class counts the other class below, ties 1/2
    share_below = (above - stats.rankdata(above)) / max(below.size, 1)
    share_above = 1.0 - (below - stats.rankdata(below)) / max(above.size, 1)
    return share_below, share_above


def _variance(
    above: FloatArray, below: FloatArray, positive: NDArray[np.bool_], cluster: NDArray[np.int64] | None
) -> float:
    """Return the variance of mean(above), from values of the positives and of the negatives (equal means)."""
    m, n = above.size, below.size
    if m < 2 or n < 2:
        return float("nan")
    if cluster is None:
        return float(above.var(ddof=1) / m + below.var(ddof=1) / n)
    size = int(cluster.max()) + 1
    with_positive, with_negative = np.unique(cluster[positive]).size, np.unique(cluster[~positive]).size
    if with_positive < 2 or with_negative < 2:
        return float("nan")
    x = np.bincount(cluster[positive], weights=above - above.mean(), minlength=size)
    y = np.bincount(cluster[~positive], weights=below - below.mean(), minlength=size)
    own = with_positive / (with_positive - 1) * (x @ x) / m**2 + with_negative / (with_negative - 1) * (y @ y) / n**2
    # the covariance of a cluster's positives with its own negatives
    shared = 2 * size / (size - 1) * (x @ y) / (m * n)
    return max(float(own + shared), 0.0)
