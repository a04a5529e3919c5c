"""Tables of several labels a sample, each present, absent or unknown: checked, and counted."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import PredictionsError
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.confusion import OneVsRest


@dataclass(frozen=True)
class LabelTable:
    """Checked answers: `known`, `true` and `pred` (n, L) bool, names of the labels."""

    known: NDArray[np.bool_]
    true: NDArray[np.bool_]
    pred: NDArray[np.bool_]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.known)

    def of(self, at: Sequence[int]) -> LabelTable:
        """Some of the labels."""
        k = list(at)
        return LabelTable(self.known[:, k], self.true[:, k], self.pred[:, k], tuple(self.labels[i] for i in k))

    @cached_property
    def held(self) -> dict[str, IntArray]:
        """(n,) what shuffles for the metrics of one label keep fixed, such as 'label[edema]' and 'answer[edema]'.

        1, 0, or 2 where the label is unknown.
        """
        return {
            f"{null}[{label}]": np.where(self.known[:, k], values[:, k], 2).astype(np.int64)
            for null, values in (("label", self.true), ("answer", self.pred))
            for k, label in enumerate(self.labels)
        }


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
    true, pred = _numbers("y_true", y_true, len(names)), _numbers("y_pred", y_pred, len(names))
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


def answers(y_score: ArrayLike, *, n_labels: int, threshold: ArrayLike = 0.5) -> tuple[FloatArray, IntArray]:
    """Check scores (n, L) and answer 1 where they reach the threshold (one number, or one per label)."""
    score = _numbers("y_score", y_score, n_labels)
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


def _numbers(word: str, values: ArrayLike, n_labels: int) -> FloatArray:
    try:
        table = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PredictionsError(f"{word} holds values that are not numbers.", fix="write 0 and 1") from error
    if table.ndim != 2 or table.shape[1] != n_labels:
        raise PredictionsError(f"{word} has shape {table.shape} for {n_labels} labels.", fix="give one column a label")
    return table
