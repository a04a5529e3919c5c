"""Codings that many data sets share: ages, sexes, one-hot labels; and finding their files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort.groups import as_category, missing_column
from everygroup.datasets._table import check_columns, check_ids
from everygroup.errors import CohortError
from everygroup.tables.ages import in_years, plausible
from everygroup.tables.frame import read_table


def find_file(folder: Path, *patterns: str) -> Path:
    """Return the first file that fits one of the patterns, in the folder or anywhere below it.

    Raises
    ------
    CohortError
        If there is none, or the folder does not exist.
    """
    if not folder.is_dir():
        raise CohortError(f"{folder}: there is no such folder.", fix="give the folder of the data set's files")
    for pattern in patterns:
        for search in (folder.glob, folder.rglob):  # a set may hold 100,000 folders: look below only where one must
            if files := [p for p in sorted(search(pattern)) if p.is_file() and not p.name.startswith(".")]:
                return files[0]
    raise CohortError(
        f"{folder}: holds no file {' or '.join(patterns)}.", fix="give the folder that the data set was unpacked into"
    )


def has_file(folder: Path, *patterns: str) -> bool:
    """Tell whether `find_file` would find one."""
    return folder.is_dir() and any(p.is_file() for pattern in patterns for p in folder.rglob(pattern))


def read_source(
    path: Path, *, needs: Sequence[str], text: Iterable[str] = (), column_map: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Read a table of a data set, rename a user's columns to the documented names, and check that they are there.

    Raises
    ------
    CohortError
        As `everygroup.tables.frame.read_table`, and for a documented column that is lacking.
    """
    renamed = dict(column_map or {})
    table = read_table(path, text_columns=[*text, *(old for old, new in renamed.items() if new in set(text))])
    table = table.rename(columns=renamed)
    if twice := table.columns[table.columns.duplicated()].tolist():
        raise CohortError(
            f"{path}: two columns would be called {twice[0]!r}.", fix="correct the names given with --column-map"
        )
    check_columns(path, table, list(needs))
    return table


def years(values: Iterable[Any], *, placeholders: Iterable[float] = ()) -> tuple[pd.Series, int]:
    """Return ages in years (float, NaN where missing) and how many were impossible, unreadable or placeholders."""
    texts = [as_category(v) for v in values]
    ages = plausible(in_years(texts)).exact
    ages[np.isin(ages, list(placeholders))] = np.nan
    known = np.array([t is not None for t in texts], dtype=bool)
    return pd.Series(ages, dtype=float), int((known & np.isnan(ages)).sum())


def recode(values: Iterable[Any], codes: Mapping[str, str | None], *, column: str, where: str) -> pd.Series:
    """Translate categories (any case); missing stays missing, None makes a value missing.

    Raises
    ------
    CohortError
        For a value that is in no code, naming its row (the header is row 1).
    """
    known = {key.casefold(): value for key, value in codes.items()}
    result: list[str | None] = []
    for row, value in enumerate(values, start=2):
        text = as_category(value)
        if text is not None and text.casefold() not in known:
            raise CohortError(
                f"{where}: row {row}: unknown {column} {text!r}.", fix=f"the known values are {', '.join(codes)}"
            )
        result.append(None if text is None else known[text.casefold()])
    return pd.Series(result, dtype=object)


def categories(values: Iterable[Any], *, missing: Iterable[str] = ()) -> pd.Series:
    """Return categories as text ('3', not '3.0'), None where missing; `missing` names more words for it ('-1')."""
    unknown = {word.casefold() for word in missing}
    texts = [as_category(v) for v in values]
    return pd.Series([None if t is None or t.casefold() in unknown else t for t in texts], dtype=object)


def join(table: pd.DataFrame, other: pd.DataFrame, *, on: str, path: Path) -> tuple[pd.DataFrame, int]:
    """Add another table's columns to the rows of this one; return how many rows found none (theirs stay missing).

    Raises
    ------
    CohortError
        If `other`, read from `path`, names a key twice.
    """
    check_ids(path, other[on], on)
    joined = table.merge(other, on=on, how="left", validate="many_to_one")
    return joined, int((~table[on].isin(other[on])).sum())


SEX = {
    **{"male": "male", "m": "male", "female": "female", "f": "female"},
    **{"other": "other", "o": "other"},  # of DICOM: neither male nor female, and known
    **{"unknown": None, "u": None},
}


def from_one_hot(table: pd.DataFrame, columns: Sequence[str], *, where: str) -> pd.Series:
    """Return the name of the one column of each row that is 1.

    Raises
    ------
    CohortError
        For a row with no 1 or several, naming it.
    """
    values = table[list(columns)].apply(pd.to_numeric, errors="coerce").fillna(0).to_numpy(float)
    for row, line in enumerate(values, start=2):
        if not ((line == 0) | (line == 1)).all() or line.sum() != 1:
            raise CohortError(f"{where}: row {row} has {int(line.sum())} of {len(columns)} labels, not one.")
    return pd.Series(np.asarray(columns, dtype=object)[values.argmax(1)], dtype=object)


def find_beside(folder: Path, *patterns: str) -> Path | None:
    """Return the first file that fits one of the patterns in the folder or two levels below it, None if there is none.

    For the tables a set may lack: `find_file` would look through every image folder before it gave up.
    """
    for pattern in patterns:
        for depth in ("", "*/", "*/*/"):
            if files := [p for p in sorted(folder.glob(depth + pattern)) if p.is_file() and not p.name.startswith(".")]:
                return files[0]
    return None


def first_column(path: Path, table: pd.DataFrame, *names: str) -> str:
    """Return the first of several names under which releases of a set have the same column.

    Raises
    ------
    CohortError
        If the table has none of them.
    """
    for name in names:
        if name in table.columns:
            return name
    raise missing_column(" or ".join(names), table.columns, where=str(path))


def exactly(root: Path, names: Iterable[str]) -> list[str]:
    """Return paths relative to a folder; where there is no such file, with its folders written into the name.

    For sets in which files of many patients have the same name: an absent 'patient1/view.jpg' must not be answered by
    the only 'view.jpg' that happens to be there.
    """
    return [name if (root / name).is_file() else name.replace("/", "__") for name in names]
