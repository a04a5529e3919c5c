"""A metric written once: from one function come the public function, the record, and what an audit resamples.

`of_counts` makes a metric of predicted labels from a function of one-vs-rest counts, `of_rows` one of scores from the
loss of every row; `everygroup.metrics.arrays.of_arrays` makes one from any function of arrays, evaluated anew on every
resample. Such a metric works in audits, gates and lists as those of this package do.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from functools import update_wrapper
from typing import Any, Literal, Self, cast

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from everygroup.metrics._grouped import measure_family, probability_codes
from everygroup.metrics._inputs import class_codes, class_list, group_codes
from everygroup.metrics.confusion import OneVsRest, confusion_counts, one_vs_rest
from everygroup.metrics.families import Array, Index, SumFamily, Sums
from everygroup.metrics.info import Direction, MetricInfo, Null, direction
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import ratio_of, undefined_rates

Value = Array | tuple[Array, Array]
"""A metric, or the successes and trials of one that is a proportion."""
Losses = Callable[[Index, Array], Any]
"""From class indices (n,) and scores (n, K) to what every row adds: (n,), (n, J), or a sparse matrix."""


class Metric:
    """A metric that is its own public function, ``metric(y_true, answers, *, sensitive_features=...) -> Measured``.

    Attributes
    ----------
    info : its record.
    """

    info: MetricInfo

    def recorded(
        self,
        name: str,
        title: str,
        best: Direction,
        low: float,
        high: float,
        requires: Literal["y_pred", "y_score"],
        null: Null,
        source: str,
    ) -> Self:
        """The metric with its record; its name is that of the function which defines it by default."""
        self.info = MetricInfo(
            name or str(getattr(self, "__name__", "")),
            title,
            "performance",
            low,
            high,
            *direction(best, low, high),
            requires,
            null,
            source,
            cast(Any, self),
        )
        return self

    def _document(self, definition: Callable[..., Any], answers: str, skipped: int) -> None:
        """Take name, docstring and options over from the function that defines the metric."""
        update_wrapper(cast(Any, self), definition)
        kind = inspect.Parameter
        own = list(inspect.signature(definition).parameters.values())[skipped:]
        first = [kind(name, kind.POSITIONAL_OR_KEYWORD) for name in ("y_true", answers)]
        usual = [kind(name, kind.KEYWORD_ONLY, default=None) for name in ("sensitive_features", "classes")]
        self.__signature__ = inspect.Signature([*first, *usual, *(p.replace(kind=kind.KEYWORD_ONLY) for p in own)])


class CountMetric(Metric):
    """A metric of predicted labels, from one-vs-rest counts (..., K).

    Attributes
    ----------
    binary : whether it is about the second of two classes (and the mean over the classes of more).
    averages : the rate of one class that it is a mean of, whose undefined values are counted.
    lenient : its options under the convention of the code behind the SPARE tables.
    """

    def __init__(self, definition: Callable[..., Value], *, binary: bool, averages: str | None) -> None:
        self._definition, self.binary, self.averages = definition, binary, averages
        self._document(definition, "y_pred", 1)
        options = inspect.signature(definition).parameters
        self.lenient = {"zero_division": 0.0, "absent": "count"} if "absent" in options else {}

    def of(self, counts: OneVsRest, **options: Any) -> Array:
        """The metric (...) of counts (..., K)."""
        found = self._definition(counts, **options)
        return ratio_of(*found) if isinstance(found, tuple) else np.asarray(found)

    def trials(self, counts: OneVsRest) -> tuple[Array, Array] | None:
        """Successes and trials (...) of counts (..., K); None where it is no proportion."""
        found = self._definition(counts)
        return found if isinstance(found, tuple) else None

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: ArrayLike | None = None,
        classes: Sequence[Hashable] | None = None,
        **options: Any,
    ) -> Measured:
        names = class_list(y_true, y_pred, classes) if self.binary else classes
        return measure_counts(
            lambda counts: self.of(counts, **options),
            y_true,
            y_pred,
            sensitive_features=sensitive_features,
            classes=names,
            undefined_of=self.averages,
        )


class RowMetric(Metric):
    """A metric of scores, from sums over rows: the mean of a loss, or `value` of the sums (..., J) and n (...)."""

    def __init__(self, definition: Losses, value: Callable[[Array, Array], Array] | None) -> None:
        self.losses, self._value = definition, value
        self._document(definition, "y_score", 2)

    def of(self, sums: Array, n: Array) -> Array:
        """The metric (...) of sums (..., J) over n (...) rows."""
        return ratio_of(sums[..., 0], n) if self._value is None else self._value(sums, n)

    def __call__(
        self,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        sensitive_features: ArrayLike | None = None,
        classes: Sequence[Hashable] | None = None,
    ) -> Measured:
        index, score = probability_codes(y_true, y_score, classes)
        family = RowFamily(index, score, [self])
        return measure_family(family, self.info.name, index.size, sensitive_features)


class RowFamily(SumFamily):
    """Metrics of scores together: a row adds 1 and what every metric defines.

    Parameters
    ----------
    y_true : (n,) class index; y_score : (n, K) probabilities.
    """

    def __init__(self, y_true: Index, y_score: Array, metrics: Sequence[RowMetric]) -> None:
        self._of = {metric.info.name: metric for metric in metrics}
        self.metrics = tuple(self._of)
        parts = [sparse.csr_matrix(np.ones((y_true.size, 1)))]
        self._columns, start = {}, 1
        for name, metric in self._of.items():
            losses = metric.losses(y_true, y_score)
            if not sparse.issparse(losses):
                losses = np.asarray(losses, dtype=np.float64)
                losses = losses[:, None] if losses.ndim == 1 else losses
            parts.append(sparse.csr_matrix(losses))
            self._columns[name] = slice(start, start + losses.shape[1])
            start += losses.shape[1]
        self.features = sparse.csr_matrix(sparse.hstack(parts, format="csr"))

    def values(self, sums: Array) -> Sums:
        """Metrics (...) from sums (..., 1 + J)."""
        return {name: metric.of(sums[..., self._columns[name]], sums[..., 0]) for name, metric in self._of.items()}


def of_counts(
    title: str,
    *,
    name: str = "",
    null: Null = "none",
    best: Direction = "high",
    low: float = 0.0,
    high: float = 1.0,
    source: str = "standard",
    binary: bool = False,
    averages: str | None = None,
) -> Callable[[Callable[..., Value]], CountMetric]:
    """Make a metric of predicted labels from a function of `OneVsRest` counts (..., K) to values (...).

    A function that returns a pair, successes and trials, defines a proportion: it gets Wilson's interval. Undefined
    values are NaN (`ratio_of`).

    Parameters
    ----------
    title : for tables and figures.
    name : that of the function by default.
    null : what shuffled groups keep fixed, see `MetricInfo`.
    best : 'high' or 'low', or 'none' where neither more nor less is better.
    low, high : its range.

    Examples
    --------
    >>> @of_counts("Error rate", best="low")
    ... def error_rate(counts):
    ...     return counts.n[..., 0] - counts.tp.sum(axis=-1), counts.n[..., 0]
    >>> error_rate([0, 0, 1, 1], [0, 0, 1, 0], sensitive_features=["a", "a", "b", "b"]).per_group
    {'a': 0.0, 'b': 0.5}
    """

    def make(definition: Callable[..., Value]) -> CountMetric:
        metric = CountMetric(definition, binary=binary, averages=averages)
        return metric.recorded(name, title, best, low, high, "y_pred", null, source)

    return make


def of_rows(
    title: str,
    *,
    name: str = "",
    best: Direction = "low",
    low: float = 0.0,
    high: float = float("inf"),
    source: str = "standard",
    value: Callable[[Array, Array], Array] | None = None,
) -> Callable[[Losses], RowMetric]:
    """Make a metric of scores from the loss of every row, whose mean it is.

    The function takes class indices (n,) and probabilities (n, K) and returns (n,). With `value`, a function of sums
    (..., J) and n (...), it may return (n, J) features. Other parameters as of `of_counts`.

    Examples
    --------
    >>> @of_rows("Mean score of the truth", best="high", high=1.0)
    ... def mean_truth(y_true, y_score):
    ...     return y_score[np.arange(y_true.size), y_true]
    >>> mean_truth([0, 1], [0.25, 0.5]).value
    0.625
    """

    def make(definition: Losses) -> RowMetric:
        metric = RowMetric(definition, value)
        return metric.recorded(name, title, best, low, high, "y_score", "none", source)

    return make


def grouped_counts(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    sensitive_features: ArrayLike | None,
    classes: Sequence[Hashable] | None = None,
) -> tuple[OneVsRest, OneVsRest, list[Hashable], int]:
    """One-vs-rest counts overall (K,) and by group (G, K), the group names, and how many samples have no group."""
    true, pred, names = class_codes(y_true, y_pred, classes)
    overall = one_vs_rest(confusion_counts(true, pred, n_classes=len(names)))
    if sensitive_features is None:
        return overall, overall[None][:0], [], 0
    group, groups = group_codes(sensitive_features)
    counts = confusion_counts(true, pred, n_classes=len(names), group=group, n_groups=len(groups))
    return overall, one_vs_rest(counts), groups, int((group < 0).sum())


def measure_counts(
    metric: Callable[[OneVsRest], Array],
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
    undefined_of: str | None = None,
) -> Measured:
    """Evaluate any function of one-vs-rest counts overall and for every group."""
    overall, by_group, groups, n_missing = grouped_counts(y_true, y_pred, sensitive_features, classes)
    values, sizes = metric(by_group), by_group.n[..., 0]
    n_undefined = 0
    if undefined_of is not None:
        shown = by_group if groups else overall[None]
        n_undefined = int(undefined_rates(shown, undefined_of).sum())
    return Measured(
        value=float(metric(overall)),
        per_group=dict(zip(groups, values.tolist(), strict=True)),
        n_per_group=dict(zip(groups, sizes.astype(int).tolist(), strict=True)),
        n=int(overall.n[0]),
        n_missing=n_missing,
        n_undefined=n_undefined,
    )
