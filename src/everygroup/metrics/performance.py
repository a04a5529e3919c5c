"""Performance from predicted labels, overall and for every group."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from everygroup.metrics._inputs import class_codes, class_list, group_codes
from everygroup.metrics.confusion import Array, OneVsRest, confusion_counts, one_vs_rest
from everygroup.metrics.info import MetricInfo, Null
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import (
    Absent,
    Average,
    accuracy_of,
    average_rate,
    class_rates,
    kappa_of,
    matthews_of,
    undefined_rates,
)

CountMetric = Callable[[OneVsRest], Array]


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
    metric: CountMetric,
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


def accuracy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
) -> Measured:
    """Share of right answers.

    Parameters
    ----------
    y_true, y_pred : (n,) labels of any kind.
    sensitive_features : (n,) group of every sample; None, NaN, '' and -1 are missing and belong to no group.
    classes : the fixed class list; the labels found when not given.

    Examples
    --------
    >>> measured = accuracy([0, 0, 1, 1], [0, 0, 1, 0], sensitive_features=["a", "a", "b", "b"])
    >>> measured.value, measured.gap, measured.worst
    (0.75, 0.5, 'b')
    """
    return measure_counts(accuracy_of, y_true, y_pred, sensitive_features=sensitive_features, classes=classes)


def balanced_accuracy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
) -> Measured:
    """Mean over the classes present of the true positive rate; range 0..1, 1 is best.

    Examples
    --------
    >>> balanced_accuracy([0, 0, 0, 1], [0, 0, 0, 0]).value
    0.5
    """
    return rate(y_true, y_pred, name="recall", sensitive_features=sensitive_features, classes=classes)


def macro_precision(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
    average: Average = "macro",
    zero_division: float = np.nan,
    absent: Absent = "skip",
) -> Measured:
    """Mean over classes of TP / (TP + FP); range 0..1, 1 is best; see `average_rate` for the options.

    Examples
    --------
    >>> round(macro_precision([0, 0, 1, 1], [0, 1, 1, 1]).value, 6)
    0.833333
    """
    return rate(
        y_true,
        y_pred,
        name="precision",
        sensitive_features=sensitive_features,
        classes=classes,
        average=average,
        zero_division=zero_division,
        absent=absent,
    )


def macro_recall(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
    average: Average = "macro",
    zero_division: float = np.nan,
    absent: Absent = "skip",
) -> Measured:
    """Mean over classes of TP / (TP + FN); range 0..1, 1 is best; see `average_rate` for the options.

    Examples
    --------
    >>> round(macro_recall([0, 0, 1, 1], [0, 1, 1, 1]).value, 6)
    0.75
    """
    return rate(
        y_true,
        y_pred,
        name="recall",
        sensitive_features=sensitive_features,
        classes=classes,
        average=average,
        zero_division=zero_division,
        absent=absent,
    )


def macro_f1(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
    average: Average = "macro",
    zero_division: float = np.nan,
    absent: Absent = "skip",
) -> Measured:
    """Mean over classes of 2 TP / (2 TP + FP + FN); range 0..1, 1 is best; see `average_rate` for the options.

    Examples
    --------
    >>> round(macro_f1([0, 0, 1, 1], [0, 1, 1, 1]).value, 6)
    0.733333
    """
    return rate(
        y_true,
        y_pred,
        name="f1",
        sensitive_features=sensitive_features,
        classes=classes,
        average=average,
        zero_division=zero_division,
        absent=absent,
    )


def matthews(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
) -> Measured:
    """Matthews correlation between labels and answers; range -1..1, 1 is best, undefined if either never varies.

    References
    ----------
    Gorodkin, Computational Biology and Chemistry 2004, for more than two classes.

    Examples
    --------
    >>> matthews([0, 0, 1, 1], [0, 0, 1, 1]).value
    1.0
    """
    return measure_counts(matthews_of, y_true, y_pred, sensitive_features=sensitive_features, classes=classes)


def kappa(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
) -> Measured:
    """Cohen's kappa, agreement beyond chance: (observed - expected) / (1 - expected); 1 is best, 0 is chance.

    Undefined where labels and answers are all of one class.

    References
    ----------
    Cohen, Educational and Psychological Measurement 1960.

    Examples
    --------
    >>> kappa([0, 0, 1, 1], [0, 0, 1, 0]).value
    0.5
    """
    return measure_counts(kappa_of, y_true, y_pred, sensitive_features=sensitive_features, classes=classes)


OF_POSITIVE = {
    "sensitivity": "recall",
    "specificity": "specificity",
    "ppv": "precision",
    "npv": "npv",
    "fpr": "fpr",
    "fnr": "fnr",
    "f1": "f1",
    "prevalence": "prevalence",
    "selection_rate": "selection_rate",
}
"""Rates of the positive one of two classes, and the one-vs-rest rate (a key of `RATES`) that each is."""


def positive_rate(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    name: str,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
) -> Measured:
    """A rate of `OF_POSITIVE` of the second of two classes; with more classes the mean over them.

    Parameters
    ----------
    name : a key of `OF_POSITIVE`.
    classes : the fixed class list; when not given {0, 1} or {-1, 1} where these hold all labels, else the labels found.

    Examples
    --------
    >>> positive_rate([0, 0, 1, 1], [0, 1, 1, 1], name="specificity").value
    0.5
    """
    names = class_list(y_true, y_pred, classes)
    positive = names[1] if len(names) == 2 else None
    rate_name = OF_POSITIVE[name]
    return rate(y_true, y_pred, name=rate_name, positive=positive, sensitive_features=sensitive_features, classes=names)


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

    Examples
    --------
    >>> rate([0, 0, 1, 1], [0, 1, 1, 1], name="fpr", positive=1).value
    0.5
    """
    if positive is None:

        def metric(counts: OneVsRest) -> Array:
            return average_rate(counts, name, average=average, zero_division=zero_division, absent=absent)
    else:
        names = (
            list(classes) if classes is not None else sorted({*np.ravel(y_true).tolist(), *np.ravel(y_pred).tolist()})
        )
        wanted = np.array([positive])
        at = int(class_codes(wanted, wanted, names)[0][0])

        def metric(counts: OneVsRest) -> Array:
            return class_rates(counts, name, zero_division=zero_division)[..., at]

    return measure_counts(
        metric, y_true, y_pred, sensitive_features=sensitive_features, classes=classes, undefined_of=name
    )


