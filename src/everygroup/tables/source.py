"""Open anybody's table: CSV with any usual separator and encoding, or parquet; only the columns that are needed."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.console import say
from everygroup.errors import TableError
from everygroup.tables.guard import unguard
from everygroup.tables.lines import line_of, short_line

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_HEAD = 1 << 20
_CONTROL = bytes(b for b in range(32) if b not in b"\t\n\r")
_SAMPLE_ROWS = 1000


@dataclass(frozen=True)
class Source:
    """A table on disk, not yet read.

    Attributes
    ----------
    path : the file.
    columns : its column names.
    separator : of a CSV file; empty for parquet.
    encoding : of a CSV file.
    sample : the first rows, every cell as text.
    """

    path: Path
    columns: tuple[str, ...]
    separator: str
    encoding: str
    sample: pd.DataFrame

    @property
    def name(self) -> str:
        """Name of the file, for messages."""
        return self.path.name

    def place(self, row: int) -> str:
        """File and row for messages, as a text editor counts: blank lines and line breaks within quotes count, too."""
        line = line_of(self.path, self.separator, self.encoding, row) if self.separator else row + 1
        return f"{self.name}, row {line}"

    def read(
        self, columns: Collection[str], *, numbers: Collection[str] = (), texts: Collection[str] = ()
    ) -> pd.DataFrame:
        """Read some columns: every cell as it is written.

        Parameters
        ----------
        columns : their names; they come as categories, which few different texts in many rows are kept as best.
        numbers : those that are wanted as floats, NaN where empty.
        texts : those that hold a different text in nearly every row, and are no categories.

        Raises
        ------
        TableError
            For ragged rows, or text in a column of numbers, naming the row.
        """
        wanted = [c for c in self.columns if c in set(columns)]
        if self.separator:
            table = self._csv(wanted, set(numbers), set(texts))
        else:
            table = self._parquet(wanted, {*numbers, *texts})
        if not len(table):
            raise TableError(f"{self.name} has no rows.", fix="check that it holds a header and data")
        for column in wanted:
            if column in numbers and not pd.api.types.is_float_dtype(table[column].dtype):
                table[column] = self._as_numbers(table[column], column)
        return table

    def _csv(self, columns: Sequence[str], numbers: set[str], texts: set[str]) -> pd.DataFrame:
        try:
            table = self._parse(columns, {c: np.float64 if c in numbers else str for c in columns})
        except ValueError:  # a cell among the numbers is none: read them as text, to name it or its decimal comma
            table = self._parse(columns, dict.fromkeys(columns, str))
        for column in columns:
            if column not in numbers and column not in texts:
                table[column] = table[column].astype("category")
        return table

    def _parse(self, columns: Sequence[str], types: dict[str, Any]) -> pd.DataFrame:
        names = list(self.columns)
        return _parse(
            self.path, self.separator, self.encoding, names=names, header=0, usecols=list(columns), dtype=types
        )

    def _parquet(self, columns: Sequence[str], uncoded: set[str]) -> pd.DataFrame:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(self.path, columns=list(columns))
            texts = [f.name for f in table.schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
            return table.to_pandas(categories=[c for c in texts if c not in uncoded], ignore_metadata=True)
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"Cannot read {self.name}: {error}", fix="give an intact parquet file") from error

    def _as_numbers(self, column: pd.Series, name: str) -> np.ndarray:
        """Turn texts into numbers, with a decimal comma where commas do not separate columns."""
        if column.dtype.kind in "iufb":
            return column.to_numpy(np.float64, na_value=np.nan)
        texts = pd.Series([str(v) for v in column.cat.categories] if hasattr(column, "cat") else column.astype(str))
        codes = column.cat.codes.to_numpy() if hasattr(column, "cat") else np.arange(len(column))
        values = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64)
        if self.separator != "," and np.isnan(values).any():
            with_point = pd.to_numeric(texts.str.replace(",", ".", n=1, regex=False), errors="coerce").to_numpy(float)
            if np.isnan(with_point).sum() < np.isnan(values).sum():
                say(f"{self.name}: the numbers in {name!r} have a decimal comma.")
                values = with_point
        wrong = np.isnan(values) & ~texts.str.strip().str.lower().isin(["", "nan", "na"]).to_numpy(dtype=bool)
        if wrong.any():
            row = int(np.isin(codes, np.flatnonzero(wrong)).argmax())
            raise TableError(
                f"{self.place(row)}: {texts[int(codes[row])]!r} in column {name!r} is no score.",
                fix="give a number in every row",
            )
        return np.append(values, np.nan)[codes]


def open_table(path: Path | str) -> Source:
    """Look at a file: its kind, encoding, separator, columns and first rows.

    Parameters
    ----------
    path : a CSV or parquet file, or a run folder that holds predictions.csv or predictions.parquet.

    Raises
    ------
    TableError
        If there is no such file, it may not be read, holds no text, no header, or names a column twice.
    """
    path = file_of(Path(path))
    try:
        with path.open("rb") as handle:
            head = handle.read(_HEAD)
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror}).", fix="check the file's rights") from error
    if head.startswith(b"PAR1") or path.suffix.lower() in (".parquet", ".pq"):
        return _open_parquet(path)
    if head.startswith(b"PK\x03\x04") or path.suffix.lower() in (".xlsx", ".xls", ".ods"):
        raise TableError(f"{path.name} is a spreadsheet or an archive.", fix="save it as CSV (UTF-8)")
    if not head.strip(b"\xef\xbb\xbf \r\n\t"):
        raise TableError(f"Cannot read {path.name}: it is empty.", fix="give a table with a header and rows")
    encoding = _encoding(path, head)
    first = re.split(r"[\r\n]", head.decode(encoding, errors="ignore").lstrip("\ufeff").lstrip("\r\n"))[0]
    if not first.strip():
        raise TableError(f"Cannot read {path.name}: it has no header.", fix="give a header in the first line")
    separator = max(_SEPARATORS, key=first.count)
    if separator != ",":
        say(f"{path.name}: columns are separated by {_SEPARATORS[separator]}.")
    _check_header(path, first, separator)
    sample = _parse(path, separator, encoding, nrows=_SAMPLE_ROWS, dtype=str)
    names = [unguard(str(c).strip()) for c in sample.columns]
    if twice := sorted({c for c in names if names.count(c) > 1}):
        raise _twice(path, twice[0])
    sample.columns = pd.Index(names)
    if short := short_line(path, separator, encoding, len(names)):
        raise TableError(
            f"{path.name}, row {short[0]}: {short[1]} field{'s' if short[1] > 1 else ''}, where the header has "
            f"{len(names)}.",
            fix="give every row as many fields as the header has; quote fields that hold the separator",
        )
    return Source(path, tuple(names), separator, encoding, sample)


def file_of(path: Path) -> Path:
    """Return the table itself: the file, or that of a run folder."""
    if path.is_dir():
        for name in ("predictions.csv", "predictions.parquet"):
            if (path / name).is_file():
                return path / name
        raise TableError(
            f"No file {path}; it is a folder, and it holds no predictions.csv.",
            fix="give a table of predictions, or the folder of a finished run",
        )
    if not path.is_file():
        raise TableError(f"No file {path}.", fix="give a CSV or parquet file of predictions, or a run folder")
    return path


def _encoding(path: Path, head: bytes) -> str:
    """Find the encoding; anything but UTF-8 is said aloud."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        say(f"{path.name}: read as UTF-16.")
        return "utf-16"
    if b"\0" in head:
        for name, first in (("utf-16-le", 1), ("utf-16-be", 0)):
            start = head[: len(head) // 2 * 2][:4000]
            if start[first::2].count(0) > 0.9 * len(start[first::2]):
                say(f"{path.name}: read as UTF-16 without a mark.")
                return name
    if b"\0" in head or len(head) - len(head.translate(None, _CONTROL)) > 0.05 * len(head):
        raise TableError(f"{path.name} holds binary data, not a table.", fix="give a CSV or parquet file")
    try:
        head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            line = head.count(b"\n", 0, error.start) + 1
            say(f"{path.name}: line {line} is not UTF-8 (byte 0x{head[error.start]:02x}); read as Windows-1252.")
            return "cp1252"
    return "utf-8-sig"


def _check_header(path: Path, first: str, separator: str) -> None:
    """Stop where a column name stands twice: pandas would silently rename the second."""
    try:
        written = [h.strip() for h in next(csv.reader(io.StringIO(first), delimiter=separator, skipinitialspace=True))]
    except (csv.Error, StopIteration):
        return
    named = [h for h in written if h]
    if twice := sorted({h for h in named if named.count(h) > 1}):
        raise _twice(path, twice[0])


def _twice(path: Path, name: str) -> TableError:
    return TableError(
        f"{path.name}: the column {name!r} stands in the header twice.", fix="rename or remove one of them"
    )


def _parse(path: Path, separator: str, encoding: str, **options: Any) -> pd.DataFrame:
    """Parse a CSV file; every cell is taken as it is written, and an empty cell stays empty."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            table = pd.read_csv(
                path,
                sep=separator,
                encoding=encoding,
                encoding_errors="replace" if encoding == "cp1252" else "strict",
                keep_default_na=False,
                skipinitialspace=True,
                index_col=False,
                low_memory=False,
                **options,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, csv.Error) as error:
        raise TableError(
            f"Cannot read {path.name}: {str(error).strip()}",
            fix="give a table with a header, and in every row as many fields as the header has",
        ) from error
    except UnicodeError as error:
        if encoding == "utf-8-sig":  # its first megabyte was UTF-8
            say(f"{path.name}: is not UTF-8 throughout; read as Windows-1252.")
            return _parse(path, separator, "cp1252", **options)
        raise TableError(f"Cannot read {path.name}: {error}", fix="save it as CSV (UTF-8)") from error
    return table


def _open_parquet(path: Path) -> Source:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise TableError(
            f"Reading {path.name} needs pyarrow.", fix="pip install 'everygroup[parquet]', or save the table as CSV"
        ) from None
    try:
        file = pq.ParquetFile(path)
        columns = tuple(file.schema_arrow.names)
        batch = next(file.iter_batches(batch_size=_SAMPLE_ROWS), None)
        sample = file.schema_arrow.empty_table() if batch is None else pa.Table.from_batches([batch])
        frame = sample.to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"Cannot read {path.name}: {error}", fix="give an intact parquet file") from error
    if twice := sorted({c for c in columns if columns.count(c) > 1}):
        raise _twice(path, twice[0])
    return Source(path, columns, "", "", frame.astype(object).where(frame.notna(), "").astype(str))
