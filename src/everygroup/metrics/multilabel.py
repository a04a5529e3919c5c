"""Several findings per image, each present, absent or unknown: rates per label, macro over labels, subset accuracy.

An unknown label (NaN) is left out of that label's rates and counted; it is never taken for absent. Every metric takes
`y_true` (n, L) of 0, 1 and NaN where unknown, `y_pred` (n, L) of 0 and 1, `sensitive_features` (n,) and `labels`, L
names; it refuses tables that do not fit together or hold other values.

>>> label_macro_recall([[1, 0], [1, 1], [0, float("nan")]], [[1, 0], [0, 1], [0, 1]]).value
0.75
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from everygroup.metrics.define import Made, ValueMetric, of_values
from everygroup.metrics.families import Array, Family, Index, RankFamily, SumFamily, Sums, Weights
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.labels import KnownCounts, LabelTable, answers, label_names, label_table
from everygroup.metrics.means import Shares
from everygroup.metrics.ranking import Ranking
from everygroup.metrics.rates import RATES, class_rates, mean_defined, ratio_of

BINARY = ("recall", "precision", "f1", "specificity")
"""Rates of a label whose means over labels an audit shows."""


class _OfLabels(Family):
    """Metrics of labels: the null of a metric of one label keeps that label, or the answer for it."""

    table: LabelTable

    def null(self, metric: str) -> str:
        """Recall and AUC of a label keep the label, precision the answer for it."""
        null, own = super().null(metric), metric.partition("[")[2]
        return f"{null}[{own}" if f"{null}[{own}" in self.table.held else null

    def held(self, null: str) -> Index | None:
        """Values of one label, or answers for it."""
        return self.table.held.get(null)


class LabelRates(_OfLabels, SumFamily):
    """Means over labels of some rates, wrong entries, and recall, precision, F1 and specificity of every label."""

    def __init__(self, table: LabelTable, *, by_label: bool = False, rates: Sequence[str] = BINARY) -> None:
        self.table, self.rates, self.by_label = table, tuple(rates), by_label
        each = [f"{name}[{label}]" for name in BINARY for label in table.labels]
        self.metrics = (*(f"label_macro_{name}" for name in rates), "hamming_loss", *(each if by_label else []))
        columns = (table.true & table.pred, table.true, table.pred, table.known)
        self.features = np.concatenate(columns, axis=1).astype(np.float64)

    def only(self, metrics: Iterable[str]) -> LabelRates:
        """The one label that all these metrics are of, as counts; else itself."""
        of = {m[:-1].partition("[")[2] if m.endswith("]") else "" for m in metrics}
        if len(of) != 1 or not of <= set(self.table.labels):
            return self
        own = LabelRates(self.table.of([self.table.labels.index(next(iter(of)))]), by_label=True)
        own.counts = True
        return own

    def counted(self, sums: Array) -> KnownCounts:
        """Counts (..., L) of sums (..., 4L)."""
        shape = (*sums.shape[:-1], 4, len(self.table.labels))
        return KnownCounts(*np.moveaxis(sums.reshape(shape), -2, 0))

    def values(self, sums: Array) -> Sums:
        """Metrics (...) from sums (..., 4L)."""
        counts = self.counted(sums)
        out = {f"label_macro_{name}": mean_defined(class_rates(counts, name)) for name in self.rates}
        wrong = (counts.support + counts.predicted - 2 * counts.tp).sum(axis=-1)
        out["hamming_loss"] = ratio_of(wrong, counts.n.sum(axis=-1))
        for name in BINARY if self.by_label else ():
            rate = class_rates(counts, name)
            out |= {f"{name}[{label}]": rate[..., k] for k, label in enumerate(self.table.labels)}
        return out

    def proportions(self, sums: Array) -> dict[str, tuple[Array, Array]]:
        """Recall, precision and specificity of every label."""
        counts, out = self.counted(sums), {}
        for k, label in enumerate(self.table.labels if self.by_label else ()):
            for name in ("recall", "precision", "specificity"):
                successes, trials = RATES[name](counts)
                out[f"{name}[{label}]"] = successes[..., k], trials[..., k]
        return out


class LabelAuc(_OfLabels, RankFamily):
    """AUC of every label over its known samples, and their mean."""

    def __init__(self, table: LabelTable, score: Array, *, by_label: bool = False) -> None:
        self.table, self.score = table, score
        self.metrics = ("label_macro_auc", *(f"auc[{label}]" for label in table.labels if by_label))

    def only(self, metrics: Iterable[str]) -> LabelAuc:
        """The labels whose AUC is wanted; itself where their mean is."""
        wanted = set(metrics)
        if "label_macro_auc" in wanted:
            return self
        at = [k for k, label in enumerate(self.table.labels) if f"auc[{label}]" in wanted]
        return LabelAuc(self.table.of(at), self.score[:, at], by_label=True)

    def bind(self, rows: Index, unit: Index, n_units: int) -> Callable[[Weights], Sums]:
        """Rank every label once for all weights."""
        ranked = []
        for k in range(len(self.table.labels)):
            known = np.flatnonzero(self.table.known[rows, k])
            inside = rows[known]
            ranked.append(Ranking.of(self.score[inside, k], self.table.true[inside, k], unit[known], n_units))

        def evaluate(weights: Weights) -> Sums:
            values = np.stack([r.auc(weights) for r in ranked])
            each = dict(zip(self.metrics[1:], values, strict=False))
            return {"label_macro_auc": mean_defined(values, axis=0)} | each

        return evaluate


def every_label_right(table: LabelTable) -> Shares:
    """Samples with every label right, of those with every label known."""
    right = np.asarray((table.true == table.pred).all(axis=1))
    return Shares({"subset_accuracy": (right, np.asarray(table.known.all(axis=1)))})


def _of_rate(rate: str, title: str) -> ValueMetric:
    """The mean over labels of a rate of every label, leaving out labels whose rate is 0/0, which are counted."""

    def definition(y_true: ArrayLike, y_pred: ArrayLike, labels: Sequence[Hashable] | None = None) -> Made:
        family = LabelRates(label_table(y_true, y_pred, labels=labels), rates=(rate,))
        return family, lambda sums: int(np.isnan(class_rates(family.counted(sums), rate)).sum())

    definition.__name__ = definition.__qualname__ = f"label_macro_{rate}"
    definition.__doc__ = f"{title} of every label, mean over labels; range [0, 1], best 1."
    return of_values(f"{title} (mean over labels)", source="standard, unknown labels left out")(definition)


label_macro_recall = _of_rate("recall", "Recall")
label_macro_precision = _of_rate("precision", "Precision")
label_macro_f1 = _of_rate("f1", "F1")
label_macro_specificity = _of_rate("specificity", "Specificity")


@of_values("AUC (mean over labels)", source="Hanley and McNeil 1982, per label")
def label_macro_auc(y_true: ArrayLike, y_score: ArrayLike, labels: Sequence[Hashable] | None = None) -> Made:
    """Mean over labels of the AUC of every label; range [0, 1], best 1, 0.5 without information.

    `y_score` (n, L) holds any finite numbers. Labels without both values in a group are left out of its mean.

    >>> label_macro_auc([[1, 0], [0, 1], [0, 1]], [[0.9, 0.2], [0.1, 0.7], [0.3, 0.1]]).value
    0.75
    """
    score, _ = answers(y_score, n_labels=len(label_names(y_true, labels)))
    return LabelAuc(label_table(y_true, np.zeros(score.shape), labels=labels), score)


@of_values("Every label right")
def subset_accuracy(y_true: ArrayLike, y_pred: ArrayLike, labels: Sequence[Hashable] | None = None) -> Made:
    """Share of samples with every label right, among those with every label known; range [0, 1], best 1.

    `n_undefined` counts the samples left out for an unknown label.

    >>> subset_accuracy([[1, 0], [1, 1], [0, float("nan")]], [[1, 0], [0, 1], [0, 1]]).value
    0.5
    """
    table = label_table(y_true, y_pred, labels=labels)
    return every_label_right(table), int((~table.known).any(axis=1).sum())


@of_values("Wrong labels (Hamming loss)", best="low", source="Schapire and Singer 1999")
def hamming_loss(y_true: ArrayLike, y_pred: ArrayLike, labels: Sequence[Hashable] | None = None) -> Made:
    """Share of the known (sample, label) entries that are wrong; range [0, 1], best 0 (Schapire and Singer 1999).

    `n_undefined` counts the unknown entries.

    >>> hamming_loss([[1, 0], [1, 1], [0, float("nan")]], [[1, 0], [0, 1], [0, 1]]).value
    0.2
    """
    table = label_table(y_true, y_pred, labels=labels)
    return LabelRates(table), int((~table.known).sum())


METRICS: tuple[MetricInfo, ...] = tuple(
    m.info
    for m in (
        *(label_macro_recall, label_macro_precision, label_macro_f1, label_macro_specificity),
        *(label_macro_auc, subset_accuracy, hamming_loss),
    )
)
"""Records of the metrics above."""
