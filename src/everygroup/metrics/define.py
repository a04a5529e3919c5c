"""A metric written once: from one function come the public function, the record, and what an audit resamples.

- `of_counts`: of predicted labels, from a function of one-vs-rest counts;
- `of_rows`: of scores, from the loss of every row;
- `of_scores`: of scores, from a family of metrics (of ranks, say); `of_sample`: from a function of all rows of a group;
- `of_values`: of anything else that is given for every sample, from a family of metrics.

The first two kinds work in audits, gates and lists wherever they are made, as do those of
`everygroup.metrics.arrays.of_arrays`: any function of arrays, evaluated anew on every resample.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from functools import update_wrapper
from typing import Any, Unpack, cast

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from everygroup.metrics._grouped import Undefined, class_position, measure_family, measure_rows, probability_codes
from everygroup.metrics._inputs import class_codes, class_list, group_codes, score_codes
from everygroup.metrics.confusion import OneVsRest, confusion_counts, one_vs_rest
from everygroup.metrics.families import Array, Family, Index, SumFamily, Sums
from everygroup.metrics.info import Requires, Told, record
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import ratio_of, undefined_rates

Value = Array | tuple[Array, Array]
"""A metric, or the successes and trials of one that is a proportion."""
Losses = Callable[..., Any]
"""From class indices (n,) and scores (n, K) to what every row adds: (n,), (n, J), or a sparse matrix."""
Made = Family | tuple[Family, Undefined]
"""The family of a metric, and what to count as undefined in it, where that is not the undefined values."""


class Metric:
    """A metric that is its own public function, ``metric(y_true, answers, *, sensitive_features=...) -> Measured``.

    Name, docstring and options are those of the function that defines it.

    Attributes
    ----------
    info : its record.
    """

    requires: Requires = "values"
    usual: tuple[str, ...] = ("sensitive_features",)
    """Options of every metric of this kind."""
    skipped = 2
    """How many parameters of the definition are what it measures."""

    def __init__(self, definition: Callable[..., Any], title: str, name: str, told: Told) -> None:
        self.definition = definition
        self.info = record(name or definition.__name__, title, cast(Any, self), requires=self.requires, **told)
        update_wrapper(cast(Any, self), definition)
        kind = inspect.Parameter
        given = list(inspect.signature(definition).parameters.values())
        own = given[self.skipped :]
        words = [g.name for g in given[:2]] if self.requires == "values" else ["y_true", self.requires]
        first = [kind(word, kind.POSITIONAL_OR_KEYWORD) for word in words]
        usual = [kind(word, kind.KEYWORD_ONLY, default=None) for word in self.usual]
        self.__signature__ = inspect.Signature([*first, *usual, *(p.replace(kind=kind.KEYWORD_ONLY) for p in own)])


class CountMetric(Metric):
    """A metric of predicted labels, from one-vs-rest counts (..., K).

    Attributes
    ----------
    binary : whether it is about the second of two classes (and the mean over the classes of more).
    averages : the rate of one class that it is a mean of, whose undefined values are counted.
    lenient : its options under the convention of the code behind the SPARE tables.
    """

    requires = "y_pred"
    usual = ("sensitive_features", "classes")
    skipped = 1
    binary = False
    averages: str | None = None

    @property
    def lenient(self) -> dict[str, Any]:
        """Options that every average over classes has."""
        return {"zero_division": 0.0, "absent": "count"} if "absent" in self.__signature__.parameters else {}

    def of(self, counts: OneVsRest, **options: Any) -> Array:
        """The metric (...) of counts (..., K)."""
        found = self.definition(counts, **options)
        return ratio_of(*found) if isinstance(found, tuple) else np.asarray(found)

    def trials(self, counts: OneVsRest) -> tuple[Array, Array] | None:
        """Successes and trials (...) of counts (..., K); None where it is no proportion."""
        found = self.definition(counts)
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


class ScoreMetric(Metric):
    """A metric of scores, of all classes, or of the one class `positive` against the rest."""

    requires = "y_score"
    usual = ("sensitive_features", "classes", "positive")
    probabilities = True

    def __call__(
        self,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        sensitive_features: ArrayLike | None = None,
        classes: Sequence[Hashable] | None = None,
        positive: Hashable | None = None,
        **options: Any,
    ) -> Measured:
        index, score = (probability_codes if self.probabilities else score_codes)(y_true, y_score, classes)
        if positive is not None:
            at = class_position(positive, y_true, classes, score.shape[1])
            index, score = (index == at).astype(np.int64), np.stack([1.0 - score[:, at], score[:, at]], axis=1)
        return self.measure(index, score, sensitive_features, **options)

    @abstractmethod
    def measure(self, index: Index, score: Array, sensitive_features: ArrayLike | None, **options: Any) -> Measured:
        """Measure class indices (n,) and scores (n, K)."""


class RowMetric(ScoreMetric):
    """A metric of scores, from sums over rows: the mean of a loss, or `value` of the sums (..., J) and n (...)."""

    value: Callable[[Array, Array], Array] | None = None

    def of(self, sums: Array, n: Array) -> Array:
        """The metric (...) of sums (..., J) over n (...) rows."""
        return ratio_of(sums[..., 0], n) if self.value is None else self.value(sums, n)

    def measure(self, index: Index, score: Array, sensitive_features: ArrayLike | None, **options: Any) -> Measured:
        """Measure it as a family of its own."""
        family = RowFamily(index, score, [self], **options)
        return measure_family(family, self.info.name, index.size, sensitive_features)


class FamilyOfScores(ScoreMetric):
    """A metric of scores, from a family."""

    def measure(self, index: Index, score: Array, sensitive_features: ArrayLike | None, **options: Any) -> Measured:
        """Measure it as the family says."""
        return _of_made(self.definition(index, score, **options), self.info.name, index.size, sensitive_features)


class SampleMetric(ScoreMetric):
    """A metric of scores, from a function of all rows of a group."""

    def measure(self, index: Index, score: Array, sensitive_features: ArrayLike | None, **options: Any) -> Measured:
        """Measure it over all rows and over those of every group."""
        return measure_rows(
            lambda rows: float(self.definition(index[rows], score[rows], **options)), index.size, sensitive_features
        )


class ValueMetric(Metric):
    """A metric of whatever is given for every sample, from a family."""

    def __call__(
        self, y_true: Any, y_pred: Any, *, sensitive_features: ArrayLike | None = None, **options: Any
    ) -> Measured:
        return _of_made(self.definition(y_true, y_pred, **options), self.info.name, len(y_true), sensitive_features)


def _of_made(made: Made, name: str, n: int, sensitive_features: ArrayLike | None) -> Measured:
    family, undefined = made if isinstance(made, tuple) else (made, None)
    return measure_family(family, name, n, sensitive_features, undefined=undefined)


class RowFamily(SumFamily):
    """Metrics of scores together: a row adds 1 and what every metric defines.

    Parameters
    ----------
    y_true : (n,) class index; y_score : (n, K) probabilities; options : of all the metrics.
    """

    def __init__(self, y_true: Index, y_score: Array, metrics: Sequence[RowMetric], **options: Any) -> None:
        self._of = {metric.info.name: metric for metric in metrics}
        self.metrics = tuple(self._of)
        parts = [sparse.csr_matrix(np.ones((y_true.size, 1)))]
        self._columns, start = {}, 1
        for name, metric in self._of.items():
            losses = metric.definition(y_true, y_score, **options)
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
    title: str, *, name: str = "", binary: bool = False, averages: str | None = None, **told: Unpack[Told]
) -> Callable[[Callable[..., Value]], CountMetric]:
    """Make a metric of predicted labels from a function of `OneVsRest` counts (..., K) to values (...).

    A function that returns a pair, successes and trials, defines a proportion: it gets Wilson's interval. Undefined
    values are NaN (`ratio_of`).

    Parameters
    ----------
    title : for tables and figures.
    name : that of the function by default.
    told : what else its record holds, see `everygroup.metrics.info.record`.

    >>> @of_counts("Error rate", best="low")
    ... def error_rate(counts):
    ...     return counts.n[..., 0] - counts.tp.sum(axis=-1), counts.n[..., 0]
    >>> error_rate([0, 0, 1, 1], [0, 0, 1, 0], sensitive_features=["a", "a", "b", "b"]).per_group
    {'a': 0.0, 'b': 0.5}
    """

    def make(definition: Callable[..., Value]) -> CountMetric:
        metric = CountMetric(definition, title, name, told)
        metric.binary, metric.averages = binary, averages
        return metric

    return make


def of_rows(
    title: str, *, name: str = "", value: Callable[[Array, Array], Array] | None = None, **told: Unpack[Told]
) -> Callable[[Losses], RowMetric]:
    """Make a metric of scores from the loss of every row, whose mean it is; lower is better unless told otherwise.

    The function takes class indices (n,) and probabilities (n, K) and returns (n,). With `value`, a function of sums
    (..., J) and n (...), it may return (n, J) features. Other parameters as of `of_counts`.

    >>> @of_rows("Mean score of the truth", best="high", high=1.0)
    ... def mean_truth(y_true, y_score):
    ...     return y_score[np.arange(y_true.size), y_true]
    >>> mean_truth([0, 1], [0.25, 0.5]).value
    0.625
    """

    def make(definition: Losses) -> RowMetric:
        usual: Told = {"best": "low", "high": float("inf")}
        metric = RowMetric(definition, title, name, {**usual, **told})
        metric.value = value
        return metric

    return make


def of_scores(
    title: str, *, name: str = "", probabilities: bool = True, **told: Unpack[Told]
) -> Callable[[Callable[..., Made]], FamilyOfScores]:
    """Make a metric of scores from a function of class indices (n,) and scores (n, K) to a family that holds it."""

    def make(definition: Callable[..., Made]) -> FamilyOfScores:
        metric = FamilyOfScores(definition, title, name, told)
        metric.probabilities = probabilities
        return metric

    return make


def of_sample(title: str, *, name: str = "", **told: Unpack[Told]) -> Callable[[Callable[..., float]], SampleMetric]:
    """Make a metric of scores from a function of the class indices (m,) and scores (m, K) of a group to a number."""
    return lambda definition: SampleMetric(definition, title, name, told)


def of_values(title: str, *, name: str = "", **told: Unpack[Told]) -> Callable[[Callable[..., Made]], ValueMetric]:
    """Make a metric from a function of what is given for n samples, true and predicted, to a family that holds it."""
    return lambda definition: ValueMetric(definition, title, name, told)


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
    missed = 0
    if undefined_of is not None:
        missed = int(undefined_rates(by_group if groups else overall[None], undefined_of).sum())
    n, sizes = int(overall.n[0]), by_group.n[..., 0]
    return Measured.of(metric(overall), groups, metric(by_group), sizes, n=n, n_missing=n_missing, n_undefined=missed)
