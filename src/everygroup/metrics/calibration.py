"""Do the scores mean what they say: calibration error, Brier score and log loss, overall and for every group.

Two classes are judged by the probability of the second against how often it occurs; more classes by the highest
probability against how often that answer is right (top-label form), or one class against the rest with `positive`.

The expected calibration error of a small group is biased upwards: each bin's absolute difference is positive by chance
alone, about sqrt(2 p (1 - p) / (pi n_b)) in a bin of n_b samples. A gap between a large and a small group may be
nothing but that; `everygroup.metrics.calibration_null` says how large it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from everygroup.errors import SettingsError
from everygroup.metrics._grouped import class_position, measure_rows, probability_codes, record
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.define import of_rows
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import ratio_of

N_BINS, _ROWS = 15, 10_000
_SOURCE = "Naeini et al., AAAI 2015; top label: Guo et al., ICML 2017"
EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1 in the log loss, as in scikit-learn."""


def confidence(index: IntArray, score: FloatArray, at: int | None = None) -> tuple[FloatArray, FloatArray]:
    """Stated probability (n,) and outcome (n,) 0 or 1 of the event whose calibration is judged.

    Parameters
    ----------
    index : (n,) class index of the truth.
    score : (n, K) probabilities.
    at : the class judged against the rest; by default the second of two, or of more classes the answer (top label).
    """
    if at is None and score.shape[1] == 2:
        at = 1
    if at is not None:
        return score[:, at], (index == at).astype(np.float64)
    answer = score.argmax(axis=1)
    return score[np.arange(index.size), answer], (answer == index).astype(np.float64)


def width_bins(stated: FloatArray, n_bins: int = N_BINS) -> IntArray:
    """Bin 0..n_bins-1 of every stated probability; bin b holds (b/n_bins, (b+1)/n_bins], the first also 0."""
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    return np.clip(np.searchsorted(edges, stated, side="left") - 1, 0, n_bins - 1).astype(np.int64)


def mass_bins(stated: FloatArray, n_bins: int = N_BINS) -> IntArray:
    """Bin of every stated probability, with as nearly as possible the same number in each.

    Equal values stay together, so that the result does not depend on the order of the rows.
    """
    if not stated.size:
        return np.zeros(0, dtype=np.int64)
    _, at, counts = np.unique(stated, return_inverse=True, return_counts=True)
    # the bin of a level is that of the middle of its ranks
    middle = np.cumsum(counts) - counts / 2.0
    bins = np.minimum((middle * n_bins / stated.size).astype(np.int64), n_bins - 1)
    return bins[at.reshape(-1)]


def binned_error(bins: IntArray, stated: FloatArray, outcome: FloatArray, n_bins: int = N_BINS) -> float:
    """sum_b abs(sum of outcomes - sum of stated probabilities in b) / n; NaN without rows."""
    if not bins.size:
        return float("nan")
    return float(np.abs(np.bincount(bins, weights=outcome - stated, minlength=n_bins)).sum() / bins.size)


def check_bins(n_bins: int) -> None:
    """Refuse a number of bins below one."""
    if n_bins < 1:
        raise SettingsError(f"n_bins is {n_bins}.", fix="give at least 1; 15 is usual")


def _binned(sums: FloatArray, n: FloatArray) -> FloatArray:
    """sum_b abs(sum of stated probabilities - sum of outcomes in b) / n of sums (..., B)."""
    return ratio_of(np.abs(sums).sum(axis=-1), n)


