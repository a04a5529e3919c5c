"""Does the model know when it is wrong, in every group: entropy, risk against coverage, entropy's relation to error."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import SettingsError
from everygroup.metrics._grouped import measure_rows, probability_codes, record
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.define import of_rows
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.measured import Measured
from everygroup.metrics.ranking import Ranking


def predictive_entropy(y_score: ArrayLike, *, normalised: bool = False) -> FloatArray:
    """Entropy (n,) of every row's probabilities: ``-sum_k p_k log p_k`` in nats, from 0 to log K.

    Parameters
    ----------
    y_score : (n, K) probabilities, or (n,) those of the second of two classes. Of several passes (ensemble, dropout)
        give the mean.
    normalised : divide by log K, so that 1 is the largest.

    Examples
    --------
    >>> predictive_entropy([[0.5, 0.5], [1.0, 0.0]], normalised=True).tolist()
    [1.0, 0.0]
    """
    score = np.asarray(y_score, dtype=np.float64)
    if score.ndim == 1:
        score = np.stack([1.0 - score, score], axis=1)
    logs = np.log(np.where(score > 0, score, 1.0))
    # + 0.0: a sure answer is 0, not -0
    entropy = -(score * logs).sum(axis=1) + 0.0
    return np.asarray(entropy / np.log(score.shape[1]) if normalised else entropy)


def selective_risk(wrong: ArrayLike, confidence: ArrayLike) -> FloatArray:
    """Error rate (n,) among the k most confident rows, k = 1..n; the mean over all orders of rows of equal confidence.

    Examples
    --------
    >>> selective_risk([0, 1, 0, 1], [0.9, 0.8, 0.7, 0.6]).round(3).tolist()
    [0.0, 0.5, 0.333, 0.5]
    """
    errors, sure = np.asarray(wrong, dtype=np.float64), np.asarray(confidence, dtype=np.float64)
    _, at, counts = np.unique(-sure, return_inverse=True, return_counts=True)
    mean = np.bincount(at.reshape(-1), weights=errors, minlength=counts.size) / np.maximum(counts, 1)
    return np.asarray(np.cumsum(np.repeat(mean, counts)) / np.arange(1, errors.size + 1))


def _answers(
    y_true: ArrayLike, y_score: ArrayLike, classes: Sequence[Hashable] | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Whether the answer is wrong (n,), its probability, and the entropy."""
    index, score = probability_codes(y_true, y_score, classes)
    wrong = (score.argmax(axis=1) != index).astype(np.float64)
    return wrong, score.max(axis=1), predictive_entropy(score)


@of_rows("Predictive entropy (mean, nats)", source="Gal 2016")
def mean_entropy(y_true: IntArray, y_score: FloatArray) -> FloatArray:
    """Mean predictive entropy in nats, from 0 (always sure) to log K; a description, best only where it is right.

    References
    ----------
    Shannon 1948; as predictive uncertainty: Gal, Uncertainty in Deep Learning, 2016.

    Examples
    --------
    >>> round(mean_entropy([0, 1], [0.5, 1.0]).value, 3)
    0.347
    """
    return predictive_entropy(y_score)


def aurc(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
) -> Measured:
    """Area under the risk-coverage curve: the mean over k of the error rate of the k most confident, in [0, 1].

    0 is best. Confidence is the answer's probability; ties count as the mean over their orders. It falls with the
    error rate as well as with better ordering, so look at both.

    References
    ----------
    Geifman, Uziel and El-Yaniv, ICLR 2019.

    Examples
    --------
    >>> round(aurc([1, 0, 1, 1], [0.95, 0.85, 0.65, 0.55]).value, 3)  # sure and wrong once
    0.271
    """
    wrong, sure, _ = _answers(y_true, y_score, classes)
    return measure_rows(
        lambda rows: float(selective_risk(wrong[rows], sure[rows]).mean()) if rows.size else float("nan"),
        wrong.size,
        sensitive_features,
    )


def accuracy_at_coverage(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
    coverage: float = 0.8,
) -> Measured:
    """Accuracy among the most confident share of the rows, in [0, 1]; 1 is best.

    Every group keeps its own most confident ``ceil(coverage * n)`` rows; the others would be referred to a doctor.

    References
    ----------
    El-Yaniv and Wiener, JMLR 2010; by group: Jones et al., ICLR 2021.

    Examples
    --------
    >>> accuracy_at_coverage([1, 0, 1, 1, 1], [0.95, 0.15, 0.85, 0.75, 0.45]).value
    1.0
    """
    if not 0.0 < coverage <= 1.0:
        raise SettingsError(f"coverage is {coverage}.", fix="give a share above 0 and up to 1, such as 0.8")
    wrong, sure, _ = _answers(y_true, y_score, classes)

    def value(rows: IntArray) -> float:
        if not rows.size:
            return float("nan")
        kept = int(np.ceil(coverage * rows.size - 1e-9))
        return float(1.0 - selective_risk(wrong[rows], sure[rows])[kept - 1])

    return measure_rows(value, wrong.size, sensitive_features)


def entropy_error_auc(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
) -> Measured:
    """AUC of the entropy for the error: the chance that a wrong answer has more entropy than a right one, ties 1/2.

    In [0, 1]; 1 is best, 0.5 says that the uncertainty tells nothing about errors. Undefined in a group without an
    error or without a right answer.

    References
    ----------
    Hendrycks and Gimpel, ICLR 2017.

    Examples
    --------
    >>> entropy_error_auc([1, 0, 1, 1], [0.95, 0.1, 0.4, 0.45]).value  # both errors are the most uncertain
    1.0
    """
    wrong, _, entropy = _answers(y_true, y_score, classes)

    def value(rows: IntArray) -> float:
        ones = np.ones((rows.size, 1), dtype=np.float32)
        # entropies of mirrored probabilities (p, 1 - p) are equal but for rounding
        return float(Ranking.of(entropy[rows].round(12), wrong[rows] > 0).auc(ones)[0])

    return measure_rows(value, wrong.size, sensitive_features)


METRICS: tuple[MetricInfo, ...] = (
    mean_entropy.info,
    record(
        "aurc",
        "Area under the risk-coverage curve",
        aurc,
        optimum=0.0,
        source="Geifman, Uziel and El-Yaniv, ICLR 2019",
        requires="y_score",
    ),
    record(
        "accuracy_at_80",
        "Accuracy at 80 % coverage",
        accuracy_at_coverage,
        source="El-Yaniv and Wiener 2010; Jones et al., ICLR 2021",
        requires="y_score",
    ),
    record(
        "entropy_error_auc",
        "AUC of entropy for error",
        entropy_error_auc,
        source="Hendrycks and Gimpel, ICLR 2017",
        requires="y_score",
    ),
)
"""Records of the metrics above."""
