"""Points of ROC, precision-recall, calibration and risk-coverage curves, few enough to draw, with pointwise intervals.

Intervals are Wilson's for each point by itself, widened where rows come in clusters (patients); a whole curve lies in
such a band less often than a point does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.calibration import mass_bins, width_bins
from everygroup.metrics.ordered import Ordered
from everygroup.metrics.rates import mean_defined
from everygroup.metrics.uncertainty import selective_risk
from everygroup.statistics import wilson_interval

Column = NDArray[np.floating]
LIMIT = 200
"""Points of a curve that are kept."""


class Curve(NamedTuple):
    """Points of a curve: x, y, a pointwise 95 % interval of y (NaN where there is none), and the rows behind each."""

    x: Column
    y: Column
    low: Column
    high: Column
    n: IntArray

    def take(self, index: IntArray) -> Curve:
        """Return some of the points."""
        return Curve(self.x[index], self.y[index], self.low[index], self.high[index], self.n[index])


EMPTY = Curve(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64))


def thin(curve: Curve, limit: int = LIMIT) -> Curve:
    """Keep at most `limit` points, evenly along the curve, both ends always."""
    if curve.x.size <= limit:
        return curve
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(curve.x)) + np.abs(np.diff(curve.y)))])
    wanted = np.linspace(0.0, length[-1], limit)
    kept = np.unique(np.minimum(np.searchsorted(length, wanted, side="left"), length.size - 1))
    kept[0], kept[-1] = 0, length.size - 1
    return curve.take(kept)


def design_effect(values: ArrayLike, cluster: ArrayLike | None) -> float:
    """Variance of a mean of (n,) values in clusters over that of independent rows; at least 1 (Kish 1965)."""
    v = np.asarray(values, dtype=np.float64)
    if cluster is None or v.size < 2:
        return 1.0
    residual = v - v.mean()
    spread = float((residual**2).sum())
    _, unit = np.unique(np.asarray(cluster), return_inverse=True)
    sums = np.bincount(unit.reshape(-1), weights=residual)
    return max(1.0, float((sums**2).sum()) / spread) if spread > 0 else v.size / sums.size


def _steps(positive: NDArray[np.bool_], score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """True and false positives at every threshold, from above the highest score to the lowest."""
    levels, at = np.unique(-score, return_inverse=True)
    right = np.bincount(at.reshape(-1), weights=positive, minlength=levels.size)
    all_ = np.bincount(at.reshape(-1), minlength=levels.size)
    tp, fp = np.cumsum(right), np.cumsum(all_ - right)
    return np.concatenate([[0.0], tp]), np.concatenate([[0.0], fp])


def _ranks(values: FloatArray) -> FloatArray:
    _, at = np.unique(values, return_inverse=True)
    return at.reshape(-1).astype(np.float64)


def roc_points(positive: ArrayLike, score: ArrayLike, *, cluster: ArrayLike | None = None, limit: int = LIMIT) -> Curve:
    """ROC curve: x the false positive rate, y the true positive rate, from (0, 0) to (1, 1).

    Empty without a positive or a negative. `n` is the number of rows.

    Parameters
    ----------
    positive, score : (n,) whether a row is of the class, and its score for it.
    cluster : (n,) patient of every row.

    >>> curve = roc_points([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> curve.x.tolist(), curve.y.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    p, s = np.asarray(positive, dtype=bool), np.asarray(score, dtype=np.float64)
    n_positive, n_negative = int(p.sum()), int((~p).sum())
    if not n_positive or not n_negative:
        return EMPTY
    tp, fp = _steps(p, s)
    worth = n_positive / design_effect(_ranks(s[p]), None if cluster is None else np.asarray(cluster)[p])
    low, high = wilson_interval(tp, n_positive, n_effective=worth)
    rows = np.full(tp.size, p.size, dtype=np.int64)
    return thin(Curve(fp / n_negative, tp / n_positive, low, high, rows), limit)


def precision_recall_points(
    positive: ArrayLike, score: ArrayLike, *, cluster: ArrayLike | None = None, limit: int = LIMIT
) -> Curve:
    """Precision-recall curve: x the recall, y the precision, from recall 0 at the highest score to recall 1.

    Empty without a positive. Parameters as in `roc_points`.

    >>> curve = precision_recall_points([0, 1, 1], [0.1, 0.4, 0.8])
    >>> curve.x.tolist(), curve.y.round(2).tolist()
    ([0.0, 0.5, 1.0, 1.0], [1.0, 1.0, 1.0, 0.67])
    """
    p, s = np.asarray(positive, dtype=bool), np.asarray(score, dtype=np.float64)
    if not p.any():
        return EMPTY
    tp, fp = _steps(p, s)
    # nothing is answered above the highest score: the curve begins with the precision there
    tp[0], fp[0] = tp[1], fp[1]
    recall = tp / p.sum()
    recall[0] = 0.0
    low, high = wilson_interval(tp, tp + fp, n_effective=(tp + fp) / design_effect(p, cluster))
    return thin(Curve(recall, tp / (tp + fp), low, high, np.full(tp.size, p.size, dtype=np.int64)), limit)


def reliability_points(
    stated: ArrayLike,
    outcome: ArrayLike,
    *,
    cluster: ArrayLike | None = None,
    n_bins: int = 10,
    adaptive: bool = True,
) -> Curve:
    """Calibration curve: x the mean stated probability of a bin, y how often it happened, n the rows of the bin.

    Parameters
    ----------
    stated, outcome : (n,) stated probabilities, and whether it happened.
    cluster : (n,) patient of every row.
    n_bins : number of bins, of equal mass by default (every point then rests on as many rows), else of equal width.

    >>> curve = reliability_points([0.1, 0.1, 0.9, 0.9], [0, 0, 1, 0], n_bins=2)
    >>> curve.x.tolist(), curve.y.tolist(), curve.n.tolist()
    ([0.1, 0.9], [0.0, 0.5], [2, 2])
    """
    p, y = np.asarray(stated, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    bins = (mass_bins if adaptive else width_bins)(p, n_bins)
    n = np.bincount(bins, minlength=n_bins)
    kept = np.flatnonzero(n)
    happened = np.bincount(bins, weights=y, minlength=n_bins)
    effect = np.ones(n_bins)
    if cluster is not None:
        units = np.asarray(cluster)
        effect[kept] = [design_effect(y[bins == b], units[bins == b]) for b in kept]
    low, high = wilson_interval(happened[kept], n[kept], n_effective=n[kept] / effect[kept])
    mean = np.bincount(bins, weights=p, minlength=n_bins)[kept] / n[kept]
    return Curve(mean, happened[kept] / n[kept], low, high, n[kept].astype(np.int64))


def risk_coverage_points(
    wrong: ArrayLike, confidence: ArrayLike, *, cluster: ArrayLike | None = None, limit: int = LIMIT
) -> Curve:
    """Risk-coverage curve: x the share answered, the surest first, y the error rate among them, n their number.

    >>> curve = risk_coverage_points([0, 1, 0, 1], [0.9, 0.8, 0.7, 0.6])
    >>> curve.x.tolist(), curve.y.round(2).tolist()
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.5, 0.33, 0.5])
    """
    errors = np.asarray(wrong, dtype=np.float64)
    if not errors.size:
        return EMPTY
    risk, k = selective_risk(errors, confidence), np.arange(1, errors.size + 1)
    low, high = wilson_interval(risk * k, k, n_effective=k / design_effect(errors, cluster))
    return thin(Curve(k / errors.size, risk, low, high, k), limit)


def macro_points(
    y_true: ArrayLike, y_score: ArrayLike, *, rows: IntArray | None = None, points: int = 101
) -> tuple[Curve, Curve]:
    """Mean ROC and precision-recall curve of several classes, each against the rest.

    y is averaged at equally spaced x in [0, 1], over the classes that have a curve; of several points at one x the
    best counts. No interval: NaN. Empty where no class has a curve. Classes are looked at one after the other.

    Parameters
    ----------
    y_true, y_score : (n,) class index, and (n, K) scores.
    rows : index of the rows that count; all by default.

    >>> roc, _ = macro_points([0, 1], [[0.9, 0.1], [0.5, 0.5]], points=3)
    >>> roc.x.tolist(), roc.y.tolist()
    ([0.0, 0.5, 1.0], [1.0, 1.0, 1.0])
    """
    true, score = np.asarray(y_true), np.asarray(y_score, dtype=np.float64)
    inside = slice(None) if rows is None else rows
    true = true[inside]
    grid = np.linspace(0.0, 1.0, points)
    found: tuple[list[FloatArray], list[FloatArray]] = ([], [])
    for k in range(score.shape[1]):
        ordered = Ordered.of(score[inside, k], true == k)
        for curves, y in zip(found, (ordered.roc(grid), ordered.precision_recall(grid)), strict=True):
            if y is not None:
                curves.append(y)
    nan, n = np.full(points, np.nan), np.full(points, true.size, dtype=np.int64)
    roc, precision_recall = (
        Curve(grid, mean_defined(np.stack(curves), axis=0), nan, nan.copy(), n) if curves else EMPTY for curves in found
    )
    return roc, precision_recall
