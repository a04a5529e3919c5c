"""Performance from predicted labels, overall and for every group. Each metric is a function of counts.

>>> y, answer = [0, 0, 1, 1], [0, 1, 1, 1]
>>> [round(metric(y, answer).value, 6) for metric in (balanced_accuracy, macro_precision, macro_recall, macro_f1)]
[0.75, 0.833333, 0.75, 0.733333]
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from everygroup.metrics._inputs import class_codes
from everygroup.metrics.confusion import Array, OneVsRest
from everygroup.metrics.define import CountMetric, Value, measure_counts, of_counts
from everygroup.metrics.info import Direction, MetricInfo, Null, record
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import RATES, Absent, Average, average_rate, class_rates, ratio_of


@of_counts("Accuracy")
def accuracy(counts: OneVsRest) -> Value:
    """Share of right answers.

    Parameters
    ----------
    y_true, y_pred : (n,) labels of any kind.
    sensitive_features : (n,) group of every sample; None, NaN, '' and -1 are missing and belong to no group.
    classes : the fixed class list; the labels found when not given.

    >>> measured = accuracy([0, 0, 1, 1], [0, 0, 1, 0], sensitive_features=["a", "a", "b", "b"])
    >>> measured.value, measured.gap, measured.worst
    (0.75, 0.5, 'b')
    """
    return counts.tp.sum(axis=-1), counts.n[..., 0]


@of_counts("Balanced accuracy", null="label", averages="recall")
def balanced_accuracy(counts: OneVsRest) -> Value:
    """Mean over the classes present of the true positive rate; range 0..1, 1 is best."""
    return average_rate(counts, "recall")


def _macro(rate: str, title: str, formula: str, null: Null = "none") -> CountMetric:
    """Make the metric that is the mean over the classes of a rate."""

    def definition(
        counts: OneVsRest, average: Average = "macro", zero_division: float = np.nan, absent: Absent = "skip"
    ) -> Value:
        return average_rate(counts, rate, average=average, zero_division=zero_division, absent=absent)

    definition.__name__ = definition.__qualname__ = f"macro_{rate}"
    definition.__doc__ = f"Mean over classes of {formula}; range 0..1, 1 is best; see `average_rate` for the options."
    return of_counts(f"{title} (macro)", null=null, averages=rate)(definition)


macro_precision = _macro("precision", "Precision", "TP / (TP + FP)")
macro_recall = _macro("recall", "Recall", "TP / (TP + FN)", "label")
macro_f1 = _macro("f1", "F1", "2 TP / (2 TP + FP + FN)")


@of_counts("Precision (weighted)", averages="precision")
def weighted_precision(counts: OneVsRest) -> Value:
    """Mean of the classes' precision, weighted by their number of samples."""
    return average_rate(counts, "precision", average="weighted")


@of_counts("F1 (weighted)", averages="f1")
def weighted_f1(counts: OneVsRest) -> Value:
    """Mean of the classes' F1, weighted by their number of samples."""
    return average_rate(counts, "f1", average="weighted")


@of_counts("Matthews correlation", low=-1.0, source="Gorodkin, Computational Biology and Chemistry 2004")
def matthews(counts: OneVsRest) -> Value:
    """Matthews correlation between labels and answers; range -1..1, 1 is best, undefined if either never varies.

    References
    ----------
    Gorodkin, Computational Biology and Chemistry 2004, for more than two classes.

    >>> matthews([0, 0, 1, 1], [0, 0, 1, 1]).value
    1.0
    """
    n = counts.n[..., 0]
    covariance = counts.tp.sum(axis=-1) * n - (counts.support * counts.predicted).sum(axis=-1)
    spread = (n**2 - (counts.support**2).sum(axis=-1)) * (n**2 - (counts.predicted**2).sum(axis=-1))
    return ratio_of(covariance, np.sqrt(spread))


@of_counts("Cohen's kappa", low=-1.0, source="Cohen, Educational and Psychological Measurement 1960")
def kappa(counts: OneVsRest) -> Value:
    """Cohen's kappa, agreement beyond chance: (observed - expected) / (1 - expected); 1 is best, 0 is chance.

    Undefined where labels and answers are all of one class.

    References
    ----------
    Cohen, Educational and Psychological Measurement 1960.

    >>> kappa([0, 0, 1, 1], [0, 0, 1, 0]).value
    0.5
    """
    n = counts.n[..., 0]
    by_chance = (counts.support * counts.predicted).sum(axis=-1)
    return ratio_of(counts.tp.sum(axis=-1) * n - by_chance, n**2 - by_chance)


