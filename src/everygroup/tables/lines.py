"""Lines of a CSV file: those too short, which pandas fills up without a word, and the line that a row begins in."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_CHUNK = 1 << 24


def short_line(path: Path, separator: str, encoding: str, n_columns: int) -> tuple[int, int] | None:
    """Return the first line (counted from 1) with fewer fields than the header, and its fields; None without one."""
    if n_columns < 2:
        return None
    if encoding in ("utf-8-sig", "cp1252"):
        try:
            return _short_plain(path, ord(separator), n_columns)
        except _QuotedError:
            pass
    for line, record in _records(path, separator, encoding):
        if len(record) < n_columns:
            return line, len(record)
    return None


def line_of(path: Path, separator: str, encoding: str, row: int) -> int:
    """Return the line in which a row (counted from 0, without the header) begins."""
    for k, (line, _) in enumerate(_records(path, separator, encoding)):
        if k == row + 1:
            return line
    return row + 2


class _QuotedError(Exception):
    """The file has quotes, or lines that do not end in a line feed: bytes are not enough to count fields."""


def _short_plain(path: Path, separator: int, n_columns: int) -> tuple[int, int] | None:
    """Count separators in bytes: fast, and right where nothing is quoted."""
    before, rest = 0, b""
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            if b'"' in chunk or (b"\r" in chunk and b"\n" not in chunk):
                raise _QuotedError
            rest += chunk
            whole = rest.rfind(b"\n") + 1
            if not whole:
                continue
            if found := _short_in(rest[:whole], separator, n_columns):
                return before + found[0], found[1]
            before += rest.count(b"\n", 0, whole)
            rest = rest[whole:]
    found = _short_in(rest + b"\n", separator, n_columns) if rest else None
    return None if found is None else (before + found[0], found[1])


def _short_in(lines: bytes, separator: int, n_columns: int) -> tuple[int, int] | None:
    data = np.frombuffer(lines, dtype=np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    count = np.diff(np.searchsorted(np.flatnonzero(data == separator), ends), prepend=0)
    for k in np.flatnonzero(count < n_columns - 1):
        start = 0 if k == 0 else int(ends[k - 1]) + 1
        if lines[start : int(ends[k])].strip(b" \r\xef\xbb\xbf"):
            return int(k) + 1, int(count[k]) + 1
    return None


def _records(path: Path, separator: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Records that are not blank, each with the line it begins in, the header first."""
    with path.open(encoding=encoding, errors="replace", newline="") as handle:
        reader = csv.reader(handle, delimiter=separator, skipinitialspace=True)
        line = 1
        try:
            for record in reader:
                if any(field.strip() for field in record) or len(record) > 1:
                    yield line, record
                line = reader.line_num + 1
        except csv.Error:  # pandas says what is wrong with it
            return
