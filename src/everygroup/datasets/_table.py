"""Columns, ids and labels of a user's table: written, chosen and checked."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from everygroup.cohort.groups import as_category, missing_column
from everygroup.errors import CohortError
from everygroup.files import atomic_path
from everygroup.tables.frame import ID_NAMES


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table so that `everygroup.tables.read_table` gives it back: blanks and line breaks stay in quotes.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, quoting=csv.QUOTE_NONNUMERIC)


def check_columns(path: Path, table: pd.DataFrame, names: Sequence[str | None]) -> None:
    """Raise for the first of these columns that the table lacks, suggesting the nearest."""
    for name in names:
        if name is not None and name not in table.columns:
            raise missing_column(name, table.columns, where=str(path))


def id_candidates(table: pd.DataFrame) -> list[str]:
    """Return the columns that are named like an id and hold no value twice, the likeliest name first."""
    lower = {str(c).lower(): str(c) for c in table.columns}
    named = [lower[n] for n in ID_NAMES if n in lower]
    return [c for c in named if table[c].notna().all()]


def check_filled(path: Path, ids: pd.Series, column: str) -> None:
    """Raise if ids are missing."""
    missing = np.flatnonzero(ids.isna())
    if len(missing):
        raise CohortError(
            f"{path}: {len(missing)} rows have no {column!r}, the first in row {missing[0] + 2} (row 1 is the header).",
            fix="fill them in or remove these rows",
        )


def check_ids(path: Path, ids: pd.Series, column: str) -> None:
    """Raise if ids are missing or stand in several rows."""
    check_filled(path, ids, column)
    double = ids[ids.duplicated(keep=False)]
    if len(double):
        value, n_twice = double.iloc[0], double.nunique()
        several = "1 id is" if n_twice == 1 else f"{n_twice} ids are"
        at = ", ".join(str(r + 2) for r in np.flatnonzero(ids == value)[:5])
        raise CohortError(
            f"{path}: the id {value!r} stands in several rows ({at}; row 1 is the header); {several} not unique.",
            fix="keep one row an image, or name another column with --id-column",
        )


def unlabelled_rows(table: pd.DataFrame, label: str, classes: Sequence[str] = ()) -> np.ndarray:
    """Return the positions of the rows whose label is missing; a known class may be called 'none'."""
    return np.flatnonzero([as_category(v) is None and str(v).strip() not in classes for v in table[label]])


def listed_rows(positions: np.ndarray) -> str:
    """Return positions as spreadsheet rows: '3, 7, 12, ...'."""
    shown = ", ".join(str(p + 2) for p in positions[:8])
    return f"{shown}, ..." if len(positions) > 8 else shown
