"""From columns of a table to what is to be predicted: findings, numbers, normal or not, structures of masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from everygroup.cohort._build import read_labels
from everygroup.cohort.groups import as_category
from everygroup.cohort.outcome import ANOMALY_CLASSES, PICTURED, Target, check_target
from everygroup.errors import CohortError
from everygroup.tables import Problems

_YES, _NO = ("1", "true", "yes"), ("0", "false", "no")


def read_answers(
    target: Target,
    table: pd.DataFrame,
    columns: Sequence[str],
    classes: Sequence[str] | None,
    *,
    normal: str | None = None,
    allow_unlabelled: bool = False,
    label_codes: bool = False,
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names and y of a target (see `everygroup.cohort.Cohort`), from the columns that hold it.

    Parameters
    ----------
    columns : one, but for labels (a column a finding); none for what is only to be predicted.
    classes : names that are fixed by a trained model; for masks those of the structures.
    normal : for anomalies, the value that is no anomaly.
    allow_unlabelled : whether rows without an answer count as unknown.

    Raises
    ------
    CohortError
        That names rows and columns of cells that cannot be read or are missing.
    """
    check_target(target)
    n = len(table)
    if target in PICTURED:
        return tuple(classes or ()), np.zeros(n, dtype=np.int64)
    if target == "classes":
        label = columns[0] if columns else None
        return read_labels(table, label, classes, allow_unlabelled=allow_unlabelled, label_codes=label_codes)
    problems = Problems("The table")
    names: tuple[str, ...] = ()
    if target == "anomaly":
        names = ANOMALY_CLASSES
        y = _normal_or_not(table[columns[0]], normal) if columns else np.full(n, -1)
        known = y >= 0
    elif target == "number":
        y = _numbers(table[columns[0]], problems) if columns else np.full(n, np.nan)
        known = ~np.isnan(y)
    else:
        names = tuple(map(str, columns or classes or ()))
        if classes is not None and names != tuple(classes):
            raise CohortError(
                f"The findings are {', '.join(names)}; the model knows {', '.join(classes)}.",
                fix="name the same columns in the same order",
            )
        y = _findings(table, columns, problems) if columns else np.full((n, len(names)), np.nan, dtype=np.float32)
        known = ~np.isnan(y).all(axis=1)
    problems.raise_if_any(CohortError)
    if not (allow_unlabelled or known.all()):
        at = np.flatnonzero(~known)
        raise CohortError(
            f"{len(at)} of {n} rows have no {' nor '.join(map(repr, columns))}, the first row {at[0] + 2}.",
            fix="fill them in or remove these rows; a model cannot learn from them",
        )
    return names, y


def _numbers(values: pd.Series, problems: Problems) -> np.ndarray:
    texts = [as_category(v) for v in values]
    y = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64, copy=True)
    for row, text in enumerate(texts):
        if text is not None and not np.isfinite(y[row]):
            _add(problems, values, row, f"{text!r} is no number", "correct these cells")
    return y


def _findings(table: pd.DataFrame, columns: Sequence[str], problems: Problems) -> np.ndarray:
    y = np.full((len(table), len(columns)), np.nan, dtype=np.float32)
    for k, column in enumerate(columns):
        for row, text in enumerate(map(as_category, table[column])):
            if text is None:
                continue
            word = text.lower()
            if word in _YES or word in _NO:
                y[row, k] = word in _YES
            else:
                fix = "write 1 (there), 0 (not) or nothing (unknown); --missing WORD makes a word mean unknown"
                _add(problems, table[column], row, f"{text!r} is neither 1 nor 0", fix)
    return y


def _normal_or_not(values: pd.Series, normal: str | None) -> np.ndarray:
    texts = [as_category(v) for v in values]
    present = sorted({t for t in texts if t is not None})
    if normal is None or normal not in present:
        said = "is not given" if normal is None else f"{normal!r} does not occur"
        raise CohortError(
            f"Which value of {str(values.name)!r} is normal {said}; there are {', '.join(present[:12])}.",
            fix=f"name it, as in --normal '{present[0] if present else 'healthy'}'",
        )
    return np.array([-1 if t is None else int(t != normal) for t in texts], dtype=np.int64)


def _add(problems: Problems, column: pd.Series, row: int, what: str, fix: str) -> None:
    problems.add(what, row=row + 2, column=str(column.name), fix=fix)
