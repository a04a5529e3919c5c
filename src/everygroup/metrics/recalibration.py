"""Calibration slope and intercept of every group: the logistic regression of the outcome on the stated log odds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.calibration import confidence
from everygroup.metrics.define import of_sample
from everygroup.metrics.info import INF, MetricInfo

CLIP = 1e-7
"""Probabilities are kept this far from 0 and 1 before taking log odds, the precision of float32 scores."""
MAX_STEPS, TOLERANCE = 100, 1e-10
_Z = 1.959963984540054


def log_odds(p: ArrayLike) -> FloatArray:
    """log(p / (1 - p)), with p kept `CLIP` away from 0 and 1."""
    clipped = np.clip(np.asarray(p, dtype=np.float64), CLIP, 1.0 - CLIP)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


@dataclass(frozen=True)
class Recalibration:
    """A fitted line ``log odds of the outcome = intercept + slope * stated log odds``, with 95 % Wald intervals.

    Slope 1 and intercept 0 are perfect. A slope below 1 says that the scores are too extreme, an intercept below 0
    (with slope fixed at 1) that they are too high. All NaN where the regression has no solution: one class, or
    outcomes that the scores separate.
    """

    slope: float
    intercept: float
    slope_error: float
    intercept_error: float
    n: int

    @property
    def slope_interval(self) -> tuple[float, float]:
        """95 % interval of the slope."""
        return self.slope - _Z * self.slope_error, self.slope + _Z * self.slope_error

    @property
    def intercept_interval(self) -> tuple[float, float]:
        """95 % interval of the intercept."""
        return self.intercept - _Z * self.intercept_error, self.intercept + _Z * self.intercept_error


def recalibrate(
    stated: ArrayLike, outcome: ArrayLike, *, fixed_slope: bool = False, cluster: ArrayLike | None = None
) -> Recalibration:
    """Fit the recalibration line by Newton's method.

    Parameters
    ----------
    stated, outcome : (n,) stated probabilities, and whether it happened.
    fixed_slope : keep the slope at 1; the intercept is then "calibration in the large".
    cluster : (n,) patient of every sample: standard errors robust to several samples of one patient.

    References
    ----------
    Cox, Biometrika 1958; Van Calster et al., BMC Medicine 2019; clusters: Liang and Zeger, Biometrika 1986.

    >>> rng = np.random.default_rng(0)
    >>> logit = rng.normal(size=20000) * 2
    >>> y = rng.random(20000) < 1 / (1 + np.exp(-logit / 2))  # the model claims twice the truth
    >>> round(recalibrate(1 / (1 + np.exp(-logit)), y).slope, 1)
    0.5
    """
    x, y = log_odds(stated), np.asarray(outcome, dtype=np.float64)
    nan = float("nan")
    undefined = Recalibration(nan, nan, nan, nan, int(y.size))
    if not y.size or y.min() == y.max() or (not fixed_slope and _separated(x, y > 0)):
        return undefined
    offset = x if fixed_slope else np.zeros_like(x)
    # a centred and scaled column keeps Newton's steps well conditioned
    centre, scale = float(x.mean()), float(x.std()) or 1.0
    design = np.ones((x.size, 1)) if fixed_slope else np.stack([np.ones_like(x), (x - centre) / scale], axis=1)
    beta = np.zeros(design.shape[1])
    current = _loss(offset + design @ beta, y)
    for _ in range(MAX_STEPS):
        mu = special.expit(offset + design @ beta)
        information = design.T @ (design * (mu * (1.0 - mu))[:, None])
        step = np.linalg.lstsq(information, design.T @ (y - mu), rcond=None)[0]
        factor = 1.0
        while factor > 1e-6 and _loss(offset + design @ (beta + factor * step), y) > current + 1e-12:
            factor /= 2.0
        beta = beta + factor * step
        current = _loss(offset + design @ beta, y)
        if np.abs(factor * step).max() < TOLERANCE:
            break
    mu = special.expit(offset + design @ beta)
    bread = np.linalg.pinv(design.T @ (design * (mu * (1.0 - mu))[:, None]))
    covariance = bread
    if cluster is not None:
        _, unit = np.unique(np.asarray(cluster), return_inverse=True)
        scores = design * (y - mu)[:, None]
        sums = np.stack([np.bincount(unit.reshape(-1), weights=column) for column in scores.T], axis=1)
        if len(sums) < 2:
            return undefined
        covariance = bread @ (sums.T @ sums) @ bread * len(sums) / (len(sums) - 1)
    if fixed_slope:
        return Recalibration(1.0, float(beta[0]), 0.0, float(np.sqrt(covariance[0, 0])), int(y.size))
    back = np.array([[1.0, -centre / scale], [0.0, 1.0 / scale]])
    intercept, slope = back @ beta
    variance = np.diag(back @ covariance @ back.T)
    errors = np.sqrt(np.where(variance >= 0, variance, nan))  # below 0 by rounding: the data do not determine it
    return Recalibration(float(slope), float(intercept), float(errors[1]), float(errors[0]), int(y.size))


def _separated(x: FloatArray, y: np.ndarray) -> bool:
    """Whether a threshold splits the outcomes (one shared value allowed), so that no finite line fits best."""
    return bool(x[~y].max() <= x[y].min() or x[y].max() <= x[~y].min())


def _loss(eta: FloatArray, y: FloatArray) -> float:
    return float((np.logaddexp(0.0, eta) - y * eta).sum())


_of_line = partial(of_sample, best="none", low=-INF, high=INF, source="Cox 1958; Van Calster et al. 2019")


@_of_line("Calibration slope", optimum=1.0)
def calibration_slope(y_true: IntArray, y_score: FloatArray) -> float:
    """Slope of the outcome's log odds on the stated ones; 1 is best, below 1 the scores are too extreme.

    More than two classes are judged by the answer's probability (top label), or one of them with `positive`.

    >>> y, p = [0, 1, 0, 1, 0, 1], [0.2, 0.4, 0.4, 0.8, 0.8, 0.9]
    >>> round(calibration_slope(y, p).value, 3), round(calibration_intercept(y, p).value, 3)
    (0.844, -0.396)
    """
    return recalibrate(*confidence(y_true, y_score)).slope


@_of_line("Calibration intercept", optimum=0.0)
def calibration_intercept(y_true: IntArray, y_score: FloatArray) -> float:
    """Intercept of the same line as `calibration_slope`; 0 is best."""
    return recalibrate(*confidence(y_true, y_score)).intercept


@_of_line("Calibration in the large", optimum=0.0)
def calibration_in_the_large(y_true: IntArray, y_score: FloatArray) -> float:
    """Intercept with the slope fixed at 1: by how much, in log odds, the scores are too low (> 0) or too high (< 0).

    >>> round(calibration_in_the_large([0, 1, 0, 1], [0.2, 0.2, 0.2, 0.2]).value, 3)  # half occur, a fifth is stated
    1.386
    """
    return recalibrate(*confidence(y_true, y_score), fixed_slope=True).intercept


METRICS: tuple[MetricInfo, ...] = (calibration_slope.info, calibration_intercept.info, calibration_in_the_large.info)
"""Records of the metrics above."""
