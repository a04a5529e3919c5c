"""Predictions of classes from anybody's table: labels, answers and scores in one coding and on one scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.console import detail, say
from everygroup.errors import PredictionsError
from everygroup.predictions._coding import categories, spread
from everygroup.predictions.columns import SCORE_PREFIXES, Answers, few, find_answers, is_own, normal
from everygroup.predictions.labels import Coding, key, one_coding
from everygroup.predictions.metadata import Joined
from everygroup.predictions.predictions import Predictions
from everygroup.predictions.row_reading import read_rows
from everygroup.predictions.rows import Rows
from everygroup.predictions.scale import as_probabilities
from everygroup.predictions.table_reading import TableReading
from everygroup.settings import build


def read_predictions(path: Path | str | Joined, **columns: Any) -> Predictions:
    """Read a table of predictions: our own layout, or anybody's; what is not named is guessed, and said.

    Parameters
    ----------
    path : CSV or parquet file with named columns, or a run folder, or one that is open already; row numbers in
        messages are lines of a CSV file.
    **columns : of `TableReading`: y_true, y_pred, y_score, groups, bins, id_column, cluster, split_column, classes,
        positive, model, metadata, metadata_id.

    Raises
    ------
    PredictionsError
        For a file that cannot be read, missing columns, labels outside the classes or scores that are no
        probabilities, naming row and column.
    CohortError
        For values that the bins cannot take.
    """
    reading = build(TableReading, columns)
    return read_classes(path if isinstance(path, Joined) else reading.open(path), reading)[0]


def read_classes(
    joined: Joined, reading: TableReading, *, need_groups: bool = False, need_positive: bool = False
) -> tuple[Predictions, Rows, Answers]:
    """Read predictions of classes, their rows, and which columns they stand in.

    Parameters
    ----------
    joined : the table; reading : how it is read.
    need_groups : whether it is an error to name no sensitive attribute.
    need_positive : whether it is an error that nothing tells the positive one of two classes.
    """
    found = find_answers(
        joined.name,
        joined.columns,
        joined.sample,
        y_true=reading.y_true,
        y_pred=reading.y_pred,
        y_score=reading.y_score or None,
        taken=reading.named,
    )
    for what, column in (("label", found.y_true), ("answer", found.y_pred), ("scores", few(found.scores))):
        if column:
            detail(joined.name, found.guessed.get(what, ""), f"{what} {column}")
    labels = [c for c in (found.y_true, found.y_pred) if c is not None]
    known = reading.classes or found.score_classes or ()
    rows = read_rows(joined, reading, numbers=found.scores, texts=labels, classes=known, need_groups=need_groups)
    table, own = rows.table, is_own(joined.columns)
    true, true_names = categories(table[found.y_true])
    pred, pred_names = (None, []) if found.y_pred is None else categories(table[found.y_pred])
    if not true_names and not pred_names and not known:
        raise PredictionsError(
            f"{joined.name}: the labels are empty in every row.", fix="name the class names or another column"
        )
    coding = one_coding(
        joined.name,
        _counts(true, true_names),
        {} if pred is None else _counts(pred, pred_names),
        found.score_classes or (),
        classes=reading.classes,
        positive=reading.positive,
    )
    score, coding = _scores(joined, table, found, coding)
    if len(coding.classes) == 2 and need_positive and not coding.decided:
        a, b = coding.classes
        raise PredictionsError(
            f"{joined.name}: which of the classes {a!r} and {b!r} is the positive one (the disease) is not known.",
            fix=f"say it: --positive {_quoted(b)} (or --positive {_quoted(a)})",
        )
    if len(coding.classes) == 2 and not own:
        why = coding.decided or "the second in order; --positive names the other"
        told = f"the positive class is {coding.classes[1]!r}"
        detail(joined.name, f"{told} ({why}).", told)
        if score is not None and score.ndim == 1 and not _is_of(found.scores[0], coding.classes[0]):
            detail(joined.name, f"{found.scores[0]!r} is taken as the probability of {coding.classes[1]!r}.")
    read = Predictions.from_arrays(
        _as(coding.true, true, true_names),
        score,
        y_pred=None if pred is None else _as(coding.pred, pred, pred_names),
        classes=coding.classes,
        sensitive_features=table[list(rows.sensitive)],
        group=table["group"] if own else None,
        ids=table["id"] if rows.has_ids else None,
        units=table["unit"] if "unit" in rows.columns else None,
        split=table["split"],
        route=table["route"] if own else "",
        model=table["model"] if own else reading.model,
        _rows=joined.place,
    )
    return read.with_columns({c: table[c] for c in reading.beside if c not in read.table}), rows, found


def _counts(codes: NDArray[np.int64], names: list[str]) -> dict[str, int]:
    return dict(zip(names, np.bincount(codes[codes >= 0], minlength=len(names)).tolist(), strict=True))


def _as(spelt: dict[str, str], codes: NDArray[np.int64], names: list[str]) -> pd.Series:
    return spread([spelt[name] for name in names], codes)


def _scores(
    joined: Joined, table: pd.DataFrame, found: Answers, coding: Coding
) -> tuple[NDArray[np.float64] | None, Coding]:
    """Scores (n, K) in the order of the classes, or (n,) of the positive one; and what their column's name decides."""
    if not found.scores:
        return None, coding
    given = table[list(found.scores)].to_numpy(np.float64)
    score = as_probabilities(joined.name, given, found.scores, joined.place, exclusive=True)
    if found.score_classes is not None:
        of = [coding.score[c] for c in found.score_classes]
        return (score[:, [of.index(c) for c in coding.classes]] if set(of) == set(coding.classes) else score), coding
    score = score[:, 0]
    if len(coding.classes) != 2:
        raise PredictionsError(
            f"{joined.name}: there is one score column, {found.scores[0]!r}, and {len(coding.classes)} classes "
            f"({', '.join(coding.classes[:5])}).",
            fix="give one score column per class, such as --y-score 'score_*', or other labels with --y-true",
        )
    told = [c for c in coding.classes if _is_of(found.scores[0], c)]
    if len(told) != 1:
        return score, coding
    other = next(c for c in coding.classes if c != told[0])
    if not coding.decided:
        ordered = (other, told[0])
        why = f"the score {found.scores[0]!r} speaks of it"
        return score, Coding(ordered, coding.true, coding.pred, coding.score, why)
    if told[0] == coding.classes[0]:
        say(f"{joined.name}: {found.scores[0]!r} is the score of {told[0]!r}; that of {other!r} is 1 minus it.")
        score = 1.0 - score
    return score, coding


def _is_of(column: str, label: str) -> bool:
    """Whether the name of a score column is that of a class."""
    return any(normal(column) == prefix + normal(key(label)) for prefix in SCORE_PREFIXES)


def _quoted(name: str) -> str:
    return name if name.replace("_", "").isalnum() else f"'{name}'"
