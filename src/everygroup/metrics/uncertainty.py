"""How sure a model is of every answer: entropy, and risk against coverage."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.define import of_rows
from everygroup.metrics.info import MetricInfo

_ROWS = 10_000


def predictive_entropy(y_score: ArrayLike, *, normalised: bool = False) -> FloatArray:
    """Entropy (n,) of every row's probabilities: ``-sum_k p_k log p_k`` in nats, from 0 to log K.

    Parameters
    ----------
    y_score : (n, K) probabilities, or (n,) those of the second of two classes. Of several passes (ensemble, dropout)
        give the mean.
    normalised : divide by log K, so that 1 is the largest.

    >>> predictive_entropy([[0.5, 0.5], [1.0, 0.0]], normalised=True).tolist()
    [1.0, 0.0]
    """
    score = np.asarray(y_score, dtype=np.float64)
    if score.ndim == 1:
        score = np.stack([1.0 - score, score], axis=1)
    entropy = np.empty(len(score))
    for begin in range(0, len(score), _ROWS):  # no second table of scores
        block = score[begin : begin + _ROWS]
        # + 0.0: a sure answer is 0, not -0
        entropy[begin : begin + _ROWS] = -(block * np.log(np.where(block > 0, block, 1.0))).sum(axis=1) + 0.0
    return np.asarray(entropy / np.log(score.shape[1]) if normalised else entropy)


def selective_risk(wrong: ArrayLike, confidence: ArrayLike) -> FloatArray:
    """Error rate (n,) among the k most confident rows, k = 1..n; the mean over all orders of rows of equal confidence.

    >>> selective_risk([0, 1, 0, 1], [0.9, 0.8, 0.7, 0.6]).round(3).tolist()
    [0.0, 0.5, 0.333, 0.5]
    """
    errors, sure = np.asarray(wrong, dtype=np.float64), np.asarray(confidence, dtype=np.float64)
    _, at, counts = np.unique(-sure, return_inverse=True, return_counts=True)
    mean = np.bincount(at.reshape(-1), weights=errors, minlength=counts.size) / np.maximum(counts, 1)
    return np.asarray(np.cumsum(np.repeat(mean, counts)) / np.arange(1, errors.size + 1))


@of_rows("Predictive entropy (mean, nats)", source="Gal 2016")
def mean_entropy(y_true: IntArray, y_score: FloatArray) -> FloatArray:
    """Mean predictive entropy in nats, from 0 (always sure) to log K; a description, best only where it is right.

    References
    ----------
    Shannon 1948; as predictive uncertainty: Gal, Uncertainty in Deep Learning, 2016.

    >>> round(mean_entropy([0, 1], [0.5, 1.0]).value, 3)
    0.347
    """
    return predictive_entropy(y_score)


METRICS: tuple[MetricInfo, ...] = (mean_entropy.info,)
"""Records of the metrics above; what needs an order of the rows is in `scores`."""
