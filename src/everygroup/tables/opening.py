"""Open anybody's table: CSV of any usual kind, parquet, a sheet of a spreadsheet, or the predictions of a run."""

from __future__ import annotations

from pathlib import Path

from everygroup.errors import TableError
from everygroup.tables.delimited import open_delimited
from everygroup.tables.missing import Spelling
from everygroup.tables.parquet import open_parquet
from everygroup.tables.sheet import open_sheet
from everygroup.tables.source import Source

_OLD_SHEETS = (".xls", ".ods", ".numbers")
_SHEETS = (".xlsx", ".xlsm")


def open_table(path: Path | str, spelling: Spelling | None = None) -> Source:
    """Look at a file: its kind, encoding, separator, columns and first rows.

    Parameters
    ----------
    path : a CSV, parquet or xlsx file, or a run folder that holds predictions.csv or predictions.parquet; a sheet of a
        spreadsheet is named as in 'book.xlsx#second'.
    spelling : which words are missing values, and which spellings mean one thing.

    Raises
    ------
    TableError
        If there is no such file, it may not be read, holds no text, no header, or names a column twice.
    """
    spelling = spelling or Spelling()
    file, sheet = _sheet_of(Path(path))
    file = file_of(file)
    try:
        with file.open("rb") as handle:
            head = handle.read(4)
    except OSError as error:
        raise TableError(f"{file}: cannot be read ({error.strerror}).", fix="check the file's rights") from error
    suffix = file.suffix.lower()
    if head == b"PAR1" or suffix in (".parquet", ".pq"):
        return open_parquet(file, spelling)
    if suffix in _SHEETS:
        return open_sheet(file, sheet, spelling)
    if suffix in _OLD_SHEETS:
        raise TableError(f"{file}: is a spreadsheet of another kind.", fix="save it as xlsx or CSV (UTF-8)")
    if head == b"PK\x03\x04":
        raise TableError(f"{file}: is a zip archive or a spreadsheet, not a CSV table.", fix="save it as CSV (UTF-8)")
    return open_delimited(file, spelling)


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
    if not _sheet_of(path)[0].is_file():
        raise TableError(f"No file {path}: there is no such file.", fix="give a CSV, parquet or xlsx file")
    return path


def _sheet_of(path: Path) -> tuple[Path, str]:
    """Split 'book.xlsx#second' into the file and its sheet."""
    name, mark, sheet = path.name.rpartition("#")
    if not mark or path.exists() or not name.lower().endswith(_SHEETS):
        return path, ""
    return path.with_name(name), sheet
