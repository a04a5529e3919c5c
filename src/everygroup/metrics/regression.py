"""Regression (age, bone age, ejection fraction): errors of every group and differences of the predictions' spread.

Every metric takes ``(y_true, y_pred, *, sensitive_features=None)``, (n,) finite numbers each, and refuses others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import PredictionsError
from everygroup.metrics._grouped import numbers
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.define import Made, of_values
from everygroup.metrics.distances import EXACT_LEVELS, Distances
from everygroup.metrics.families import Array, Index, RankFamily, SumFamily, Sums, Weights
from everygroup.metrics.info import INF, MetricInfo
from everygroup.metrics.rates import ratio_of


def outcomes(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Check outcomes and predictions: (n,) finite numbers each.

    Raises
    ------
    PredictionsError
        For anything else; names the position.
    """
    true = numbers("y_true", y_true)
    return true, numbers("y_pred", y_pred, length=true.size)


class Errors(SumFamily):
    """MAE, RMSE, bias and R^2, from the sums of 1, e, abs(e), e^2, t and t^2 over rows, with e = y_pred - y_true.

    t is y_true less its mean over all rows: that keeps t^2 accurate where outcomes are far from 0, and R^2 unchanged.
    """

    metrics = ("mae", "rmse", "bias", "r2")

    def __init__(self, y_true: Array, y_pred: Array) -> None:
        error, t = y_pred - y_true, y_true - y_true.mean()
        self.features = np.stack([np.ones_like(error), error, np.abs(error), error**2, t, t**2], axis=1)

    def values(self, sums: Array) -> Sums:
        """Metrics (...) from sums (..., 6)."""
        n, e, absolute, square, t, t2 = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
        spread = t2 - ratio_of(t**2, n)
        # outcomes that are all equal leave a rounding error of the sums, not a spread
        spread = np.where(spread > 1e-12 * np.maximum(t2, 1e-300), spread, 0.0)
        return {
            "mae": ratio_of(absolute, n),
            "rmse": np.asarray(np.sqrt(np.maximum(ratio_of(square, n), 0.0))),
            "bias": ratio_of(e, n),
            "r2": 1.0 - ratio_of(square, spread),
        }


class Spearman(RankFamily):
    """Spearman's correlation: Pearson's correlation of mid-ranks, of rows repeated as their weights say."""

    metrics = ("spearman",)

    def __init__(self, y_true: Array, y_pred: Array) -> None:
        self.y_true, self.y_pred = y_true, y_pred

    def bind(self, rows: Index, unit: Index, n_units: int) -> Callable[[Weights], Sums]:
        """Rank some rows under weights of their units; NaN without spread or rows."""
        pair = self.y_true[rows], self.y_pred[rows]

        def evaluate(weights: Weights) -> Sums:
            w = weights[unit].astype(np.float64)
            # centred by the mean rank of the replicate; rows of weight 0 take no part
            a, b = (_mid_ranks(v, w) - (w.sum(axis=0) + 1.0) / 2.0 for v in pair)
            products = [np.einsum("ij,ij,ij->j", w, x, y) for x, y in ((a, b), (a, a), (b, b))]
            # sums of squared half-integers are exact here, so no spread is exactly 0
            return {"spearman": ratio_of(products[0], np.sqrt(products[1] * products[2]))}

        return evaluate


def _mid_ranks(values: Array, w: Array) -> Array:
    """Mid-ranks (n, r), from 1, of values repeated w (n, r) times."""
    levels, at = np.unique(values, return_inverse=True)
    order = np.argsort(at, kind="stable")
    if not levels.size:
        return np.zeros_like(w)
    tied = w[order]
    if levels.size < values.size:
        tied = np.add.reduceat(tied, np.searchsorted(at[order], np.arange(levels.size)), axis=0)
    return np.asarray((np.cumsum(tied, axis=0) - tied + (tied + 1.0) / 2.0)[at])


