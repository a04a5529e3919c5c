"""`everygroup audit` of what is not one class a sample: what the columns mean, and the audit of the task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from everygroup.cli.audit_read import Reading, comparable, rows_of_split, splits_in_words
from everygroup.console import say
from everygroup.errors import PredictionsError
from everygroup.predictions.columns import (
    PRED_NAMES,
    SCORE_NAMES,
    SCORE_PREFIXES,
    TRUE_NAMES,
    columns_are,
    named_like,
    score_columns,
)
from everygroup.predictions.numbers import NumberTable, zero_one

if TYPE_CHECKING:
    from everygroup.audit import Audit
    from everygroup.predictions.metadata import Joined

PER_IMAGE = ("dice", "iou", "hd95", "boundary_f1", "pixel_tpr", "pixel_fpr")
ANOMALY_NAMES = ("anomaly_score", "anomaly", "abnormality", "novelty", "outlier_score")
TRUE_PREFIXES = ("y_true_", "true_", "label_", "target_", "truth_")
PRED_PREFIXES = ("y_pred_", "pred_", "answer_")


@dataclass(frozen=True)
class Named:
    """Columns as the user named them; None or empty where not."""

    y_true: str | None
    y_pred: str | None
    y_score: Sequence[str]
    positive: str | None


def guess_task(source: Joined, named: Named) -> tuple[str, str]:
    """What was predicted, and why that is thought."""
    columns, sample = source.columns, source.sample
    if named.y_true is not None and "*" in named.y_true:
        return "multilabel", f"--y-true {named.y_true} names several labels"
    label = named.y_true or named_like(columns, TRUE_NAMES, set())
    if label is None:
        if any(named_like(columns, [m], set()) for m in PER_IMAGE):
            return "segmentation", "there is no label, and there are columns of Dice and the like"
        if len(_with_prefix(columns, TRUE_PREFIXES)[1]) > 1:
            return "multilabel", "there are several columns of labels"
    elif label in columns:
        if not named.y_score and named_like(columns, ANOMALY_NAMES, {label}) is not None:
            return "anomaly", "there is a column of anomaly scores"
        answer = named.y_pred or named_like(columns, PRED_NAMES, {label})
        if answer in columns and not named.y_score and _measured(sample[label]) and _measured(sample[answer]):
            return "regression", f"{label!r} and {answer!r} hold measured numbers"
    return "classification", ""


def audit_numbers(
    task: str, baseline: Path | None, source: Joined, named: Named, reading: Reading, **options: Any
) -> tuple[Audit, int, str]:
    """Read the columns of a task, and audit them; returns the audit, the number of samples and their splits.

    Raises
    ------
    PredictionsError
        For columns that are not there or do not fit the task.
    """
    if reading.threshold is not None:
        raise PredictionsError("--threshold is for classes.", fix=f"leave it out for the task {task!r}")
    make: Callable[[Joined, Named, Reading], _Task] = {
        "regression": _regression,
        "segmentation": _segmentation,
        "anomaly": _anomaly,
        "multilabel": _multilabel,
    }[task]
    plan = make(source, named, reading)
    table = _read(source, plan, reading, need_groups=True)
    other = None
    if baseline is not None:
        table, other = table.matching(_read(baseline, plan, reading, need_groups=False))
    index = {str(c): pd.factorize(table.sensitive[c].replace("", np.nan))[0] for c in table.sensitive}
    table = _only(table, comparable(index))
    result = plan.run(table, other, sensitive_features=table.sensitive, cluster=table.units, **options)
    return result, len(table), splits_in_words(table.split)


@dataclass(frozen=True)
class _Task:
    """Columns of numbers and of texts that a task needs, and how they are audited."""

    values: list[str]
    texts: list[str]
    run: Callable[..., Audit]


def _read(path: Path | Joined, plan: _Task, reading: Reading, *, need_groups: bool) -> NumberTable:
    kept = ("id", "unit", "split", "metadata", "metadata_id") if need_groups else ("id", "split")
    table = NumberTable.read(
        path,
        values=plan.values,
        texts=plan.texts,
        groups=reading.groups if need_groups else None,
        bins=reading.bins if need_groups else None,
        need_groups=need_groups,
        **{k: reading.columns[k] for k in kept},
    )
    mask = rows_of_split(table.split, reading.split)
    return table if mask is None else table.where(mask)


def _only(table: NumberTable, attributes: list[str]) -> NumberTable:
    return replace(table, sensitive=table.sensitive[attributes].replace("", None))


def _regression(source: Joined, named: Named, reading: Reading) -> _Task:
    from everygroup.audit.tasks import audit_regression

    true = _one(source, named.y_true, TRUE_NAMES, "outcome", "--y-true", ())
    pred = _one(source, named.y_pred, PRED_NAMES, "prediction", "--y-pred", (true,))

    def run(table: NumberTable, other: NumberTable | None, **options: Any) -> Audit:
        complete(table, [true, pred])
        theirs = None if other is None else complete(other, [pred])[0]
        return audit_regression(table.values[true], table.values[pred], baseline=theirs, **options)

    return _Task([true, pred], [], run)


def _segmentation(source: Joined, named: Named, reading: Reading) -> _Task:
    from everygroup.audit.tasks import audit_segmentation

    wanted = named.y_score or [c for m in PER_IMAGE if (c := named_like(source.columns, [m], set())) is not None]
    columns = score_columns(source.name, source.columns, wanted)[0] if wanted else []
    names = {c: m for c in columns for m in PER_IMAGE if c.lower() == m or c.lower().endswith(f"_{m}")}
    if not columns or set(names) != set(columns):
        raise PredictionsError(
            f"{source.name}: no column of values per image, or an unknown one.",
            fix=f"name columns such as {', '.join(PER_IMAGE)} with --y-score; {columns_are(source.columns)}",
        )

    def run(table: NumberTable, other: NumberTable | None, **options: Any) -> Audit:
        scores = {names[c]: table.values[c] for c in columns}
        theirs = None if other is None else {names[c]: other.values[c] for c in columns}
        return audit_segmentation(scores, baseline=theirs, **options)

    return _Task(columns, [], run)


def _anomaly(source: Joined, named: Named, reading: Reading) -> _Task:
    from everygroup.audit.tasks import audit_anomaly

    true = _one(source, named.y_true, TRUE_NAMES, "label (1 = anomaly)", "--y-true", ())
    given = named.y_score[0] if named.y_score else None
    score = _one(source, given, (*ANOMALY_NAMES, *SCORE_NAMES), "anomaly score", "--y-score", (true,))

    def run(table: NumberTable, other: NumberTable | None, **options: Any) -> Audit:
        complete(table, [score])
        y = zero_one(table.name, true, table.texts[true], named.positive)
        if np.isnan(y).any():
            raise PredictionsError(f"{table.place(int(np.isnan(y).argmax()))}: {true!r} is empty.", fix="fill it in")
        theirs = None if other is None else complete(other, [score])[0]
        return audit_anomaly(y.astype(np.int64), table.values[score], baseline=theirs, **options)

    return _Task([score], [true], run)


def _multilabel(source: Joined, named: Named, reading: Reading) -> _Task:
    from everygroup.audit.tasks import audit_multilabel

    labels = _labels(source, named.y_true, TRUE_PREFIXES, "labels", "--y-true")
    wanted = list(named.y_score) or None
    scores = _labels(source, wanted, SCORE_PREFIXES, "scores", "--y-score", need=named.y_pred is None)
    answers = _labels(source, named.y_pred, PRED_PREFIXES, "answers", "--y-pred", need=False)
    names = list(labels)
    for word, found in (("score", scores), ("answer", answers)):
        if found and (lost := [n for n in names if n not in found]):
            raise PredictionsError(
                f"{source.name}: the label {lost[0]!r} ({labels[lost[0]]!r}) has no {word} column.",
                fix=f"give every label a {word}; {columns_are(source.columns)}",
            )

    def stack(table: NumberTable, columns: dict[str, str]) -> Any:
        return np.stack([table.values[columns[n]] for n in names], axis=1) if columns else None

    def run(table: NumberTable, other: NumberTable | None, **options: Any) -> Audit:
        shown = scores or answers
        complete(table, [shown[n] for n in names])
        theirs = None if other is None else stack(other, shown)
        return audit_multilabel(
            stack(table, labels),
            stack(table, scores),
            y_pred=stack(table, answers),
            labels=names,
            baseline=theirs,
            **options,
        )

    used = [c for found in (labels, scores, answers) for n in names if found for c in [found[n]]]
    return _Task(used, [], run)


def complete(table: NumberTable, columns: Sequence[str]) -> list[Any]:
    """Columns of numbers, none of which may be empty."""
    for column in columns:
        empty = np.isnan(table.values[column])
        if empty.any():
            raise PredictionsError(
                f"{table.name}: {int(empty.sum())} rows have no number in {column!r}, the first in row "
                f"{table.place(int(empty.argmax())).rpartition(' ')[2]}.",
                fix="fill it in, or leave the rows out",
            )
    return [table.values[c] for c in columns]


def _one(source: Joined, given: str | None, names: Sequence[str], what: str, option: str, used: Sequence[str]) -> str:
    if given is not None:
        return given
    found = named_like(source.columns, names, set(used))
    if found is None:
        raise PredictionsError(
            f"{source.name} has no {what}.", fix=f"name it with {option}; {columns_are(source.columns)}"
        )
    say(f"{source.name}: {what}: column {found!r} ({option} to name another).")
    return found


def _labels(
    source: Joined,
    given: str | Sequence[str] | None,
    prefixes: Sequence[str],
    what: str,
    option: str,
    need: bool = True,
) -> dict[str, str]:
    """Columns by label: those of a pattern, or those that share a prefix."""
    if given:
        columns, names = score_columns(source.name, source.columns, given)
        return dict(zip(names or columns, columns, strict=True))
    prefix, found = _with_prefix(source.columns, prefixes)
    if not found and need:
        raise PredictionsError(
            f"{source.name} has no columns of {what}.",
            fix=f"name them with {option} 'PREFIX_*'; {columns_are(source.columns)}",
        )
    if found:
        say(f"{source.name}: {what}: columns {prefix}* ({option} to name others).")
    return found


def _with_prefix(columns: Sequence[str], prefixes: Sequence[str]) -> tuple[str, dict[str, str]]:
    for prefix in prefixes:
        found = {c[len(prefix) :]: c for c in columns if c.lower().startswith(prefix) and len(c) > len(prefix)}
        if len(found) > 1:
            return prefix, found
    return "", {}


def _measured(column: pd.Series) -> bool:
    """Whether a column of texts holds measured numbers rather than names of classes."""
    numbers = pd.to_numeric(column.str.replace(",", ".", regex=False), errors="coerce").to_numpy(float)
    known = numbers[np.isfinite(numbers)]
    return known.size > 0.9 * len(column) and np.unique(known).size > 12 and bool((known % 1 != 0).any())
