"""Do the scores mean what they say: calibration error, Brier score and log loss, overall and for every group.

Two classes are judged by the probability of the second against how often it occurs; more classes by the highest
probability against how often that answer is right (top-label form), or one class against the rest with `positive`.

The expected calibration error of a small group is biased upwards: each bin's absolute difference is positive by chance
alone, about sqrt(2 p (1 - p) / (pi n_b)) in a bin of n_b samples. A gap between a large and a small group may be
nothing but that; `everygroup.metrics.calibration_null` says how large it is.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from everygroup.errors import SettingsError
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.define import of_rows, of_sample
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.rates import ratio_of

N_BINS, _ROWS = 15, 10_000
_SOURCE = "Naeini et al., AAAI 2015; top label: Guo et al., ICML 2017"
EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1 in the log loss, as in scikit-learn."""


def confidence(index: IntArray, score: FloatArray, at: int | None = None) -> tuple[FloatArray, FloatArray]:
    """Stated probability (n,) and outcome (n,) 0 or 1 of the event whose calibration is judged.

    Parameters
    ----------
    index, score : (n,) class of the truth, and (n, K) probabilities.
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


def check_bins(n_bins: int) -> None:
    """Refuse a number of bins below one."""
    if n_bins < 1:
        raise SettingsError(f"n_bins is {n_bins}.", fix="give at least 1; 15 is usual")


def _total(sums: FloatArray, n: FloatArray) -> FloatArray:
    """sum_b abs(sum of stated probabilities - sum of outcomes in b) / n of sums (..., B)."""
    return ratio_of(np.abs(sums).sum(axis=-1), n)


def _excess(stated: FloatArray, outcome: FloatArray, bins: IntArray, n_bins: int) -> sparse.csr_matrix:
    """Stated probability less the outcome of every row, in the column of its bin."""
    return sparse.csr_matrix((stated - outcome, (np.arange(stated.size), bins)), shape=(stated.size, n_bins))


@of_rows("Calibration error (ECE, 15 bins of equal width)", high=1.0, source=_SOURCE, value=_total)
def ece(y_true: IntArray, y_score: FloatArray, n_bins: int = N_BINS) -> sparse.csr_matrix:
    """Expected calibration error: ``sum_b (n_b / n) * |outcome_b - stated_b|``, in [0, 1], 0 is best.

    Biased upwards where n is small (see the module), so compare a gap with what chance gives in an audit.

    Parameters
    ----------
    y_true, y_score : (n,) labels, and (n, K) probabilities or (n,) those of the second of two classes.
    sensitive_features : (n,) group of every sample; missing ones belong to no group.
    positive : judge this class against the rest.
    n_bins : number of bins, of equal width on [0, 1].

    References
    ----------
    Naeini, Cooper, Hauskrecht, AAAI 2015; Guo et al., ICML 2017 (top label). Some public code bins over the observed
    range instead of [0, 1] and gives other values.

    >>> round(ece([1, 0, 1, 1], [0.95, 0.85, 0.65, 0.55], n_bins=10).value, 3)
    0.425
    """
    check_bins(n_bins)
    stated, outcome = confidence(y_true, y_score)
    return _excess(stated, outcome, width_bins(stated, n_bins), n_bins)


@of_sample("Calibration error (ECE, 15 bins of equal mass)", best="low", source="Nguyen and O'Connor, EMNLP 2015")
def ece_adaptive(y_true: IntArray, y_score: FloatArray, n_bins: int = N_BINS) -> float:
    """`ece` with bins of equal mass, found in every group by itself (Nguyen and O'Connor, EMNLP 2015)."""
    check_bins(n_bins)
    stated, outcome = confidence(y_true, y_score)
    excess = np.bincount(mass_bins(stated, n_bins), weights=outcome - stated, minlength=n_bins)
    return float(_total(excess.astype(np.float64), np.asarray(float(stated.size))))


@of_rows("Brier score", high=2.0, source="Brier 1950")
def brier(y_true: IntArray, y_score: FloatArray) -> FloatArray:
    """Brier score: the mean of ``(p - y)^2`` in [0, 1], with more classes of ``sum_k (p_k - 1[y=k])^2`` in [0, 2].

    0 is best. Two classes are scored by the probability of the second, which is half the sum over both.

    References
    ----------
    Brier, Monthly Weather Review 1950.

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

    >>> round(nll([1, 0], [0.8, 0.4]).value, 4)
    0.367
    """
    given = y_score[np.arange(y_true.size), y_true] / y_score.sum(axis=1)
    return np.asarray(-np.log(np.clip(given, EPSILON, 1.0 - EPSILON)))


@of_rows(
    "Expected minus observed share",
    best="none",
    low=-1.0,
    high=1.0,
    optimum=0.0,
    source="Cox 1958; Van Calster et al. 2019",
)
def expected_minus_observed(y_true: IntArray, y_score: FloatArray) -> FloatArray:
    """Mean predicted probability of a class minus its share; range -1..1, 0 is calibrated in the large.

    The class is `positive`, or the last one; the value is positive where it is expected too often. Equal values in all
    groups are a necessary part of calibration by group (sufficiency), and the only one that needs no bins.

    References
    ----------
    Cox, Biometrika 1958; Van Calster et al., BMC Medicine 2019.

    >>> groups = ["a", "a", "b", "b"]
    >>> measured = expected_minus_observed([0, 1, 0, 1], [0.5, 1.0, 0.25, 0.75], sensitive_features=groups)
    >>> measured.value, measured.per_group
    (0.125, {'a': 0.25, 'b': 0.0})
    """
    last = y_score.shape[1] - 1
    return np.asarray(y_score[:, last] - (y_true == last))


METRICS: tuple[MetricInfo, ...] = (ece.info, ece_adaptive.info, brier.info, nll.info)
"""Records of the metrics above."""
ONE_CLASS: tuple[MetricInfo, ...] = (expected_minus_observed.info,)
"""Record that is written ``expected_minus_observed[class]``."""
