"""Any function of labels and answers as a metric: evaluated anew on the rows of every resample and shuffle.

That takes a call per group and replicate. Where a metric is a function of counts or a mean over rows,
`everygroup.metrics.define` gets the same numbers from sums, at no cost worth naming.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import SettingsError
from everygroup.metrics._grouped import class_names, measure_rows
from everygroup.metrics._inputs import class_codes, class_list, score_codes
from everygroup.metrics.define import Metric
from everygroup.metrics.families import Array, Index, RankFamily, Sums, Weights
from everygroup.metrics.info import Told
from everygroup.metrics.measured import Measured
from everygroup.metrics.registry import list_metrics, metric_info

Answered = Literal["y_pred", "y_score"]
_OWN: Told = {"source": "own"}


class ArrayMetric(Metric):
    """A metric from a function of arrays.

    Attributes
    ----------
    answers : 'y_pred' or 'y_score': what its second argument is called, and gets.
    """

    usual = ("sensitive_features", "classes")

    def __init__(self, definition: Callable[..., Any], title: str, name: str, told: Told, *, answers: Answered) -> None:
        self.requires = self.answers = answers
        self._named = "classes" in inspect.signature(definition).parameters
        self.skipped = 3 if self._named else 2
        super().__init__(definition, title, name, told)

    def of(self, y_true: Index, answers: Array | Index, classes: Sequence[Hashable]) -> float:
        """The metric of some rows; NaN where it is undefined: without rows, or where the function says so.

        A function says so with NaN or infinity, a ValueError or a division by zero; scikit-learn's, with a warning.

        Raises
        ------
        SettingsError
            For any other error, and for what is no number or out of the metric's range.
        """
        if not y_true.size:
            return float("nan")
        try:
            found = self.definition(y_true, answers, **({"classes": list(classes)} if self._named else {}))
            value = float(found)
        except _undefined():
            return float("nan")
        except Exception as error:
            raise SettingsError(
                f"The metric {self.info.name!r} failed: {type(error).__name__}: {error}.",
                fix=f"it gets class indices (n,) and {_GETS[self.answers]}, and returns one number",
            ) from error
        if not np.isfinite(value):
            return float("nan")
        if not self.info.low <= value <= self.info.high:
            raise SettingsError(
                f"The metric {self.info.name!r} gave {value:g}, outside of {self.info.low:g} to {self.info.high:g}.",
                fix="state its range: @of_arrays(..., low=, high=)",
            )
        return value

    def __call__(
        self,
        y_true: ArrayLike,
        answers: ArrayLike,
        *,
        sensitive_features: ArrayLike | None = None,
        classes: Sequence[Hashable] | None = None,
    ) -> Measured:
        given: Array | Index
        if self.answers == "y_pred":
            true, given, names = class_codes(y_true, answers, class_list(y_true, answers, classes))
        else:
            true, score = score_codes(y_true, answers, classes)
            given, names = of_positive(score), class_names(y_true, classes, score.shape[1])
        with calm():
            return measure_rows(lambda rows: self.of(true[rows], given[rows], names), true.size, sensitive_features)


_GETS = {"y_pred": "(n,) of the answers", "y_score": "scores: (n,) of the positive class, or (n, K) of more than two"}


class ArrayFamily(RankFamily):
    """Metrics of arrays together.

    Parameters
    ----------
    y_true, y_pred : (n,) class index; y_score : (n, K) scores, or None.
    """

    def __init__(
        self, y_true: Index, y_pred: Index, y_score: Array | None, classes: Sequence[str], names: Sequence[str]
    ) -> None:
        self._given = y_true, y_pred, y_score
        self.classes, self.metrics = tuple(classes), tuple(names)
        known = array_metrics()
        self._of = {name: known[name] for name in names}
        self._answers: dict[Answered, Array | Index] = {"y_pred": y_pred}
        if y_score is not None:
            self._answers["y_score"] = of_positive(y_score)

    def only(self, metrics: Iterable[str]) -> ArrayFamily:
        """Some of the metrics, in the same order."""
        wanted = set(metrics)
        return ArrayFamily(*self._given, self.classes, [m for m in self.metrics if m in wanted])

    def bind(self, rows: Index, unit: Index, n_units: int) -> Callable[[Weights], Sums]:
        """Call every function on the rows, each as often as its unit was drawn."""
        true = self._given[0][rows]
        answers = {which: values[rows] for which, values in self._answers.items()}

        def evaluate(weights: Weights) -> Sums:
            out = {name: np.empty(weights.shape[1]) for name in self.metrics}
            with calm():
                for r in range(weights.shape[1]):
                    drawn = np.repeat(np.arange(rows.size), np.rint(weights[unit, r]).astype(np.int64))
                    for name, metric in self._of.items():
                        out[name][r] = metric.of(true[drawn], answers[metric.answers][drawn], self.classes)
            return out

        return evaluate


def of_arrays(title: str, *, name: str = "", **told: Unpack[Told]) -> Callable[[Callable[..., Any]], ArrayMetric]:
    """Make a metric of a function (y_true, y_pred) or (y_true, y_score) of arrays to one number.

    It gets class indices (n,), with two classes 1 for the positive one, and the answers as such, or the scores: (n,) of
    the positive class, or (n, K) of more than two. With a parameter `classes` it gets their names. It is called anew
    for every group of every resample: slower than `everygroup.metrics.define.of_counts`, and as right.

    Parameters
    ----------
    title, name, told : as of `everygroup.metrics.define.of_counts`.

    Raises
    ------
    SettingsError
        Where the second parameter is neither y_pred nor y_score.

    >>> @of_arrays("Cost of errors", best="low", high=float("inf"))
    ... def cost(y_true, y_pred):
    ...     return np.mean(np.where(y_true > y_pred, 5.0, y_true != y_pred))
    >>> cost([0, 0, 1, 1], [0, 1, 1, 0], sensitive_features=["a", "a", "b", "b"]).per_group
    {'a': 0.5, 'b': 2.5}
    """

    def make(definition: Callable[..., Any]) -> ArrayMetric:
        answers = answered_by(definition)
        if answers is None:
            raise SettingsError(
                f"{getattr(definition, '__name__', definition)!r} is no function of (y_true, y_pred) or "
                "(y_true, y_score).",
                fix="name its two parameters so; a third may be `classes`",
            )
        return ArrayMetric(definition, title, name, {**_OWN, **told}, answers=answers)

    return make


def answered_by(definition: Callable[..., Any]) -> Answered | None:
    """What a function of (y_true, y_pred) or (y_true, y_score) is about; None for any other."""
    parameters = list(inspect.signature(definition).parameters.values())
    needed = [p.name for p in parameters if p.default is p.empty and p.name != "classes"]
    for answers in ("y_pred", "y_score"):
        if [p.name for p in parameters[:2]] == needed == ["y_true", answers]:
            return answers  # type: ignore[return-value]
    return None


def array_metrics() -> dict[str, ArrayMetric]:
    """Every metric that is made from arrays, by name."""
    found = {name: metric_info(name).function for name in list_metrics("performance")}
    return {name: metric for name, metric in found.items() if isinstance(metric, ArrayMetric)}


def of_positive(score: Array) -> Array:
    """Scores (n,) of the positive one of two classes; those (n, K) of more."""
    return score[:, 1] if score.shape[1] == 2 else score


def _undefined() -> tuple[type[Exception], ...]:
    """How a function says that its value is undefined."""
    return (ValueError, ArithmeticError, *_warned())


def _warned() -> tuple[type[Warning], ...]:
    """How scikit-learn says that a value is undefined, before it gives 0."""
    found = getattr(sys.modules.get("sklearn.exceptions"), "UndefinedMetricWarning", None)
    return () if found is None else (found,)


@contextmanager
def calm() -> Iterator[None]:
    """No warnings from resamples, but for those that say that a value is undefined, which become errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for category in _warned():
            warnings.simplefilter("error", category)
        yield