_RATES: dict[str, tuple[str, Null, Direction]] = {
    "recall": ("Recall", "label", "high"),
    "precision": ("Precision", "answer", "high"),
    "f1": ("F1", "none", "high"),
    "specificity": ("Specificity", "label", "high"),
    "ovr_accuracy": ("One-vs-rest accuracy", "none", "high"),
    "prevalence": ("Prevalence", "none", "none"),
    "selection_rate": ("Share answered", "none", "none"),
    "tpr": ("True positive rate", "label", "high"),
    "tnr": ("True negative rate", "label", "high"),
    "fpr": ("False positive rate", "label", "low"),
    "fnr": ("False negative rate", "label", "low"),
    "ppv": ("Positive predictive value", "answer", "high"),
    "npv": ("Negative predictive value", "answer", "high"),
}
"""Title of every rate of `RATES`, what a shuffle keeps, and whether more or less is better."""


def _of_positive(rate: str, name: str, title: str = "") -> CountMetric:
    """Make the metric that is the rate of the second of two classes, and of more classes the mean over them."""

    def definition(counts: OneVsRest) -> Value:
        if counts.tp.shape[-1] != 2:
            return average_rate(counts, rate)
        top, bottom = RATES[rate](counts)
        # the denominator of F1 counts no trials
        return ratio_of(top[..., 1], bottom[..., 1]) if rate == "f1" else (top[..., 1], bottom[..., 1])

    words, null, best = _RATES[rate]
    definition.__doc__ = f"{title or words} of the positive one of two classes; of more classes the mean over them."
    made = of_counts(title or words, name=name, null=null, best=best, binary=True, averages=rate)
    definition.__name__ = definition.__qualname__ = name
    return made(definition)


sensitivity = _of_positive("recall", "sensitivity", "Sensitivity")
specificity = _of_positive("specificity", "specificity")
ppv = _of_positive("precision", "ppv", "Positive predictive value")
npv = _of_positive("npv", "npv")
fpr = _of_positive("fpr", "fpr")
fnr = _of_positive("fnr", "fnr")
f1 = _of_positive("f1", "f1")
prevalence = _of_positive("prevalence", "prevalence")
selection_rate = _of_positive("selection_rate", "selection_rate")

OF_POSITIVE = {
    "recall": "sensitivity",
    "precision": "ppv",
    **{rate: rate for rate in ("specificity", "npv", "fpr", "fnr", "f1", "prevalence", "selection_rate")},
}
"""The metric of the positive one of two classes that every rate of one class is."""

METRICS: tuple[MetricInfo, ...] = tuple(
    metric.info
    for metric in (
        *(accuracy, balanced_accuracy, macro_precision, macro_recall, macro_f1, weighted_precision, weighted_f1),
        *(matthews, kappa),
        *(sensitivity, specificity, ppv, npv, fpr, fnr, f1, prevalence, selection_rate),
    )
)
"""Records of the metrics above."""


def rate(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    name: str,
    positive: Hashable | None = None,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
    average: Average = "macro",
    zero_division: float = np.nan,
    absent: Absent = "skip",
) -> Measured:
    """Any one-vs-rest rate of `RATES`: of the class `positive`, or averaged over the classes.

    Parameters
    ----------
    name : a key of `RATES`.
    positive : a class name; the rate of that class alone.
    average, zero_division, absent : as in `average_rate`.

    >>> rate([0, 0, 1, 1], [0, 1, 1, 1], name="fpr", positive=1).value
    0.5
    """
    true, pred, names = class_codes(y_true, y_pred, classes)
    at = None if positive is None else int(class_codes(np.array([positive]), np.array([positive]), names)[0][0])

    def metric(counts: OneVsRest) -> Array:
        if at is not None:
            return class_rates(counts, name, zero_division=zero_division)[..., at]
        return average_rate(counts, name, average=average, zero_division=zero_division, absent=absent)

    known = range(len(names))
    return measure_counts(metric, true, pred, sensitive_features=sensitive_features, classes=known, undefined_of=name)


ONE_CLASS: tuple[MetricInfo, ...] = tuple(
    record(name, title, partial(rate, name=name), best=best, null=null, requires="y_pred")
    for name, (title, null, best) in _RATES.items()
)
"""Records of the rates of one class against the rest, written ``recall[class]``; without a best value (NaN) where
neither more nor less is better."""
