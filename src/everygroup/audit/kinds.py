"""How a table is read and audited, by what was predicted: the columns each task needs, and the audit it calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from everygroup.audit.result import Audit
from everygroup.audit.run import audit
from everygroup.audit.tasks import (
    audit_anomaly,
    audit_multilabel,
    audit_reconstruction,
    audit_regression,
    audit_segmentation,
)
from everygroup.console import detail, say
from everygroup.errors import PredictionsError
from everygroup.predictions import Predictions
from everygroup.predictions._coding import categories
from everygroup.predictions.columns import (
    PRED_NAMES,
    SCORE_NAMES,
    SCORE_PREFIXES,
    TRUE_NAMES,
    columns_are,
    few,
    named_like,
    score_columns,
    with_prefix,
)
from everygroup.predictions.labels import key
from everygroup.predictions.metadata import Joined
from everygroup.predictions.polarity import positive_of, signs
from everygroup.predictions.reading import read_classes
from everygroup.predictions.row_reading import percentages, read_rows
from everygroup.predictions.rows import Rows
from everygroup.predictions.scale import as_probabilities
from everygroup.predictions.table_reading import TableReading
from everygroup.predictions.task import ANOMALY_NAMES, OF_MASKS, OF_RECONSTRUCTIONS, PRED_PREFIXES, TRUE_PREFIXES, Task
from everygroup.tables.missing import quoted


@dataclass(frozen=True)
class Table:
    """A table that was read for its task.

    Attributes
    ----------
    rows : what is audited.
    audit : from rows, those of a baseline (None without) and the options to the audit.
    again : reads the table of another model in the same way.
    columns : which columns are what, in words.
    predicted : columns that hold what was predicted, which another model's table has, too.
    """

    rows: Predictions | Rows
    audit: Callable[[Any, Any, dict[str, Any]], Audit]
    again: Callable[[Joined], Predictions | Rows]
    columns: Mapping[str, str]
    predicted: Collection[str] = ()


class Read(Protocol):
    """Reads a table for one task."""

    def __call__(self, source: Joined, reading: TableReading) -> Table: ...


def _classes(source: Joined, reading: TableReading) -> Table:
    predictions, rows, found = read_classes(source, reading, need_groups=True, need_positive=True)
    names = reading.attributes
    # attributes that were asked for keep their names, also where one is the grouping used in training
    asked_for = [g for g in names if g in (*predictions.sensitive, "group")]
    columns = {"label": found.y_true, "answer": found.y_pred or ""} | _row_columns(rows)
    columns |= {"scores": ", ".join(found.scores)}

    def again(other: Joined) -> Predictions:
        return read_classes(other, reading.of_baseline.but(classes=predictions.classes, positive=None))[0]

    def run(chosen: Predictions, other: Predictions | None, options: dict[str, Any]) -> Audit:
        left = [g for g in asked_for if g in chosen.sensitive or g == "group"]
        return audit(chosen, baseline=other, attributes=left or None, label=found.y_true, **options)

    return Table(predictions, run, again, columns)


def _row_columns(rows: Rows) -> dict[str, str]:
    words = {"id": "sample id", "unit": "patient", "split": "split"}
    return {words[what]: column for what, column in rows.columns.items()}


def _numbers(
    source: Joined,
    reading: TableReading,
    columns: Mapping[str, str],
    numbers: Sequence[str],
    texts: Sequence[str],
    run: Callable[[Rows, Rows | None, dict[str, Any]], Audit],
    shared: Sequence[str],
    shares: bool = True,
) -> Table:
    """A table of measured numbers; `shared` are the columns that the table of another model must have."""
    rows = read_rows(source, reading, numbers=numbers, shares=shares, texts=texts, need_groups=True)

    def again(other: Joined) -> Rows:
        return read_rows(other, reading.of_baseline, numbers=[c for c in numbers if c in shared], shares=shares)

    def paired(chosen: Rows, other: Rows | None, options: dict[str, Any]) -> Audit:
        if other is not None:
            chosen, other = chosen.matching(other)
        names = list(chosen.sensitive)
        if "group" in chosen.table and "group" not in names and ("group" in reading.attributes or not names):
            names.append("group")  # the grouping used in training
        features = chosen.table[names].replace("", None)
        return run(chosen, other, options | {"sensitive_features": features, "cluster": chosen.units})

    return Table(rows, paired, again, dict(columns) | _row_columns(rows), shared)


def _regression(source: Joined, reading: TableReading) -> Table:
    true = _one(source, reading.y_true, TRUE_NAMES, "outcome", "--y-true", reading.named)
    pred = _one(source, reading.y_pred, PRED_NAMES, "prediction", "--y-pred", {true, *reading.named})
    if len(percent := percentages(source, [true, pred])) == 1:
        raise PredictionsError(
            f"{source.name}: {percent[0]!r} holds percentages, and the column it is compared with none.",
            fix="write both in one unit",
        )

    def run(rows: Rows, other: Rows | None, options: dict[str, Any]) -> Audit:
        y, answer = complete(rows, [true, pred])
        theirs = None if other is None else complete(other, [pred])[0]
        return audit_regression(y, answer, baseline=theirs, **options)

    columns = {"outcome": true, "prediction": pred}
    return _numbers(source, reading, columns, [true, pred], [], run, [pred], shares=False)


def _segmentation(source: Joined, reading: TableReading) -> Table:
    return _per_image(source, reading, OF_MASKS, audit_segmentation)


def _reconstruction(source: Joined, reading: TableReading) -> Table:
    return _per_image(source, reading, OF_RECONSTRUCTIONS, audit_reconstruction)


def _per_image(source: Joined, reading: TableReading, known: Sequence[str], audit: Callable[..., Audit]) -> Table:
    """Read values that were measured of every image."""
    wanted = _listed(reading.y_score) or [c for m in known if (c := named_like(source.columns, [m], set())) is not None]
    columns = score_columns(source.name, source.columns, wanted)[0] if wanted else []
    detail(source.name, "", f"values {few(columns)}")
    names = {c: m for c in columns for m in known if c.lower() == m or c.lower().endswith(f"_{m}")}
    if not columns or set(names) != set(columns):
        raise PredictionsError(
            f"{source.name}: no column of values per image, or an unknown one.",
            fix=f"name columns such as {', '.join(known)} with --y-score; {columns_are(source.columns)}",
        )

    def run(rows: Rows, other: Rows | None, options: dict[str, Any]) -> Audit:
        theirs = None if other is None else {names[c]: other.numbers(c) for c in columns}
        return audit({names[c]: rows.numbers(c) for c in columns}, baseline=theirs, **options)

    return _numbers(source, reading, {"values": ", ".join(columns)}, columns, [], run, columns)


def _anomaly(source: Joined, reading: TableReading) -> Table:
    true = _one(source, reading.y_true, TRUE_NAMES, "label (1 = anomaly)", "--y-true", reading.named)
    given = next(iter(_listed(reading.y_score)), None)
    names = (*ANOMALY_NAMES, *SCORE_NAMES)
    score = _one(source, given, names, "anomaly score", "--y-score", {true, *reading.named})

    def run(rows: Rows, other: Rows | None, options: dict[str, Any]) -> Audit:
        values = complete(rows, [score])[0]
        y = zero_one(rows, true, reading.positive)
        if np.isnan(y).any():
            raise PredictionsError(f"{rows.place(int(np.isnan(y).argmax()))}: {true!r} is empty.", fix="fill it in")
        theirs = None if other is None else complete(other, [score])[0]
        return audit_anomaly(y.astype(np.int64), values, baseline=theirs, **options)

    return _numbers(source, reading, {"label": true, "score": score}, [score], [true], run, [score])


def _multilabel(source: Joined, reading: TableReading) -> Table:
    labels = _labels(source, reading.y_true, TRUE_PREFIXES, "labels", "--y-true")
    scores = _labels(source, reading.y_score, SCORE_PREFIXES, "scores", "--y-score", need=reading.y_pred is None)
    answers = _labels(source, reading.y_pred, PRED_PREFIXES, "answers", "--y-pred", need=False)
    names = list(labels)
    for word, found in (("score", scores), ("answer", answers)):
        if found and (lost := [n for n in names if n not in found]):
            raise PredictionsError(
                f"{source.name}: the label {lost[0]!r} ({labels[lost[0]]!r}) has no {word} column.",
                fix=f"give every label a {word}; {columns_are(source.columns)}",
            )
    of_scores, of_answers = [scores[n] for n in names if scores], [answers[n] for n in names if answers]

    def zeros_and_ones(rows: Rows, columns: Sequence[str]) -> Any:
        return np.stack([zero_one(rows, c, reading.positive) for c in columns], axis=1) if columns else None

    def scored(rows: Rows) -> Any:
        if not of_scores:
            return None
        values = np.stack(complete(rows, of_scores), axis=1)
        return as_probabilities(rows.name, values, of_scores, rows.place, exclusive=False)

    def run(rows: Rows, other: Rows | None, options: dict[str, Any]) -> Audit:
        theirs = None if other is None else scored(other) if of_scores else zeros_and_ones(other, of_answers)
        truth = zeros_and_ones(rows, [labels[n] for n in names])
        unknown = {n: int(k) for n, k in zip(names, np.isnan(truth).sum(axis=0), strict=True) if k}
        if unknown:
            told = ", ".join(f"{n!r} in {k:,}" for n, k in list(unknown.items())[:5]) + (
                " ..." if len(unknown) > 5 else ""
            )
            say(f"{rows.name}: labels are not known: {told} of {len(truth):,} rows, which its figures leave out.")
        return audit_multilabel(
            truth,
            scored(rows),
            y_pred=zeros_and_ones(rows, of_answers),
            labels=names,
            baseline=theirs,
            **options,
        )

    columns = {"labels": ", ".join(labels.values()), "scores": ", ".join(of_scores), "answers": ", ".join(of_answers)}
    texts = [*labels.values(), *of_answers]
    return _numbers(source, reading, columns, of_scores, texts, run, of_scores or of_answers)


KINDS: dict[Task, Read] = {
    "classification": _classes,
    "multilabel": _multilabel,
    "regression": _regression,
    "segmentation": _segmentation,
    "anomaly": _anomaly,
    "reconstruction": _reconstruction,
}


def complete(rows: Rows, columns: Sequence[str]) -> list[Any]:
    """Columns of numbers, none of which may be empty."""
    for column in columns:
        empty = np.isnan(rows.numbers(column))
        if empty.any():
            raise PredictionsError(
                f"{rows.name}: {int(empty.sum())} rows have no number in {column!r}, the first in row "
                f"{rows.place(int(empty.argmax())).rpartition(' ')[2]}.",
                fix="fill it in, or leave the rows out",
            )
    return [rows.numbers(c) for c in columns]


def zero_one(rows: Rows, column: str, positive: str | None) -> Any:
    """(n,) a column of two classes as 1 (positive), 0 and NaN (unknown).

    Raises
    ------
    PredictionsError
        For more than two classes, or two of which nothing tells the positive one; names a row of each other value.
    """
    codes, names = categories(rows.table[column])
    sign = signs(names)
    if positive is not None and key(positive) in {key(n) for n in names}:
        sign = {n: int(key(n) == key(positive)) for n in names}
    elif len(names) == 2 and (told := positive_of(names)) is not None:
        sign = {n: int(n == told) for n in names}
    strange = [n for n in names if sign[n] < 0]
    if {"0", "1"} & set(names):  # beside 0 and 1 nothing else is a value, -1 least of all: it says 'uncertain'
        strange = (
            [n for n in names if n not in ("0", "1")] if set(sign.values()) != {0, 1} or "-1" in names else strange
        )
    if strange or (len(names) > 2 and positive is not None and len({key(n) for n in names}) > 2):
        counts = np.bincount(codes[codes >= 0], minlength=len(names))
        wrong = strange or names
        told = ", ".join(f"{n!r} in {counts[names.index(n)]:,} rows" for n in wrong[:5])
        first = rows.place(int((codes == names.index(wrong[0])).argmax()))
        third = quoted(wrong[0])
        known = {"0", "1"} <= set(names) or {sign[n] for n in names if n not in wrong} == {0, 1}
        raise PredictionsError(
            f"{first}: the column {column!r} holds {told}, not 0 and 1.",
            fix=f"--missing {third} leaves uncertain labels out (they are counted), "
            f"--map {column}:{third}=0 (or =1) takes them for one of both"
            if known
            else "code the positive class as 1 and the other as 0, or name it with --positive",
        )
    if set(names) - {"0", "1"}:
        told = " and ".join(f"{n!r} as {sign[n]}" for n in names)
        say(f"{rows.name}: {column!r} is read with {told}.")
    return np.array([*(float(sign[n]) for n in names), np.nan])[codes]


def _listed(given: str | Sequence[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())


def _one(source: Joined, given: str | None, names: Sequence[str], what: str, option: str, used: set[str]) -> str:
    if given is not None:
        detail(source.name, "", f"{what} {given}")
        return given
    found = named_like(source.columns, names, used)
    if found is None:
        raise PredictionsError(
            f"{source.name} has no {what}.", fix=f"name it with {option}; {columns_are(source.columns)}"
        )
    detail(source.name, f"{what}: column {found!r} ({option} to name another).", f"{what} {found}")
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
        detail(source.name, "", f"{what} {few(columns)}")
        return dict(zip(names or columns, columns, strict=True))
    prefix, found = with_prefix(source.columns, prefixes)
    if not found and need:
        raise PredictionsError(
            f"{source.name} has no columns of {what}.",
            fix=f"name them with {option} 'PREFIX_*'; {columns_are(source.columns)}",
        )
    if found:
        detail(source.name, f"{what}: columns {prefix}* ({option} to name others).", f"{what} {prefix}*")
    return found
