"""Read a user's table: encodings, separators and every usual defect, each with one clear message."""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from everygroup.cohort.groups import as_category, missing_column
from everygroup.console import say
from everygroup.errors import CohortError
from everygroup.files import atomic_path

ID_NAMES = (
    "image_id",
    "img_id",
    "id",
    "image",
    "file",
    "filename",
    "file_name",
    "filepath",
    "path",
    "isic_id",
    "md5hash",
    "image index",
    "imageid",
    "dicom_id",
    "ddi_file",
    "name",
)
_SEPARATORS = (",", ";", "\t")
_QUOTED = re.compile(r'"[^"]*("|$)')
_ZIP_START = b"PK\x03\x04"


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table so that `read_table` gives it back: blanks and line breaks stay in quotes.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, quoting=csv.QUOTE_NONNUMERIC)


def read_table(path: Path, *, text_columns: Iterable[str] = ()) -> pd.DataFrame:
    """Read a CSV file (comma, semicolon or tab; UTF-8 with or without a mark), also one packed as .csv.gz.

    Parameters
    ----------
    path : Path
    text_columns : iterable of str
        Columns to read as text besides those named like an id, so that '007' keeps its zeros.

    Raises
    ------
    CohortError
        If the file is missing, empty, no table, not UTF-8, ragged, or names a column twice.
    """
    text = _decode(path)
    if not text.strip():
        raise CohortError(f"{path}: the table is empty.", fix="give a CSV file with a header and one row an image")
    first = text.lstrip("\r\n").splitlines()[0]
    separator = max(_SEPARATORS, key=_QUOTED.sub("", first).count)
    if separator != ",":
        say(f"{path.name}: columns are separated by {'tabs' if separator == chr(9) else 'semicolons'}.")
    try:
        header = [h.strip() for h in next(csv.reader(io.StringIO(text.lstrip("\r\n"), ""), delimiter=separator))]
    except csv.Error as error:  # a line of more than 131,072 characters without a separator
        raise CohortError(f"{path}: its header cannot be read ({error}).", fix="give a CSV file (UTF-8)") from error
    named = [h for h in header if h]
    if twice := sorted({h for h in named if named.count(h) > 1}):
        raise CohortError(
            f"{path}: the column {twice[0]!r} stands in the header twice.", fix="rename or remove one of them"
        )
    as_text = {c: str for c in header if c in set(text_columns) or c.lower() in ID_NAMES}
    return _parse(path, separator, as_text)


def _decode(path: Path) -> str:
    if path.suffix.lower() in (".xlsx", ".xls", ".ods"):
        raise CohortError(f"{path}: is a spreadsheet.", fix="save it as CSV (UTF-8) and give that file")
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CohortError(f"{path}: cannot be unpacked ({error}).", fix="copy or download the file again") from error
    except FileNotFoundError:
        raise CohortError(f"{path}: there is no such file.", fix="check the path of the table") from None
    except OSError as error:
        raise CohortError(f"{path}: cannot be read ({error.strerror}).", fix="check the path and its rights") from error
    fix = "save it as 'CSV UTF-8', or convert it: iconv -f WINDOWS-1252 -t UTF-8 old.csv > new.csv"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CohortError(f"{path}: is encoded as UTF-16.", fix=fix.replace("WINDOWS-1252", "UTF-16"))
    if data.startswith(_ZIP_START):
        raise CohortError(f"{path}: is a zip archive or a spreadsheet, not a CSV table.", fix="save it as CSV (UTF-8)")
    if b"\0" in data:
        raise CohortError(f"{path}: holds binary data, not a CSV table.", fix="give a CSV file (UTF-8)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CohortError(
            f"{path}: line {line} is not UTF-8 (byte 0x{data[error.start]:02x}); the file was probably written by a "
            "spreadsheet in a Western code page.",
            fix=fix,
        ) from error


def _parse(path: Path, separator: str, as_text: Mapping[str, type]) -> pd.DataFrame:
    fix = "give every row as many fields as the header has; quote fields that hold the separator"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                sep=separator,
                encoding="utf-8-sig",
                compression="gzip" if path.suffix.lower() == ".gz" else None,
                dtype=dict(as_text),
                index_col=False,
                skipinitialspace=True,
                low_memory=False,
            )
    except pd.errors.ParserWarning:
        raise CohortError(f"{path}: rows have more fields than the header.", fix=fix) from None
    except (pd.errors.ParserError, csv.Error, ValueError) as error:
        raise CohortError(f"{path}: cannot be read as a table ({str(error).strip()}).", fix=fix) from error
    table.columns = [str(c).strip() for c in table.columns]
    if not len(table):
        raise CohortError(f"{path}: holds a header but no rows.", fix="give one row an image")
    return table


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
