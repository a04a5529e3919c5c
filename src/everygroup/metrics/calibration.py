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
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import SettingsError
from everygroup.metrics._grouped import class_position, measure_rows, probability_codes
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.measured import Measured

N_BINS = 15
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


def squared_errors(index: IntArray, score: FloatArray) -> FloatArray:
    """Brier loss of every row: (p - y)^2 of two classes, sum_k (p_k - 1[y=k])^2 of more."""
    if score.shape[1] == 2:
        return (score[:, 1] - (index == 1)) ** 2
    errors = score.copy()
    errors[np.arange(index.size), index] -= 1.0
    return np.asarray((errors**2).sum(axis=1))


def log_losses(index: IntArray, score: FloatArray) -> FloatArray:
    """-log of the probability given to the true class, of every row."""
    given = score[np.arange(index.size), index] / score.sum(axis=1)
    return np.asarray(-np.log(np.clip(given, EPSILON, 1.0 - EPSILON)))


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


def _mean(losses: NDArray[np.float64], sensitive_features: ArrayLike | None) -> Measured:
    return measure_rows(
        lambda rows: float(losses[rows].mean()) if rows.size else float("nan"), losses.size, sensitive_features
    )


def brier(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
) -> Measured:
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
    return _mean(squared_errors(*probability_codes(y_true, y_score, classes)), sensitive_features)


def nll(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
) -> Measured:
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
    return _mean(log_losses(*probability_codes(y_true, y_score, classes)), sensitive_features)


METRICS: tuple[MetricInfo, ...] = (
    MetricInfo(
        "ece",
        "Calibration error (ECE, 15 bins of equal width)",
        "performance",
        0.0,
        1.0,
        0.0,
        False,
        "y_score",
        "none",
        "Naeini et al., AAAI 2015; top label: Guo et al., ICML 2017",
        ece,
    ),
    MetricInfo(
        "ece_adaptive",
        "Calibration error (ECE, 15 bins of equal mass)",
        "performance",
        0.0,
        1.0,
        0.0,
        False,
        "y_score",
        "none",
        "Nguyen and O'Connor, EMNLP 2015",
        partial(ece, adaptive=True),
    ),
    MetricInfo("brier", "Brier score", "performance", 0.0, 2.0, 0.0, False, "y_score", "none", "Brier 1950", brier),
    MetricInfo("nll", "Log loss", "performance", 0.0, float("inf"), 0.0, False, "y_score", "none", "Good 1952", nll),
)
