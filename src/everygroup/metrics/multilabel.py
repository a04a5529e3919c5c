"""Several findings per image, each present, absent or unknown: rates per label, macro over labels, subset accuracy.

An unknown label (NaN) is left out of that label's rates and counted; it is never taken for absent.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import PredictionsError
from everygroup.metrics._grouped import groups_of, measure_rows, record
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.confusion import OneVsRest
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.measured import Measured
from everygroup.metrics.ranking import Ranking
from everygroup.metrics.rates import RATES, class_rates, mean_defined, ratio_of

BINARY = ("recall", "precision", "f1", "specificity")
"""Rates of every label in `label_rates`."""


@dataclass(frozen=True)
class LabelTable:
    """Checked answers: `known`, `true` and `pred` (n, L) bool, names of the labels."""

    known: NDArray[np.bool_]
    true: NDArray[np.bool_]
    pred: NDArray[np.bool_]
    labels: tuple[str, ...]

    def counts(self, rows: IntArray) -> OneVsRest:
        """One-vs-rest counts (L,) over the known entries of some rows, every label for itself."""
        true, pred = self.true[rows], self.pred[rows]
        return KnownCounts(
            (true & pred).sum(axis=0).astype(np.float64),
            true.sum(axis=0).astype(np.float64),
            pred.sum(axis=0).astype(np.float64),
            self.known[rows].sum(axis=0).astype(np.float64),
        )


@dataclass(frozen=True)
class KnownCounts(OneVsRest):
    """One-vs-rest counts (..., L) where every label has its own number of known samples."""

    known: FloatArray

    @property
    def n(self) -> FloatArray:
        """Number of samples whose label is known, (..., L)."""
        return self.known


def label_table(y_true: ArrayLike, y_pred: ArrayLike, *, labels: Sequence[Hashable] | None = None) -> LabelTable:
    """Check multi-label truth and answers.

    Parameters
    ----------
    y_true : (n, L) of 0, 1 and NaN (unknown); y_pred : (n, L) of 0 and 1.
    labels : L names; '0', '1', ... when not given, the columns of a DataFrame otherwise.

    Raises
    ------
    PredictionsError
        For tables of different shape, other values, or names that do not fit. Names row and label.
    """
    names = label_names(y_true, labels)
    true, pred = _table("y_true", y_true, len(names)), _table("y_pred", y_pred, len(names))
    if true.shape != pred.shape:
        raise PredictionsError(f"y_true has shape {true.shape} but y_pred {pred.shape}.", fix="give one row a sample")
    known = ~np.isnan(true)
    for word, table, allowed in (("y_true", true, ~known), ("y_pred", pred, np.zeros_like(known))):
        wrong = ~((table == 0) | (table == 1) | allowed)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            missing = ", and NaN where the label is unknown" if word == "y_true" else ""
            raise PredictionsError(
                f"Position {row} of {word}, label {names[column]}, is {table[row, column]:g}.",
                fix=f"write 1 for present and 0 for absent{missing}",
            )
    if not known.any():
        raise PredictionsError("No label is known.", fix="write 1 for present and 0 for absent")
    return LabelTable(known, known & (true == 1), known & (pred == 1), names)


def label_names(y_true: ArrayLike, labels: Sequence[Hashable] | None = None) -> tuple[str, ...]:
    """Names of the L labels: given, the columns of a DataFrame, or numbers."""
    shape = np.shape(y_true)
    if len(shape) != 2 or not shape[0] or not shape[1]:
        raise PredictionsError(f"y_true has shape {shape}.", fix="give one row a sample and one column a label")
    found = labels if labels is not None else list(y_true.columns) if isinstance(y_true, pd.DataFrame) else None
    names = tuple(str(v) for v in (range(shape[1]) if found is None else found))
    if len(names) != shape[1] or len(set(names)) < len(names):
        raise PredictionsError(
            f"{len(names)} names for {shape[1]} labels: {list(names)[:10]}.", fix="name every column once"
        )
    return names


def answers(y_score: ArrayLike, *, n_labels: int, threshold: ArrayLike = 0.5) -> tuple[FloatArray, NDArray[np.int64]]:
    """Check scores (n, L) and answer 1 where they reach the threshold (one number, or one per label)."""
    score = _table("y_score", y_score, n_labels)
    bad = ~np.isfinite(score)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise PredictionsError(
            f"Position {row} of y_score, column {column}, is {score[row, column]}.", fix="fill it in"
        )
    limit = np.asarray(threshold, dtype=np.float64)
    if limit.shape not in ((), (n_labels,)) or not np.isfinite(limit).all():
        raise PredictionsError(
            f"The threshold is {limit.tolist()} for {n_labels} labels.", fix="give one, or one per label"
        )
    return score, (score >= limit).astype(np.int64)


def _table(word: str, values: ArrayLike, n_labels: int) -> FloatArray:
    try:
        table = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PredictionsError(f"{word} holds values that are not numbers.", fix="write 0 and 1") from error
    if table.ndim != 2 or table.shape[1] != n_labels:
        raise PredictionsError(f"{word} has shape {table.shape} for {n_labels} labels.", fix="give one column a label")
    return table


def rate_of_labels(counts: OneVsRest, name: str) -> FloatArray:
    """Rate (..., L) of every label; 'specificity' is TN / (TN + FP)."""
    return class_rates(counts, {"specificity": "tnr"}.get(name, name))


def _macro(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    name: str,
    sensitive_features: ArrayLike | None = None,
    labels: Sequence[Hashable] | None = None,
) -> Measured:
    table = label_table(y_true, y_pred, labels=labels)
    n = len(table.known)

    def one(rows: IntArray) -> float:
        return float(mean_defined(rate_of_labels(table.counts(rows), name)))

    m = measure_rows(one, n, sensitive_features)
    group, names = groups_of(sensitive_features, n)
    shown = [np.flatnonzero(group == g) for g in range(len(names))] or [np.arange(n)]
    undefined = sum(int(np.isnan(rate_of_labels(table.counts(rows), name)).sum()) for rows in shown)
    return Measured(m.value, m.per_group, m.n_per_group, m.n, m.n_missing, undefined)


def label_macro(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    name: str = "f1",
    sensitive_features: ArrayLike | None = None,
    labels: Sequence[Hashable] | None = None,
) -> Measured:
    """Mean over labels of a binary rate of every label; range [0, 1], best 1 for recall, precision, F1, specificity.

    Parameters
    ----------
    y_true : (n, L) of 0, 1 and NaN where unknown; y_pred : (n, L) of 0 and 1.
    name : 'recall', 'precision', 'f1', 'specificity', or another rate of `everygroup.metrics.RATES`.
    sensitive_features : (n,) group of every sample.
    labels : L names.

    Returns
    -------
    Measured; labels whose rate is 0/0 in a group are left out of its mean and counted in `n_undefined`.

    Raises
    ------
    PredictionsError
        For tables that do not fit together or hold other values.

    Examples
    --------
    >>> label_macro([[1, 0], [1, 1], [0, float("nan")]], [[1, 0], [0, 1], [0, 1]], name="recall").value
    0.75
    """
    if name != "specificity" and name not in RATES:
        raise PredictionsError(f"There is no rate {name!r} of a label.", fix=f"choose among {', '.join(BINARY)}")
    return _macro(y_true, y_pred, name=name, sensitive_features=sensitive_features, labels=labels)


def label_rates(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    labels: Sequence[Hashable] | None = None,
) -> pd.DataFrame:
    """Recall, precision, F1 and specificity of every label, overall and in every group.

    Returns
    -------
    DataFrame with the columns label, group ('overall' first), metric, value, n (known), n_positive, n_unknown.

    Examples
    --------
    >>> table = label_rates([[1], [0], [float("nan")]], [[1], [1], [1]], labels=["edema"])
    >>> table[["metric", "value", "n", "n_unknown"]].values.tolist()[1]
    ['precision', 0.5, 2, 1]
    """
    table = label_table(y_true, y_pred, labels=labels)
    group, names = groups_of(sensitive_features, len(table.known))
    parts: list[tuple[Hashable, IntArray]] = [("overall", np.arange(len(table.known)))]
    parts += [(name, np.flatnonzero(group == g)) for g, name in enumerate(names)]
    rows: list[dict[str, Any]] = []
    for word, inside in parts:
        counts = table.counts(inside)
        for metric in BINARY:
            values = rate_of_labels(counts, metric)
            rows += [
                {
                    "label": label,
                    "group": word,
                    "metric": metric,
                    "value": float(values[k]),
                    "n": int(counts.n[k]),
                    "n_positive": int(counts.support[k]),
                    "n_unknown": int(inside.size - counts.n[k]),
                }
                for k, label in enumerate(table.labels)
            ]
    return pd.DataFrame(rows)


def label_macro_auc(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    labels: Sequence[Hashable] | None = None,
) -> Measured:
    """Mean over labels of the AUC of every label; range [0, 1], best 1, 0.5 without information.

    Parameters as in `label_macro`, but `y_score` (n, L) any finite numbers. Labels without both values in a group are
    left out of its mean.

    Examples
    --------
    >>> label_macro_auc([[1, 0], [0, 1], [0, 1]], [[0.9, 0.2], [0.1, 0.7], [0.3, 0.1]]).value
    0.75
    """
    score, _ = answers(y_score, n_labels=len(label_names(y_true, labels)))
    table = label_table(y_true, np.zeros(score.shape), labels=labels)

    def one(rows: IntArray) -> float:
        return float(mean_defined(label_aucs(table, score, rows)))

    return measure_rows(one, len(score), sensitive_features)


def label_aucs(table: LabelTable, score: FloatArray, rows: IntArray) -> FloatArray:
    """AUC (L,) of every label over the known entries of some rows."""
    out = np.full(len(table.labels), np.nan)
    for k in range(out.size):
        inside = rows[table.known[rows, k]]
        ones = np.ones((inside.size, 1), dtype=np.float32)
        if inside.size:
            out[k] = Ranking.of(score[inside, k], table.true[inside, k]).auc(ones)[0]
    return out


def subset_accuracy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    labels: Sequence[Hashable] | None = None,
) -> Measured:
    """Share of samples with every label right, among those with every label known; range [0, 1], best 1.

    Parameters as in `label_macro`; `n_undefined` counts the samples left out for an unknown label.

    Examples
    --------
    >>> subset_accuracy([[1, 0], [1, 1], [0, float("nan")]], [[1, 0], [0, 1], [0, 1]]).value
    0.5
    """
    table = label_table(y_true, y_pred, labels=labels)
    complete = np.asarray(table.known.all(axis=1))
    right = complete & ~np.asarray((table.true ^ table.pred).any(axis=1))
    m = measure_rows(
        lambda rows: float(ratio_of(right[rows].sum(), complete[rows].sum())), len(right), sensitive_features
    )
    return Measured(m.value, m.per_group, m.n_per_group, m.n, m.n_missing, int((~complete).sum()))


def hamming_loss(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    labels: Sequence[Hashable] | None = None,
) -> Measured:
    """Share of the known (sample, label) entries that are wrong; range [0, 1], best 0.

    Parameters as in `label_macro`; `n_undefined` counts the unknown entries. Source: Schapire and Singer 1999.

    Examples
    --------
    >>> hamming_loss([[1, 0], [1, 1], [0, float("nan")]], [[1, 0], [0, 1], [0, 1]]).value
    0.2
    """
    table = label_table(y_true, y_pred, labels=labels)
    wrong, known = (table.true != table.pred).sum(axis=1), table.known.sum(axis=1)
    m = measure_rows(lambda rows: float(ratio_of(wrong[rows].sum(), known[rows].sum())), len(known), sensitive_features)
    return Measured(m.value, m.per_group, m.n_per_group, m.n, m.n_missing, int((~table.known).sum()))


_TITLES = {"recall": "Recall", "precision": "Precision", "f1": "F1", "specificity": "Specificity"}

METRICS: tuple[MetricInfo, ...] = (
    *(
        record(
            f"label_macro_{name}",
            f"{title} (mean over labels)",
            partial(label_macro, name=name),
            source="standard, unknown labels left out",
        )
        for name, title in _TITLES.items()
    ),
    record("label_macro_auc", "AUC (mean over labels)", label_macro_auc, source="Hanley and McNeil 1982, per label"),
    record("subset_accuracy", "Every label right", subset_accuracy),
    record("hamming_loss", "Wrong labels (Hamming loss)", hamming_loss, optimum=0.0, source="Schapire and Singer 1999"),
)
"""Registry records of this file."""
