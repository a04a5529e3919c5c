"""Spreadsheets (.xlsx): the first sheet, or the one named after a '#', with numbers and dates as they are shown."""

from __future__ import annotations

import datetime
import re
import warnings
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import pandas as pd

from everygroup.console import say
from everygroup.errors import TableError
from everygroup.tables.delimited import header
from everygroup.tables.missing import Spelling
from everygroup.tables.problems import Problems
from everygroup.tables.source import SAMPLE_ROWS, Source

_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    zipfile.BadZipFile,
    ParseError,
)


@dataclass(frozen=True)
class Sheet(Source):
    """One sheet of a spreadsheet.

    Attributes
    ----------
    texts : every cell as text.
    rows : (n,) the sheet's own numbers of the rows.
    """

    texts: pd.DataFrame
    rows: tuple[int, ...]

    def line(self, row: int) -> int:
        """The sheet's own number of a row."""
        return self.rows[row]

    def cells(self, columns: Sequence[str], *, floats: Collection[str], plain: Collection[str]) -> pd.DataFrame:
        """Read some columns; see `Source.cells`."""
        table = self.texts[list(columns)].copy()
        for column in columns:
            if column not in plain:
                table[column] = table[column].astype("category")
        return table


def open_sheet(path: Path, name: str, spelling: Spelling) -> Sheet:
    """Read a sheet: the one of that name, or the first for "".

    Raises
    ------
    TableError
        If openpyxl is not installed, or the file is no readable spreadsheet, or its table is none.
    """
    rows = [(k, row) for k, row in read_cells(path, name) if any(row)]
    if not rows:
        raise TableError(f"{path}: the table is empty.", fix="give a sheet with a header and rows")
    problems = Problems(path.name)
    width = max(k for k, cell in enumerate(rows[0][1], 1) if cell)
    columns = header(rows[0][1][:width], problems, rows[0][0])
    for number, row in rows[1:]:
        if any(row[width:]):
            n = max(k for k, cell in enumerate(row, 1) if cell)
            problems.add(
                f"{n} fields, where the header has {width}", row=number, fix="give every column a name in the header"
            )
    problems.raise_if_any()
    cut = [[*row[:width], *[""] * (width - len(row))] for _, row in rows[1:]]
    texts = pd.DataFrame(cut, columns=pd.Index(columns), dtype=str)
    return Sheet(path, columns, texts.head(SAMPLE_ROWS), spelling, texts, tuple(number for number, _ in rows[1:]))


def read_cells(path: Path, name: str = "") -> list[tuple[int, list[str]]]:
    """Return the cells of a sheet as texts, row by row with the row's number; formulas as their saved values.

    Raises
    ------
    TableError
        If openpyxl is not installed, or the file is no readable spreadsheet, or has no sheet of that name.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise TableError(
            f"{path}: spreadsheets are read with openpyxl, which is not installed.",
            fix="pip install 'everygroup[excel]', or save the table as CSV (UTF-8)",
        ) from error
    try:
        with warnings.catch_warnings():  # styles and validations that openpyxl leaves aside do not concern the cells
            warnings.simplefilter("ignore", UserWarning)
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            try:
                sheets = {sheet.title: sheet for sheet in book.worksheets}
                if name and name not in sheets:
                    raise TableError(f"{path}: has no sheet {name!r}.", fix=f"the sheets are: {', '.join(sheets)}")
                chosen = name or next(iter(sheets), "")
                if not chosen:
                    raise TableError(f"{path}: holds no sheet of cells.", fix="give a spreadsheet with a table")
                if len(sheets) > 1 and not name:
                    others = ", ".join(s for s in sheets if s != chosen)
                    say(f"{path.name}: reading the sheet {chosen!r} ('{path.name}#NAME' reads another: {others}).")
                return [(k, [shown(c) for c in row]) for k, row in enumerate(sheets[chosen].iter_rows(), 1)]
            finally:
                book.close()
    except TableError:
        raise
    except _DAMAGED as error:
        raise TableError(
            f"{path}: cannot be read as a spreadsheet ({error}).", fix="copy or download the file again"
        ) from error


def shown(cell: Any) -> str:
    """Return a cell's text: 40 for 40.0, 0007 where the format pads with zeros, 2020-01-31 for a date."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and re.fullmatch(r"0{2,}", cell.number_format or ""):
        return f"{value:0{len(cell.number_format)}d}"
    return str(value).strip()