def ece(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
    positive: Hashable | None = None,
    n_bins: int = N_BINS,
    adaptive: bool = False,
) -> Measured:
    """Expected calibration error: ``sum_b (n_b / n) * |outcome_b - stated_b|``, in [0, 1], 0 is best.

    Parameters
    ----------
    y_true, y_score : (n,) labels, and (n, K) probabilities or (n,) those of the second of two classes.
    sensitive_features : (n,) group of every sample; missing ones belong to no group.
    positive : judge this class against the rest.
    n_bins : number of bins, of equal width on [0, 1].
    adaptive : bins of equal mass instead, found in every group by itself.

    Returns
    -------
    Measured; biased upwards where n is small (see the module), so compare a gap with what chance gives in an audit.

    References
    ----------
    Naeini, Cooper, Hauskrecht, AAAI 2015; Guo et al., ICML 2017 (top label); equal mass: Nguyen and O'Connor, EMNLP
    2015. Some public code bins over the observed range instead of [0, 1] and gives other values.

    Examples
    --------
    >>> round(ece([1, 0, 1, 1], [0.95, 0.85, 0.65, 0.55], n_bins=10).value, 3)
    0.425
    """
    check_bins(n_bins)
    index, score = probability_codes(y_true, y_score, classes)
    at = None if positive is None else class_position(positive, y_true, classes, score.shape[1])
    stated, outcome = confidence(index, score, at)
    bins_of = mass_bins if adaptive else width_bins

    def value(rows: IntArray) -> float:
        return binned_error(bins_of(stated[rows], n_bins), stated[rows], outcome[rows], n_bins)

    return measure_rows(value, index.size, sensitive_features)


@of_rows("Calibration error (ECE, 15 bins of equal width)", name="ece", high=1.0, source=_SOURCE, value=_binned)
def _excess(y_true: IntArray, y_score: FloatArray) -> sparse.csr_matrix:
    """Stated probability less the outcome of every row, in the column of its bin."""
    stated, outcome = confidence(y_true, y_score)
    at = (np.arange(y_true.size), width_bins(stated))
    return sparse.csr_matrix((stated - outcome, at), shape=(y_true.size, N_BINS))


@of_rows("Brier score", high=2.0, source="Brier 1950")
def brier(y_true: IntArray, y_score: FloatArray) -> FloatArray:
    """Brier score: the mean of ``(p - y)^2`` in [0, 1], with more classes of ``sum_k (p_k - 1[y=k])^2`` in [0, 2].

    0 is best. Two classes are scored by the probability of the second, which is half the sum over both.

    References
    ----------
    Brier, Monthly Weather Review 1950.

    Examples
    --------
    >>> round(brier([1, 0, 0], [0.9, 0.2, 0.7]).value, 3)
    0.18
    """
    if y_score.shape[1] == 2:
        return np.asarray((y_score[:, 1] - (y_true == 1)) ** 2)
    lost = np.empty(y_true.size)
    for begin in range(0, y_true.size, _ROWS):  # no second table of scores
        errors = np.array(y_score[begin : begin + _ROWS], dtype=np.float64)
        errors[np.arange(len(errors)), y_true[begin : begin + _ROWS]] -= 1.0
        lost[begin : begin + _ROWS] = (errors**2).sum(axis=1)
    return lost


@of_rows("Log loss", source="Good 1952")
def nll(y_true: IntArray, y_score: FloatArray) -> FloatArray:
    """Negative log likelihood (log loss): the mean of ``-log p_y`` in nats, from 0 (best) upwards.

    Probabilities are kept 2.2e-16 away from 0 and 1, as in scikit-learn: one sure mistake costs about 36.

    References
    ----------
    Good, Rational decisions, 1952.

    Examples
    --------
    >>> round(nll([1, 0], [0.8, 0.4]).value, 4)
    0.367
    """
    given = y_score[np.arange(y_true.size), y_true] / y_score.sum(axis=1)
    return np.asarray(-np.log(np.clip(given, EPSILON, 1.0 - EPSILON)))


METRICS: tuple[MetricInfo, ...] = (
    _excess.info,
    record(
        "ece_adaptive",
        "Calibration error (ECE, 15 bins of equal mass)",
        partial(ece, adaptive=True),
        optimum=0.0,
        source="Nguyen and O'Connor, EMNLP 2015",
        requires="y_score",
    ),
    brier.info,
    nll.info,
)