class ResidualGap(SumFamily):
    """Gap in the mean error within bins of the outcome, averaged over the bins.

    Parameters
    ----------
    error : (n,) y_pred - y_true; bin_of : (n,) bin of the outcome, of `n_bins`.
    """

    gaps = ("conditional_residual_gap",)

    def __init__(self, error: Array, bin_of: Index, n_bins: int) -> None:
        self.n_bins = n_bins
        self.features = np.zeros((error.size, 2 * n_bins))
        rows = np.arange(error.size)
        self.features[rows, bin_of] = error
        self.features[rows, n_bins + bin_of] = 1.0

    def values(self, sums: Array) -> Sums:
        """No value of a single group."""
        return {}

    def by_bin(self, sums: Array) -> tuple[Array, Array]:
        """Gap (..., B) of every bin from the sums (..., G, 2B) of the groups, NaN without one of them, and its n."""
        n = sums[..., self.n_bins :]
        means = ratio_of(sums[..., : self.n_bins], n)
        gaps = means.max(axis=-2) - means.min(axis=-2) if sums.shape[-2] > 1 else np.full(n[..., 0, :].shape, np.nan)
        return gaps, n.sum(axis=-2)

    def gap_values(self, sums: Array) -> Sums:
        """The gap (...); bins without one of the groups are left out."""
        gaps, n = self.by_bin(sums)
        weight = np.where(np.isnan(gaps), 0.0, n)
        return {self.gaps[0]: ratio_of((np.nan_to_num(gaps) * weight).sum(axis=-1), weight.sum(axis=-1))}


def prediction_distances(y_pred: Array, *, levels: int | None = EXACT_LEVELS) -> Distances:
    """How far apart the predictions of two groups lie."""
    return Distances(y_pred, ks="prediction_ks", wasserstein="prediction_wasserstein", levels=levels)


@of_values("Mean absolute error", best="low", high=INF)
def mae(y_true: ArrayLike, y_pred: ArrayLike) -> Made:
    """Mean absolute error: mean of abs(y_pred - y_true); range [0, inf), best 0, in the unit of the outcome.

    The gap in MAE is the disparity of bounded group loss (Agarwal, Dudik and Wu, ICML 2019).

    >>> measured = mae([40, 50, 60, 70], [42, 50, 65, 71], sensitive_features=["a", "a", "b", "b"])
    >>> measured.value, measured.per_group["a"], measured.per_group["b"], measured.gap
    (2.0, 1.0, 3.0, 2.0)
    """
    return Errors(*outcomes(y_true, y_pred))


@of_values("Root mean squared error", best="low", high=INF)
def rmse(y_true: ArrayLike, y_pred: ArrayLike) -> Made:
    """Root mean squared error: sqrt(mean((y_pred - y_true)^2)); range [0, inf), best 0.

    >>> rmse([0, 0], [3, 4]).value
    3.5355339059327378
    """
    return Errors(*outcomes(y_true, y_pred))


@of_values("Bias (mean error)", best="none", low=-INF, high=INF, optimum=0.0)
def bias(y_true: ArrayLike, y_pred: ArrayLike) -> Made:
    """Mean error: mean(y_pred - y_true); any number, best 0, positive where predictions are too high.

    >>> bias([40, 50, 60, 70], [42, 50, 65, 71], sensitive_features=["a", "a", "b", "b"]).per_group
    {'a': 1.0, 'b': 3.0}
    """
    return Errors(*outcomes(y_true, y_pred))


@of_values("R^2", low=-INF)
def r2(y_true: ArrayLike, y_pred: ArrayLike) -> Made:
    """Coefficient of determination: 1 - sum(e^2) / sum((y_true - mean)^2), the mean being the group's own.

    Range (-inf, 1], best 1; NaN where all outcomes are equal. A group with a narrow range of outcomes has a low R^2
    at the same error, so read it beside MAE.

    >>> r2([1, 2, 3], [1, 2, 4]).value
    0.5
    """
    return Errors(*outcomes(y_true, y_pred))


@of_values("Spearman correlation", low=-1.0, source="Spearman 1904")
def spearman(y_true: ArrayLike, y_pred: ArrayLike) -> Made:
    """Spearman's rank correlation: Pearson correlation of mid-ranks; range [-1, 1], best 1 (Spearman 1904).

    NaN where outcomes or predictions are all equal.

    >>> round(spearman([1, 2, 3, 4], [10, 30, 20, 40]).value, 12)
    0.8
    """
    return Spearman(*outcomes(y_true, y_pred))


