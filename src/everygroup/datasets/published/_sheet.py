"""Tables that are distributed as spreadsheets (.xlsx), read cell by cell with openpyxl."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from everygroup.datasets._table import check_columns
from everygroup.errors import CohortError
from everygroup.imaging.arrays import DAMAGED


def read_cells(path: Path) -> list[list[Any]]:
    """Return the cells of the first sheet, row by row, with the values that formulas had when it was saved.

    Raises
    ------
    CohortError
        If openpyxl is not installed, or the file is no readable spreadsheet.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise CohortError(
            f"{path}: spreadsheets are read with openpyxl, which is not installed.",
            fix="pip install 'everygroup[excel]'",
        ) from error
    try:
        with warnings.catch_warnings():  # styles and validations that openpyxl leaves aside do not concern the cells
            warnings.simplefilter("ignore", UserWarning)
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            try:
                return [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]
            finally:
                book.close()
    except DAMAGED as error:
        raise CohortError(
            f"{path}: cannot be read as a spreadsheet ({error}).", fix="copy or download the file again"
        ) from error


def read_sheet(path: Path, *, needs: Sequence[str], column_map: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return the first sheet as a table, its columns renamed to the documented names; empty rows are left out.

    Raises
    ------
    CohortError
        As `read_cells`, for a sheet without rows, and for a documented column that is lacking.
    """
    cells = read_cells(path)
    if len(cells) < 2:
        raise CohortError(f"{path}: holds no rows below its header.", fix="give the file as distributed")
    names = ["" if c is None else str(c).strip() for c in cells[0]]
    if twice := sorted({c for c in names if c and names.count(c) > 1}):
        raise CohortError(f"{path}: the column {twice[0]!r} stands in the header twice.", fix="rename one of them")
    rows = [
        row[: len(names)] + [None] * (len(names) - len(row)) for row in cells[1:] if any(c is not None for c in row)
    ]
    table = pd.DataFrame(rows, columns=names)
    table = table[[c for c in names if c]].rename(columns=dict(column_map or {}))
    check_columns(path, table, list(needs))
    return table
