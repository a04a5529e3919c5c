"""Areas under curves of many classes in large samples, under many weights at once: by their first-order expansion.

An exact replicate costs a pass over the rows of every class. To first order in the weights, an AUC is the weighted mean
of the placements of its positives plus that of its negatives less the AUC, and average precision its derivative times
the weights; both are products of matrices. The terms left out fall with 1/n, the spread with 1/sqrt(n).

References
----------
Placements: DeLong, DeLong and Clarke-Pearson, Biometrics 1988; expansion (infinitesimal jackknife): Efron 1982, ch. 6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from everygroup.metrics.families import Array, Index, Linear, RankFamily, Sums, Weights
from everygroup.metrics.ordered import Ordered
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


def curve_of(score: Array, positive: NDArray[np.bool_]) -> Curve:
    """Rank (n,) scores of one class.

    Of a positive the placement is the share of the negatives below it, of a negative that of the positives above it,
    ties half. The derivative is that of average precision by the weight of the row.
    """
    levels, at = np.unique(score[positive], return_inverse=True)
    n_positive, n_negative, m = int(positive.sum()), int((~positive).sum()), levels.size
    if not m:
        none = np.full(score.size, np.nan)
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
        inside, at = np.unique(unit, return_inverse=True)
        if inside.size == n_units:
            return _Expansion(self.exact, rows, unit, n_units).evaluate
        # units without a row here, such as those of other groups, need no numbers
        found = _Expansion(self.exact, rows, at.reshape(-1), inside.size)
        return lambda weights: found.evaluate(weights[inside])

    def linear(self, rows: Index, unit: Index, n_units: int) -> Linear | None:
        """Areas as functions of sums, where there are enough rows for the expansion."""
        found = _Expansion(self.exact, rows, unit, n_units)
        if found.rest or rows.size < FEW * len(self.exact.classes):
            return None
        return found.linear()


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
        wanted = {*self.averaged, *(m for m, _ in self.of_class.values())}
        self.areas = [m for m in AREAS if m in wanted]
        self._bound: dict[str, Callable[[Weights], Sums]] = {}

    def _columns(self) -> Iterator[tuple[NDArray[np.bool_], Array]]:
        true = self.exact.y_true[self.rows]
        for k in self.classes:
            yield true == k, self.exact.y_score[self.rows, k]

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
            found = np.array([Ordered.of(score, positive).areas() for positive, score in self._columns()])
            out |= self._named(dict(zip(AREAS, found.T[:, :, None], strict=True)))
        elif self.rows.size < FEW * len(self.exact.classes) or self._rows(weights).min() < FEW * len(self.classes):
            return self._exactly(self.exact.metrics)(weights)
        else:
            out |= self._named(self._expanded(weights))
        return {m: out[m] for m in self.exact.metrics}

    def _named(self, of: dict[str, Array]) -> Sums:
        """Metrics (...) from the areas (classes, ...) of every class."""
        out = {m: mean_defined(of[m][self.macro], axis=0) for m in self.averaged}
        return out | {name: of[m][self.classes.index(k)] for name, (m, k) in self.of_class.items()}

    def _rows(self, weights: Weights) -> Array:
        """Rows (r,) that the weights make."""
        return np.asarray(np.bincount(self.unit, minlength=self.n_units).astype(np.float32) @ weights, np.float64)

    def _expanded(self, weights: Weights) -> dict[str, Array]:
        """Areas (classes, r)."""
        n, out = self._rows(weights), {}
        if "auc" in self.areas:
            positive = np.asarray(self._terms.hit.T @ weights, dtype=np.float64)
            out["auc"] = self._auc(np.asarray(self._terms.up.T @ weights), positive, self._terms.down.T @ weights, n)
        if "auprc" in self.areas:
            out["auprc"] = self._precision(self._terms.slope.T @ weights, n)
        return out

    def _auc(self, wins: NDArray[Any], positive: Array, losses: NDArray[Any], n: Array) -> Array:
        area = self._terms.area["auc"].reshape(-1, *[1] * (positive.ndim - 1))
        return ratio_of(wins, positive) + ratio_of(losses, n - positive) - area

    def _precision(self, slopes: NDArray[Any], n: Array) -> Array:
        area = self._terms.area["auprc"].reshape(-1, *[1] * (slopes.ndim - 1))
        return area + slopes * ratio_of(self.rows.size, n)

    def linear(self) -> Linear:
        """The areas as functions of sums over units: of rows, then of what they add to every class."""
        terms, k = self._terms, len(self.classes)
        parts: list[NDArray[Any]] = [np.bincount(self.unit, minlength=self.n_units)[:, None]]
        if "auc" in self.areas:
            parts += [terms.hit.toarray(), terms.up.toarray(), terms.down]
        if "auprc" in self.areas:
            parts.append(terms.slope)

        def values(sums: Array) -> Sums:
            n, *of = np.split(np.moveaxis(sums, -1, 0), [1, *range(1 + k, sums.shape[-1], k)])
            found = {}
            if "auc" in self.areas:
                hit, up, down = of[:3]
                hit = np.where(hit < 0.5, 0.0, hit)  # no row, but for rounding
                found["auc"] = self._auc(up, hit, down, n)
            if "auprc" in self.areas:
                found["auprc"] = self._precision(of[-1], n)
            return self._named(found)

        return Linear(np.concatenate(parts, axis=1, dtype=np.float64), values)

    @cached_property
    def _terms(self) -> _Terms:
        shape = (self.n_units, len(self.classes))
        area = {m: np.full(shape[1], np.nan) for m in AREAS}
        down, slope = (np.zeros(shape if m in self.areas else (0, 0), dtype=np.float32) for m in AREAS)
        up = []
        for i, (positive, score) in enumerate(self._columns()):
            curve = curve_of(score, positive)
            area["auc"][i], area["auprc"][i] = curve.auc, curve.precision
            if "auc" in self.areas:
                own = np.flatnonzero(positive)
                up.append((self.unit[own], np.full(own.size, i), curve.placement[own]))
                rest = np.where(positive, 0.0, curve.placement)
                down[:, i] = np.bincount(self.unit, weights=rest, minlength=self.n_units)
            if "auprc" in self.areas:
                slope[:, i] = np.bincount(self.unit, weights=curve.derivative, minlength=self.n_units)
        none = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        at, column, value = (np.concatenate(parts) for parts in zip(none, *up, strict=True))
        placed, counted = (
            sparse.csr_matrix((v.astype(np.float32), (at, column)), shape) for v in (value, np.ones(at.size))
        )
        return _Terms(area, placed, counted, down, slope)


class _Terms(NamedTuple):
    """Areas of every class; by unit and class: placements of positives, their number, those of negatives, slopes."""

    area: dict[str, Array]
    up: sparse.csr_matrix
    hit: sparse.csr_matrix
    down: NDArray[np.float32]
    slope: NDArray[np.float32]
