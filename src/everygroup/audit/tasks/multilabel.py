"""Audit of several findings per image."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.audit.partition import Partition
from everygroup.audit.result import Audit
from everygroup.audit.tasks.common import Features, Options, audit_task, rows_of
from everygroup.errors import PredictionsError
from everygroup.metrics.families import Array, Family, Index, RankFamily, SumFamily, Sums, Weights
from everygroup.metrics.means import Shares
from everygroup.metrics.multilabel import (
    BINARY,
    KnownCounts,
    LabelTable,
    answers,
    label_names,
    label_table,
    rate_of_labels,
)
from everygroup.metrics.ranking import Ranking
from everygroup.metrics.rates import mean_defined, ratio_of

Kept = dict[str, Index]
"""By null, such as 'label[edema]' and 'answer[edema]': 1, 0, or 2 where the label is unknown."""


def _kept(table: LabelTable) -> Kept:
    """What shuffles for the metrics of one label keep fixed."""
    columns = (("label", table.true), ("answer", table.pred))
    return {
        f"{null}[{label}]": np.where(table.known[:, k], values[:, k], 2).astype(np.int64)
        for null, values in columns
        for k, label in enumerate(table.labels)
    }


def _null(null: str, metric: str, kept: Kept) -> str:
    """The null of a metric of one label; of a mean over labels that of its record."""
    own = f"{null}[{metric.partition('[')[2]}"
    return own if own in kept else null


class LabelRates(SumFamily):
    """Recall, precision, F1 and specificity: means over labels, and recall, precision and F1 of every label."""

    def __init__(self, table: LabelTable, *, by_label: bool, kept: Kept | None = None) -> None:
        self.table, self.labels, self.by_label, self.kept = table, table.labels, by_label, kept or {}
        each = [f"{name}[{label}]" for name in ("recall", "precision", "f1") for label in table.labels]
        self.metrics = (*(f"label_macro_{name}" for name in BINARY), "hamming_loss", *(each if by_label else []))
        columns = (table.true & table.pred, table.true, table.pred, table.known)
        self.features = np.concatenate(columns, axis=1).astype(np.float64)

    def null(self, metric: str) -> str:
        """Recall of a label keeps the label, precision the answer for it."""
        return _null(super().null(metric), metric, self.kept)

    def held(self, null: str) -> Index | None:
        """Values of one label, or answers for it."""
        return self.kept.get(null)

    def only(self, metrics: Iterable[str]) -> LabelRates:
        """The one label that all these metrics are of, as counts; else itself."""
        of = {m[:-1].partition("[")[2] if m.endswith("]") else "" for m in metrics}
        if len(of) != 1 or not of <= set(self.labels):
            return self
        at = [self.labels.index(next(iter(of)))]
        t = self.table
        own = LabelRates(LabelTable(t.known[:, at], t.true[:, at], t.pred[:, at], tuple(of)), by_label=True)
        own.counts = True
        return own

    def counted(self, sums: Array) -> KnownCounts:
        """Counts (..., L) of sums (..., 4L)."""
        tp, support, predicted, known = np.moveaxis(sums.reshape(*sums.shape[:-1], 4, len(self.labels)), -2, 0)
        return KnownCounts(tp, support, predicted, known)

    def values(self, sums: Array) -> Sums:
        """Metrics (...) from sums (..., 4L)."""
        counts = self.counted(sums)
        rates = {name: rate_of_labels(counts, name) for name in BINARY}
        wrong = (counts.support + counts.predicted - 2 * counts.tp).sum(axis=-1)
        out = {f"label_macro_{name}": mean_defined(rates[name]) for name in BINARY}
        out["hamming_loss"] = ratio_of(wrong, counts.n.sum(axis=-1))
        for metric in self.metrics[len(out) :]:
            name, label = metric[:-1].split("[", 1)
            out[metric] = rates[name][..., self.labels.index(label)]
        return out

    def proportions(self, sums: Array) -> dict[str, tuple[Array, Array]]:
        """Recall and precision of every label."""
        counts, out = self.counted(sums), {}
        for k, label in enumerate(self.labels if self.by_label else ()):
            out[f"recall[{label}]"] = counts.tp[..., k], counts.support[..., k]
            out[f"precision[{label}]"] = counts.tp[..., k], counts.predicted[..., k]
        return out


class LabelAuc(RankFamily):
    """AUC of every label over its known samples, and their mean."""

    def __init__(self, table: LabelTable, score: Array, *, by_label: bool, kept: Kept | None = None) -> None:
        self.table, self.score, self.kept = table, score, kept or {}
        self.metrics = ("label_macro_auc", *(f"auc[{label}]" for label in table.labels if by_label))

    def null(self, metric: str) -> str:
        """AUC of a label keeps the label."""
        return _null(super().null(metric), metric, self.kept)

    def held(self, null: str) -> Index | None:
        """Values of one label."""
        return self.kept.get(null)

    def only(self, metrics: Iterable[str]) -> LabelAuc:
        """The labels whose AUC is wanted; itself where their mean is."""
        wanted = set(metrics)
        at = [k for k, label in enumerate(self.table.labels) if f"auc[{label}]" in wanted]
        if "label_macro_auc" in wanted:
            return self
        t = self.table
        labels = tuple(t.labels[k] for k in at)
        return LabelAuc(
            LabelTable(t.known[:, at], t.true[:, at], t.pred[:, at], labels), self.score[:, at], by_label=True
        )

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


def audit_multilabel(
    y_true: ArrayLike,
    y_score: ArrayLike | None = None,
    *,
    y_pred: ArrayLike | None = None,
    sensitive_features: Features,
    cluster: ArrayLike | None = None,
    labels: Sequence[Hashable] | None = None,
    threshold: ArrayLike = 0.5,
    baseline: ArrayLike | None = None,
    by_label: bool = True,
    **options: Unpack[Options],
) -> Audit:
    """Measure several findings per image in every group; unknown labels are left out of their label and counted.

    Means over labels of recall, precision, F1, specificity and AUC, `subset_accuracy` (of samples with every label
    known), `hamming_loss`, and recall, precision, F1 and AUC of every label, written ``recall[edema]``. The shuffles
    behind p keep the label fixed for its recall and AUC and the answer for its precision; they are free for the others,
    so that a label's different prevalence can make p of a mean over labels, or of an F1, small.

    Parameters
    ----------
    y_true : (n, L) of 1, 0 and NaN where unknown.
    y_score : (n, L) finite numbers; without them there is no AUC.
    y_pred : (n, L) of 0 and 1; whether the score reaches `threshold` when not given.
    sensitive_features : attribute columns by name, or one sequence.
    cluster : (n,) patient of every sample.
    labels : L names; the columns of a DataFrame when not given.
    threshold : one number, or one per label.
    baseline : (n, L) of another model: scores where `y_score` is given, else answers; gives `Audit.comparison`.
    by_label : whether every label gets rows of its own.
    **options : of `everygroup.audit.audit`: n_boot, seed, min_n, attributes, stratify, interval, intersections,
        data_set, method, run_seed.

    Raises
    ------
    PredictionsError
        For tables that do not fit together or hold other values; names row and label.

    Examples
    --------
    >>> y, answer = [[1, 0], [0, 1]] * 20, [[1, 0], [0, 1]] * 10 + [[1, 1], [0, 0]] * 10
    >>> sex = {"sex": ["f"] * 20 + ["m"] * 20}
    >>> result = audit_multilabel(y, y_pred=answer, labels=["edema", "mass"], sensitive_features=sex, n_boot=99)
    >>> result.value("sex", "gap", "recall[edema]"), result.value("sex", "gap", "recall[mass]")
    (0.0, 1.0)
    """
    names = label_names(y_true, labels)
    if y_score is None and y_pred is None:
        raise PredictionsError("There are neither y_score nor y_pred.", fix="give at least one of them")

    def answered(given: ArrayLike) -> tuple[Array | None, ArrayLike]:
        if y_score is None:
            return None, given
        score, pred = answers(given, n_labels=len(names), threshold=threshold)
        return score, pred

    def families(score: Array | None, pred: ArrayLike) -> tuple[LabelTable, Callable[[Partition], list[Family]]]:
        table = label_table(y_true, pred, labels=names)
        complete = _rows(table.known, every=True)
        right = ~_rows(table.true ^ table.pred, every=False)
        kept = _kept(table) if by_label else {}
        made: list[Family] = [
            LabelRates(table, by_label=by_label, kept=kept),
            Shares({"subset_accuracy": (right, complete)}),
        ]
        if score is not None:
            made.append(LabelAuc(table, score, by_label=by_label, kept=kept))
        return table, lambda part: made

    score, pred = answered(y_score) if y_score is not None else (None, y_pred)
    assert pred is not None
    table, ours = families(score, pred if y_pred is None else y_pred)
    samples = rows_of(len(table.known), sensitive_features, cluster)
    theirs = None
    if baseline is not None:
        theirs = families(*answered(baseline))[1]
    unknown = (~table.known).sum(axis=0)
    flags = [
        f"{name}: {n} of {len(table.known)} samples have no known label; they are left out of this label's numbers."
        for name, n in zip(names, unknown.tolist(), strict=True)
        if n
    ]
    if score is None:
        flags.append("There are no scores, so AUC is left out.")
    return audit_task(
        samples,
        ours,
        headline="label_macro_f1",
        baseline=theirs,
        crossed=[LabelRates(table, by_label=False)],
        flags=flags,
        settings={
            "task": "multilabel",
            "labels": list(names),
            "n_unknown": dict(zip(names, unknown.tolist(), strict=True)),
        },
        options=options,
    )


def _rows(table: NDArray[np.bool_], *, every: bool) -> NDArray[np.bool_]:
    """Whether every or any entry of a row is true."""
    return np.asarray(table.all(axis=1) if every else table.any(axis=1))
