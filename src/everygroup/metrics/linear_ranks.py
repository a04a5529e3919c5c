"""Areas under curves of many classes in large samples, under many weights at once: by their first-order expansion.

An exact replicate costs a pass over the rows of every class. To first order in the weights, an AUC is the weighted mean
of the placements of its positives plus that of its negatives less the AUC, and average precision its derivative times
the weights; both are products of matrices. The terms left out fall with 1/n, the spread with 1/sqrt(n).

References
----------
Placements: DeLong, DeLong and Clarke-Pearson, Biometrics 1988; expansion (infinitesimal jackknife): Efron 1982, ch. 6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from everygroup.metrics.families import Array, Index, RankFamily, Sums, Weights
from everygroup.metrics.rates import mean_defined, ratio_of
from everygroup.metrics.scores import Ranks

AREAS = ("auc", "auprc")
FEW = 20
"""With fewer rows a class the expansion is not used."""


class Curve(NamedTuple):
    """One class against the rest: its areas and, of every row, the placement and the derivative of precision."""

    auc: float
    precision: float
    placement: Array
    derivative: Array


def curve_of(score: Array, positive: NDArray[np.bool_], *, terms: bool = True) -> Curve:
    """Rank (n,) scores of one class; without `terms` only the areas.

    Of a positive the placement is the share of the negatives below it, of a negative that of the positives above it,
    ties half. The derivative is that of average precision by the weight of the row.
    """
    levels, at = np.unique(score[positive], return_inverse=True)
    n_positive, n_negative, m = int(positive.sum()), int((~positive).sum()), levels.size
    none = np.full(score.size if terms else 0, np.nan)
    if not m:
        return Curve(np.nan, np.nan, none, none)
    left = np.searchsorted(levels, score, side="left")
    tied = levels[np.minimum(left, m - 1)] == score
    hits = np.bincount(at.reshape(-1), minlength=m).astype(np.float64)
    equal = np.bincount(left[~positive & tied], minlength=m).astype(np.float64)
    apart = np.bincount(left[~positive & ~tied], minlength=m + 1)[:m]
    below = np.cumsum(apart) + np.cumsum(equal) - equal
    before = np.concatenate([[0.0], np.cumsum(hits)])  # positives in the levels below each
    right, wrong = n_positive - before[:-1], n_negative - below  # rows that score at least the level
    placed, share = ratio_of(below + equal / 2.0, n_negative), right / (right + wrong)
    auc, precision = float(hits @ placed) / n_positive, float(hits @ share) / n_positive
    if not terms:
        return Curve(auc, precision, none, none)
    steps = hits / (right + wrong) ** 2 / n_positive
    gain, loss = (np.concatenate([[0.0], np.cumsum(steps * v)]) for v in (wrong, right))
    above = 1.0 - (before[left] + np.where(tied, hits[np.minimum(left, m - 1)] / 2.0, 0.0)) / n_positive
    derivative = -loss[left + tied]
    placement, own = above, left[positive]
    placement[positive] = placed[own]
    derivative[positive] = (share[own] - precision) / n_positive + gain[own + 1]
    return Curve(auc, precision, placement, derivative)


class LinearRanks(RankFamily):
    """AUC and average precision of `Ranks` by their expansion; values of the sample itself, and the rest, exactly."""

    def __init__(self, exact: Ranks) -> None:
        self.exact, self.metrics = exact, exact.metrics

    def only(self, metrics: Iterable[str]) -> LinearRanks:
        """Some of the metrics."""
        return LinearRanks(self.exact.only(metrics))

    def null(self, metric: str) -> str:
        """That of the exact family."""
        return self.exact.null(metric)

    def bind(self, rows: Index, unit: Index, n_units: int) -> Callable[[Weights], Sums]:
        """Expand about some rows, when weights other than 1 are first asked for."""
        return _Expansion(self.exact, rows, unit, n_units).evaluate


class _Expansion:
    """Areas of some rows, about weights of 1."""

    def __init__(self, exact: Ranks, rows: Index, unit: Index, n_units: int) -> None:
        self.exact, self.rows, self.unit, self.n_units = exact, rows, unit, n_units
        n_classes = len(exact.classes)
        areas = [m for m in exact.metrics if m.partition("[")[0] in AREAS]
        self.rest = [m for m in exact.metrics if m not in areas]
        self.averaged = [m for m in areas if m in AREAS]
        self.of_class = {
            m: (m.partition("[")[0], exact.classes.index(m[:-1].partition("[")[2])) for m in areas if m not in AREAS
        }
        every: Sequence[int] = [1] if n_classes == 2 else range(n_classes)
        self.classes = sorted({*(every if self.averaged else ()), *(k for _, k in self.of_class.values())})
        self.macro = [i for i, k in enumerate(self.classes) if k in every]
        self._bound: dict[str, Callable[[Weights], Sums]] = {}
        self._terms: tuple[Any, ...] | None = None

    def _curves(self, *, terms: bool) -> Iterable[tuple[NDArray[np.bool_], Curve]]:
        true = self.exact.y_true[self.rows]
        for k in self.classes:
            positive = true == k
            yield positive, curve_of(self.exact.y_score[self.rows, k], positive, terms=terms)

    def _exactly(self, metrics: Sequence[str]) -> Callable[[Weights], Sums]:
        key = " ".join(metrics)
        if key not in self._bound:
            self._bound[key] = self.exact.only(metrics).bind(self.rows, self.unit, self.n_units)
        return self._bound[key]

    def evaluate(self, weights: Weights) -> Sums:
        """Every metric (r,) under weights (units, r)."""
        out = self._exactly(self.rest)(weights) if self.rest else {}
        if not self.classes:
            return out
        if weights.shape[1] == 1 and (weights == 1).all():
            found = [(c.auc, c.precision) for _, c in self._curves(terms=False)]
            auc, precision = np.array(found).reshape(-1, 2).T[..., None]
        elif self.rows.size < FEW * len(self.exact.classes) or self._rows(weights).min() < FEW * len(self.classes):
            return self._exactly(self.exact.metrics)(weights)
        else:
            auc, precision = self._expanded(weights)
        each = {"auc": auc, "auprc": precision}
        out |= {m: mean_defined(each[m][self.macro], axis=0) for m in self.averaged}
        out |= {name: each[m][self.classes.index(k)] for name, (m, k) in self.of_class.items()}
        return {m: out[m] for m in self.exact.metrics}

    def _rows(self, weights: Weights) -> Array:
        """Rows (r,) that the weights make."""
        return np.bincount(self.unit, minlength=self.n_units).astype(np.float64) @ weights

    def _expanded(self, weights: Weights) -> tuple[Array, Array]:
        """AUC and average precision (classes, r) of every class."""
        if self._terms is None:
            self._terms = self._expand()
        (auc, precision), up, hit, down, slope = self._terms
        n, positive = self._rows(weights), np.asarray(hit.T @ weights, dtype=np.float64)
        wins, losses = np.asarray(up.T @ weights), down.T @ weights
        area = ratio_of(wins, positive) + ratio_of(losses, n - positive) - auc[:, None]
        return area, precision[:, None] + (slope.T @ weights) * ratio_of(self.rows.size, n)

    def _expand(self) -> tuple[Any, ...]:
        """Areas (2, classes); by unit and class: placements of positives, their number, those of negatives, slopes."""
        shape = (self.n_units, len(self.classes))
        down, slope = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        areas, up = [], []
        for i, (positive, curve) in enumerate(self._curves(terms=True)):
            areas.append((curve.auc, curve.precision))
            own = np.flatnonzero(positive)
            up.append((self.unit[own], np.full(own.size, i), curve.placement[own]))
            rest = np.where(positive, 0.0, curve.placement)
            down[:, i] = np.bincount(self.unit, weights=rest, minlength=self.n_units)
            slope[:, i] = np.bincount(self.unit, weights=curve.derivative, minlength=self.n_units)
        at, column, value = (np.concatenate(parts) for parts in zip(*up, strict=True))
        placed, counted = (
            sparse.csr_matrix((v.astype(np.float32), (at, column)), shape) for v in (value, np.ones(at.size))
        )
        return np.array(areas).T, placed, counted, down, slope
