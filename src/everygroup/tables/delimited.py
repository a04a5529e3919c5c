"""CSV files of every usual kind: any separator, any encoding, Excel's sep= line, quoted line breaks, packed or not."""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.console import say
from everygroup.errors import TableError
from everygroup.tables.encoding import encoding_of, open_bytes
from everygroup.tables.guard import unguard
from everygroup.tables.lines import line_numbers, ragged, records
from everygroup.tables.missing import Spelling
from everygroup.tables.numbers import Mark, mark_of, marks
from everygroup.tables.problems import Problems
from everygroup.tables.source import SAMPLE_ROWS, Source

_SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}
_EXCEL = re.compile(r"sep=(.)", re.IGNORECASE)
_LOOKED_AT = 50
_RAGGED = "give every row as many fields as the header has; quote fields that hold the separator"


@dataclass(frozen=True)
class Delimited(Source):
    """A CSV file.

    Attributes
    ----------
    separator, encoding : of the file.
    skip : lines before the header.
    """

    separator: str
    encoding: str
    skip: int

    @property
    def default_mark(self) -> Mark | None:
        """A comma cannot be the decimal mark where it separates columns, and rarely is where it is quoted."""
        return Mark.POINT if self.separator == "," else None

    @cached_property
    def _lines(self) -> NDArray[np.int64]:
        return line_numbers(self.path, self.separator, self.encoding, self.skip)

    def line(self, row: int) -> int:
        """Line in which a row begins."""
        return int(self._lines[row]) if row < len(self._lines) else row + 2 + self.skip

    def cells(self, columns: Sequence[str], *, floats: Collection[str], plain: Collection[str]) -> pd.DataFrame:
        """Read some columns; see `Source.cells`."""
        sure = {c for c in columns if c in floats and c not in self.spelling.maps and self._has_points(c)}
        try:
            table = self._parse(columns, {c: np.float64 if c in sure else str for c in columns})
        except ValueError:  # a cell among the numbers is none: read them as text, to name it
            table, sure = self._parse(columns, dict.fromkeys(columns, str)), set()
        for column in columns:
            if column not in sure and column not in plain:
                table[column] = table[column].astype("category")
        return table

    def _has_points(self, column: str) -> bool:
        if self.spelling.decimal:
            return self.spelling.decimal == "."
        texts = [str(t) for t in self.sample[column].unique()]
        proven = marks(texts)
        return proven == {Mark.POINT} or (
            not proven and self.separator == "," and mark_of(texts, set(), Mark.POINT) is Mark.POINT
        )

    def _parse(self, columns: Sequence[str], types: dict[str, Any]) -> pd.DataFrame:
        return _parse(
            self.path,
            self.separator,
            self.encoding,
            self.skip,
            list(self.columns),
            usecols=list(columns),
            dtype=types,
        )


def open_delimited(path: Path, spelling: Spelling) -> Delimited:
    """Look at a CSV file.

    Raises
    ------
    TableError
        If it cannot be read, holds no text, no header or no table; for every column that is named twice and every row
        with more or fewer fields than the header.
    """
    try:
        encoding = encoding_of(path)
        first = _first_line(path, encoding)
        if first is None:
            raise TableError(f"{path}: the table is empty.", fix="give a table with a header and rows")
        skip, told = _excel_line(*first)
        separator = told or _separator(path, encoding, skip)
        head = next(iter(records(path, separator, encoding, skip)), None)
        if head is None:
            raise TableError(f"{path}: its header cannot be read.", fix="give a header in the first line")
        skip = head[0] - 1
        if separator != ",":
            named = _SEPARATORS.get(separator, repr(separator))
            say(f"{path.name}: columns are separated by {named}.")
        problems = Problems(path.name)
        columns = header(head[1], problems, head[0])
        wrong = ragged(path, separator, encoding, len(columns), skip)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TableError(f"{path}: cannot be unpacked ({error}).", fix="copy or download the file again") from error
    except OSError as error:
        raise TableError(
            f"{path}: cannot be read ({error.strerror or error}).", fix="check the path and its rights"
        ) from error
    _tell_ragged(problems, wrong, len(columns), path, separator, encoding, skip)
    problems.raise_if_any()
    sample = _parse(path, separator, encoding, skip, list(columns), nrows=SAMPLE_ROWS, dtype=str)
    return Delimited(path, columns, sample, spelling, separator, encoding, skip)


