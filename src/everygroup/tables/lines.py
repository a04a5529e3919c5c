"""Lines of a CSV file: those with too few or too many fields, and the line that each row begins in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from everygroup.tables.encoding import open_bytes

_CHUNK = 1 << 24


def ragged(path: Path, separator: str, encoding: str, n_columns: int, skip: int) -> list[tuple[int, int]]:
    """Return every line (counted from 1) whose number of fields is not the header's, and that number.

    Parameters
    ----------
    skip : lines before the header.
    """
    if encoding in ("utf-8-sig", "cp1252", "mac-roman"):
        try:
            return _ragged_plain(path, ord(separator), n_columns, skip)
        except _QuotedError:
            pass
    found = records(path, separator, encoding, skip)
    return [(line, len(record)) for line, record in found if len(record) != n_columns]


def line_numbers(path: Path, separator: str, encoding: str, skip: int) -> NDArray[np.int64]:
    """Return the (n,) lines in which the rows begin, without the header."""
    lines = [line for line, _ in records(path, separator, encoding, skip)]
    return np.asarray(lines[1:], dtype=np.int64)


def records(path: Path, separator: str, encoding: str, skip: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Records that are not blank, each with the line it begins in, the header first."""
    with open_bytes(path) as data, io.TextIOWrapper(data, encoding=encoding, errors="replace", newline="") as handle:
        reader = csv.reader(handle, delimiter=separator, skipinitialspace=True)
        line = 1
        try:
            for record in reader:
                if line > skip and (any(field.strip() for field in record) or len(record) > 1):
                    yield line, record
                line = reader.line_num + 1
        except csv.Error:  # pandas says what is wrong with it
            return


class _QuotedError(Exception):
    """The file has quotes, or lines that do not end in a line feed: bytes are not enough to count fields."""


def _ragged_plain(path: Path, separator: int, n_columns: int, skip: int) -> list[tuple[int, int]]:
    """Count separators in bytes: fast, and right where nothing is quoted."""
    before, rest, found = 0, b"", []
    with open_bytes(path) as handle:
        while chunk := handle.read(_CHUNK):
            if b'"' in chunk or (b"\r" in chunk and b"\n" not in chunk):
                raise _QuotedError
            rest += chunk
            whole = rest.rfind(b"\n") + 1
            if not whole:
                continue
            found += [(before + k, n) for k, n in _ragged_in(rest[:whole], separator, n_columns)]
            before += rest.count(b"\n", 0, whole)
            rest = rest[whole:]
    if rest:
        found += [(before + k, n) for k, n in _ragged_in(rest + b"\n", separator, n_columns)]
    return [(line, n) for line, n in found if line > skip]


def _ragged_in(lines: bytes, separator: int, n_columns: int) -> list[tuple[int, int]]:
    data = np.frombuffer(lines, dtype=np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    count = np.diff(np.searchsorted(np.flatnonzero(data == separator), ends), prepend=0)
    found = []
    for k in np.flatnonzero(count != n_columns - 1):
        start = 0 if k == 0 else int(ends[k - 1]) + 1
        if count[k] or lines[start : int(ends[k])].strip(b" \t\r\xef\xbb\xbf"):
            found.append((int(k) + 1, int(count[k]) + 1))
    return found