def one_class_rate(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    name: str,
    label: str,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
) -> Measured:
    """Rate `name` of the class whose name, as text, is `label`; a class that nowhere occurs is undefined."""
    found = sorted({*np.ravel(y_true).tolist(), *np.ravel(y_pred).tolist()})
    names = list(classes) if classes is not None else [*found, *([] if label in map(str, found) else [label])]
    positive = next((c for c in names if str(c) == label), label)
    return rate(y_true, y_pred, name=name, positive=positive, sensitive_features=sensitive_features, classes=names)


def _info(
    name: str,
    title: str,
    function: Callable[..., Measured],
    null: Null,
    optimum: float = 1.0,
    low: float = 0.0,
) -> MetricInfo:
    better = None if np.isnan(optimum) else optimum == 1.0
    source = {
        "matthews": "Gorodkin, Computational Biology and Chemistry 2004",
        "kappa": "Cohen, Educational and Psychological Measurement 1960",
    }.get(name, "standard")
    return MetricInfo(name, title, "performance", low, 1.0, optimum, better, "y_pred", null, source, function)


METRICS: tuple[MetricInfo, ...] = (
    _info("accuracy", "Accuracy", accuracy, "none"),
    _info("balanced_accuracy", "Balanced accuracy", balanced_accuracy, "label"),
    _info("macro_precision", "Precision (macro)", macro_precision, "none"),
    _info("macro_recall", "Recall (macro)", macro_recall, "label"),
    _info("macro_f1", "F1 (macro)", macro_f1, "none"),
    _info("weighted_precision", "Precision (weighted)", partial(macro_precision, average="weighted"), "none"),
    _info("weighted_f1", "F1 (weighted)", partial(macro_f1, average="weighted"), "none"),
    _info("matthews", "Matthews correlation", matthews, "none", low=-1.0),
    _info("kappa", "Cohen's kappa", kappa, "none", low=-1.0),
    _info("sensitivity", "Sensitivity", partial(positive_rate, name="sensitivity"), "label"),
    _info("specificity", "Specificity", partial(positive_rate, name="specificity"), "label"),
    _info("ppv", "Positive predictive value", partial(positive_rate, name="ppv"), "answer"),
    _info("npv", "Negative predictive value", partial(positive_rate, name="npv"), "answer"),
    _info("fpr", "False positive rate", partial(positive_rate, name="fpr"), "label", 0.0),
    _info("fnr", "False negative rate", partial(positive_rate, name="fnr"), "label", 0.0),
    _info("f1", "F1", partial(positive_rate, name="f1"), "none"),
    _info("prevalence", "Prevalence", partial(positive_rate, name="prevalence"), "none", float("nan")),
    _info("selection_rate", "Share answered", partial(positive_rate, name="selection_rate"), "none", float("nan")),
)
"""Records of the metrics above."""

_RATES: tuple[tuple[str, str, Null, float], ...] = (
    ("recall", "Recall", "label", 1.0),
    ("precision", "Precision", "answer", 1.0),
    ("f1", "F1", "none", 1.0),
    ("specificity", "Specificity", "label", 1.0),
    ("ovr_accuracy", "One-vs-rest accuracy", "none", 1.0),
    ("prevalence", "Prevalence", "none", float("nan")),
    ("selection_rate", "Share answered", "none", float("nan")),
    ("tpr", "True positive rate", "label", 1.0),
    ("tnr", "True negative rate", "label", 1.0),
    ("fpr", "False positive rate", "label", 0.0),
    ("fnr", "False negative rate", "label", 0.0),
    ("ppv", "Positive predictive value", "answer", 1.0),
    ("npv", "Negative predictive value", "answer", 1.0),
)
"""Name, title, what a shuffle keeps, best value."""

ONE_CLASS: tuple[MetricInfo, ...] = tuple(
    _info(name, title, partial(one_class_rate, name=name), null, optimum) for name, title, null, optimum in _RATES
)
"""Records of the rates of one class against the rest, written ``recall[class]``; without a best value (NaN) where
neither more nor less is better."""