def header(cells: Sequence[str], problems: Problems, row: int) -> tuple[str, ...]:
    """Return the column names of a header; names that stand twice are problems, columns without one get one."""
    names = [unguard(cell.strip()) for cell in cells]
    for name, n in Counter(n for n in names if n).items():
        if n > 1:
            problems.add(
                f"the column {name!r} stands in the header {'twice' if n == 2 else f'{n} times'}",
                row=row,
                fix="rename or remove one of them",
            )
    return tuple(name or f"Unnamed: {k}" for k, name in enumerate(names))


def _first_line(path: Path, encoding: str) -> tuple[int, str] | None:
    """The first line that is not blank, with its number."""
    with open_bytes(path) as data, io.TextIOWrapper(data, encoding=encoding, errors="replace") as handle:
        return next(((k, line) for k, line in enumerate(handle, 1) if line.strip("\ufeff \t\r\n")), None)


def _excel_line(line: int, text: str) -> tuple[int, str]:
    """Lines to skip, and the separator that Excel's first line names ("" without one)."""
    match = _EXCEL.fullmatch(text.strip("\r\n").strip('"'))
    return (line, match[1]) if match else (0, "")


def _separator(path: Path, encoding: str, skip: int) -> str:
    """The separator that splits header and first rows into the same number of fields, the most of them."""
    best: tuple[tuple[float, int], str] = ((-1.0, 0), ",")
    for mark in _SEPARATORS:
        rows = [record for _, record in islice(records(path, mark, encoding, skip), _LOOKED_AT)]
        if not rows or len(rows[0]) < 2:
            continue
        fits = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        best = max(best, ((fits, len(rows[0])), mark), key=lambda found: found[0])
    return best[1]


def _tell_ragged(
    problems: Problems,
    wrong: list[tuple[int, int]],
    n_columns: int,
    path: Path,
    separator: str,
    encoding: str,
    skip: int,
) -> None:
    if not wrong:
        return
    counts = {n for _, n in wrong}
    if len(counts) == 1 and len(wrong) > 1 and len(wrong) == len(line_numbers(path, separator, encoding, skip)):
        n = counts.pop()
        hint = "; are there decimal commas without quotes?" if separator == "," and n > n_columns else ""
        problems.add(f"all {len(wrong):,} rows have {_fields(n)}, where the header has {n_columns}{hint}", fix=_RAGGED)
        return
    for line, n in wrong:
        problems.add(f"{_fields(n)}, where the header has {n_columns}", row=line, fix=_RAGGED)


def _fields(n: int) -> str:
    return f"{n} field{'' if n == 1 else 's'}"


def _parse(path: Path, separator: str, encoding: str, skip: int, names: list[str], **options: Any) -> pd.DataFrame:
    """Parse a CSV file; every cell is taken as it is written, and an empty cell stays empty."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            return pd.read_csv(
                path,
                sep=separator,
                encoding=encoding,
                encoding_errors="strict" if encoding == "utf-8-sig" else "replace",
                compression="gzip" if path.suffix.lower() == ".gz" else None,
                keep_default_na=False,
                skipinitialspace=True,
                index_col=False,
                low_memory=False,
                skiprows=skip,
                header=0,
                names=names,
                **options,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, csv.Error) as error:
        raise TableError(f"{path}: cannot be read as a table ({str(error).strip()}).", fix=_RAGGED) from error
    except UnicodeError as error:
        raise TableError(f"{path}: cannot be read ({error}).", fix="save it as CSV (UTF-8)") from error