@of_values("Distance of predictions (Kolmogorov-Smirnov)", kind="gap", source="Agarwal, Dudik and Wu, ICML 2019")
def prediction_ks(y_true: ArrayLike, y_pred: ArrayLike) -> Made:
    """Statistical parity of regression: largest Kolmogorov-Smirnov distance between two groups' predictions.

    max over pairs g, h and over t of abs(F_g(t) - F_h(t)); range [0, 1], equal 0. Groups whose true outcomes differ
    should differ here, too; the distance of the outcomes themselves is ``prediction_ks(y_true, y_true, ...)``.
    `per_group` is the distance of a group to all others together. Agarwal, Dudik and Wu, Fair regression, ICML 2019.

    >>> prediction_ks([1, 2, 3, 4], [1, 2, 2, 4], sensitive_features=["a", "a", "b", "b"]).value
    0.5
    """
    return prediction_distances(outcomes(y_true, y_pred)[1], levels=None)


@of_values("Distance of predictions (Wasserstein-1)", kind="gap", high=INF, source="Chzhen et al., NeurIPS 2020")
def prediction_wasserstein(y_true: ArrayLike, y_pred: ArrayLike) -> Made:
    """Largest Wasserstein-1 distance between two groups' predictions, in the unit of the outcome; equal 0.

    max over pairs of the area between the distribution functions (Chzhen et al., Fair regression with Wasserstein
    barycenters, NeurIPS 2020). `per_group` as in `prediction_ks`.

    >>> prediction_wasserstein([1, 2, 3, 4], [1, 2, 3, 4], sensitive_features=["a", "a", "b", "b"]).value
    2.0
    """
    return prediction_distances(outcomes(y_true, y_pred)[1], levels=None)


def outcome_bins(y_true: FloatArray, bins: int | Sequence[float]) -> tuple[IntArray, list[str]]:
    """Bin (n,) of every outcome, and the names of the bins ('<=40', '(40,60]', '>60').

    `bins` is a number of equally full bins, or the inner edges. Bins that would be empty by ties are dropped.

    Raises
    ------
    PredictionsError
        For fewer than one bin, or edges that do not rise.
    """
    if isinstance(bins, (int, np.integer)):
        if bins < 1:
            raise PredictionsError(f"{bins} bins of the outcome.", fix="give at least 1, or the inner edges")
        edges = np.unique(np.quantile(y_true, np.arange(1, bins) / bins))
        edges = edges[edges < y_true.max()]
    else:
        edges = numbers("bins", bins)
        if (np.diff(edges) <= 0).any():
            raise PredictionsError(f"The edges {edges.tolist()} of the bins do not rise.", fix="sort them")
    texts = [f"{e:g}" for e in edges]
    names = [f"<={texts[0]}"] if texts else ["all"]
    names += [f"({a},{b}]" for a, b in pairwise(texts)]
    names += [f">{texts[-1]}"] if texts else []
    return np.searchsorted(edges, y_true, side="left").astype(np.int64), names


@of_values(
    "Gap in mean error at the same outcome",
    kind="gap",
    high=INF,
    null="label",
    source="regression form of equalized odds, by bins",
)
def conditional_residual_gap(y_true: ArrayLike, y_pred: ArrayLike, bins: int | Sequence[float] = 4) -> Made:
    """Gap in the mean error between groups of the same true outcome, averaged over `outcome_bins`.

    Within every bin the largest minus the smallest group mean of y_pred - y_true, then the mean over bins weighted by
    their n; range [0, inf), equal 0. Unlike the gap in bias it does not vanish where a group is overestimated at low
    and underestimated at high outcomes. Bins in which a group has no sample are left out and counted in
    `n_undefined`; NaN when none is left. `per_group` is the gap of a group to all others together.

    >>> conditional_residual_gap([1, 2, 8, 9], [2, 2, 8, 6], sensitive_features=["a", "b", "a", "b"], bins=[5]).value
    2.0
    """
    true, pred = outcomes(y_true, y_pred)
    bin_of, names = outcome_bins(true, bins)
    family = ResidualGap(pred - true, bin_of, len(names))
    return family, lambda sums: int(np.isnan(family.by_bin(sums)[0]).sum())


METRICS: tuple[MetricInfo, ...] = tuple(
    m.info for m in (mae, rmse, bias, r2, spearman, prediction_ks, prediction_wasserstein, conditional_residual_gap)
)
"""Records of the metrics above."""
