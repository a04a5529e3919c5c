"""Read predictions from CSV files: our own layout, or anybody's with the columns named."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort.groups import GroupRule, as_category, missing_column, natural_key
from everygroup.errors import PredictionsError
from everygroup.predictions import LEADING, SCORE, TRAILING, Predictions


def read_predictions(
    path: Path,
    *,
    y_true: str | None = None,
    y_pred: str | None = None,
    y_score: str | Sequence[str] | None = None,
    groups: Sequence[str] | str | None = None,
    bins: Mapping[str, Any] | None = None,
    id: str | None = None,
    unit: str | None = None,
    split: str | None = None,
    classes: Sequence[str] | None = None,
    model: str = "",
) -> Predictions:
    """Read a table of predictions.

    Parameters
    ----------
    path : CSV file with a header; row numbers in messages are the file's line numbers.
    y_true, y_pred : columns of the label and the answer.
    y_score : one score column per class: their names, or a pattern such as 'score_*' whose '*' is the class; a single
        column holds the score of the second of two classes.
    groups : columns of the sensitive attributes; all further columns in our own layout.
    bins : how to bin them, as in ``{"age": "40,60"}``.
    id, unit, split : columns of the sample id, the patient or lesion, and the split.
    classes : class names in order; found in the file when not given.
    model : name of the model, where the file does not say.

    Raises
    ------
    PredictionsError
        For a file that cannot be read, missing columns, labels outside the classes or scores that are no
        probabilities, naming row and column.
    CohortError
        For values that the bins cannot take.
    """
    table = _read(path)
    own = set(LEADING) | set(TRAILING) <= set(table.columns)
    score_columns, score_classes = _score_columns(table, y_score if y_score is not None else f"{SCORE}*", path)
    if y_score is not None and not score_columns:
        raise PredictionsError(f"No column of {path.name} matches {y_score!r}.", fix=_columns_are(table))
    true_column = y_true or ("y_true" if "y_true" in table.columns else None)
    pred_column = y_pred or ("y_pred" if "y_pred" in table.columns else None)
    if pred_column is None and not score_columns:
        raise PredictionsError(
            f"{path.name} has no column 'y_pred' and no 'score_*'.",
            fix=f"name the answer with --y-pred or the scores with --y-score; {_columns_are(table)}",
        )
    if true_column is None:
        raise PredictionsError(
            f"{path.name} has no column 'y_true'.", fix=f"name the label with --y-true; {_columns_are(table)}"
        )
    names = [groups] if isinstance(groups, str) else list(groups or ())
    if own and groups is None:
        names = [c for c in table.columns if c not in (*LEADING, *TRAILING) and not c.startswith(SCORE)]
    for column in filter(None, (true_column, pred_column, id, unit, split, *names, *(bins or {}))):
        if column not in table.columns:
            error = missing_column(column, table.columns, path.name)
            raise PredictionsError(error.message, fix=error.fix)
    if stray := sorted(set(bins or {}) - set(names)):
        raise PredictionsError(
            f"Bins for {stray[0]!r}, which is no sensitive attribute.", fix=f"add --group {stray[0]}"
        )

    rule = GroupRule.make(names, bins)
    labels = [table[c] for c in (true_column, pred_column) if c is not None]
    scores = None if not score_columns else _numbers(table, score_columns, path)
    if classes is None:
        classes = score_classes or _found_classes(labels)
    if len(score_columns) == 1:
        scores = scores[:, 0] if scores is not None else None

    def cells(name: str | None, fallback: str) -> Any:
        chosen = name or (fallback if own else None)
        return None if chosen is None else table[chosen].tolist()

    return Predictions.from_arrays(
        np.asarray(table[true_column], dtype=object),
        scores,
        y_pred=None if pred_column is None else np.asarray(table[pred_column], dtype=object),
        classes=classes,
        sensitive_features={name: rule.values(table, name) for name in names},
        group=np.asarray(table["group"], dtype=object) if own else None,
        ids=cells(id, "id"),
        units=cells(unit, "unit"),
        split=cells(split, "split") or "",
        route=cells(None, "route") or "",
        model=cells(None, "model") or model,
        _rows=path.name,
    )


def _read(path: Path) -> pd.DataFrame:
    """Read every cell as text: nothing is guessed, and an empty cell stays empty."""
    if not path.is_file():
        hint = "; it is a folder" if path.is_dir() else ""
        raise PredictionsError(f"No file {os.fspath(path)}{hint}.", fix="give a CSV file of predictions")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            table = pd.read_csv(
                path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True, index_col=False
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise PredictionsError(
            f"Cannot read {path.name}: {error}", fix="give a comma-separated UTF-8 file with a header"
        ) from error
    if table.empty:
        raise PredictionsError(f"{path.name} has no rows.", fix="check that it holds a header and data")
    return table


def _score_columns(
    table: pd.DataFrame, wanted: str | Sequence[str], path: Path
) -> tuple[list[str], tuple[str, ...] | None]:
    """Score columns, and the class names if the column names tell them."""
    patterns = [wanted] if isinstance(wanted, str) else list(wanted)
    columns: list[str] = []
    classes: list[str] = []
    for pattern in patterns:
        if "*" not in pattern:
            if pattern not in table.columns:
                error = missing_column(pattern, table.columns, path.name)
                raise PredictionsError(error.message, fix=error.fix)
            columns.append(pattern)
            classes.append(pattern)
            continue
        before, _, after = pattern.partition("*")
        for name in table.columns:
            if fnmatchcase(name, before.replace("[", "[[]") + "*" + after.replace("[", "[[]")) and name not in columns:
                columns.append(name)
                classes.append(name[len(before) : len(name) - len(after)])
    if len(columns) < 2:
        return columns, None
    if not any("*" in p for p in patterns):
        # 'prob_mel', 'prob_nv': what the names have in common at their front is not the class
        common = _common_start(classes)
        shared = common[: max(common.rfind("_"), common.rfind("."), common.rfind(" ")) + 1]
        classes = [c[len(shared) :] for c in classes]
    return columns, tuple(classes)


def _common_start(names: Sequence[str]) -> str:
    """The characters that all names begin with."""
    first, last = min(names), max(names)
    return first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _numbers(table: pd.DataFrame, columns: list[str], path: Path) -> np.ndarray:
    """Score columns as numbers; text that is no number is an error naming its row."""
    numbers = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        row, k = (int(i) for i in np.argwhere(wrong)[0])
        raise PredictionsError(
            f"{path.name}, row {row + 2}: {table[columns[k]].iloc[row]!r} in column {columns[k]!r} is no score.",
            fix="give a number in [0, 1] in every row",
        )
    return numbers


def _found_classes(labels: Sequence[pd.Series]) -> tuple[str, ...]:
    """Class names found in the label columns, in natural order."""
    found = {as_category(v) for column in labels for v in column.unique()}
    return tuple(sorted((v for v in found if v is not None), key=natural_key))


def _columns_are(table: pd.DataFrame) -> str:
    return f"the columns are: {', '.join(map(str, table.columns))}"
