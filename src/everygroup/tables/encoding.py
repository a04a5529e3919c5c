"""In which encoding a text file was written: told by its bytes, and said where it is not UTF-8."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path
from typing import IO, cast

from everygroup.console import say
from everygroup.errors import TableError

_CHUNK = 1 << 22
_HEAD = 1 << 16
_CONTROL = bytes(b for b in range(32) if b not in b"\t\n\r")
_ASCII = bytes(range(128))
# Letters of Western languages; what else stands above 127 in a code page is punctuation, or rare.
_LETTERS = frozenset("äöüßÄÖÜéèêëÉÈàâáãåÀÁÅçÇñÑôòóõøØÓûùúÚîïíìæÆœ")
_SAID = {"cp1252": "Windows-1252", "mac-roman": "Mac Roman"}


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, unpacking it where its name ends in .gz."""
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


def encoding_of(path: Path) -> str:
    """Return the encoding of a whole file: utf-8-sig, utf-16, utf-16-le, utf-16-be, cp1252 or mac-roman.

    A file of neither UTF-8 nor UTF-16 was written in a code page, and which one is told by what its bytes would mean:
    the one in which more of them are letters of Western languages, Windows-1252 where that decides nothing.

    Raises
    ------
    TableError
        If it holds binary data.
    OSError, EOFError
        If it cannot be read or unpacked.
    """
    with open_bytes(path) as handle:
        head = handle.read(_HEAD)
        if marked := _utf16(path, head):
            return marked
        decoder, rest, foreign, line, first = codecs.getincrementaldecoder("utf-8")(), head, b"", 1, ""
        while rest:
            if len(rest) - len(rest.translate(None, _CONTROL)) > 0.05 * len(rest):
                raise TableError(f"{path}: holds binary data, not a table.", fix="give a CSV, parquet or xlsx file")
            if not first:
                try:
                    decoder.decode(rest)
                except UnicodeDecodeError as error:
                    data, at = error.object, error.start
                    number = line + data.count(b"\n", 0, at)
                    first = f"line {number} is not UTF-8 (byte 0x{data[at]:02x})"
                line += rest.count(b"\n")
            foreign += rest.translate(None, _ASCII)
            rest = handle.read(_CHUNK)
    if not first:
        return "utf-8-sig"
    page = max(("cp1252", "mac-roman"), key=lambda name: _letters(foreign, name))  # the first of equals
    say(f"{path.name}: {first}; read as {_SAID[page]}.")
    return page


def _letters(data: bytes, encoding: str) -> int:
    return sum(character in _LETTERS for character in data.decode(encoding, errors="replace"))


def _utf16(path: Path, head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        say(f"{path.name}: read as UTF-16.")
        return "utf-16"
    if b"\0" in head:
        for name, first in (("utf-16-le", 1), ("utf-16-be", 0)):
            start = head[: len(head) // 2 * 2][:4000]
            if len(start) > 4 and start[first::2].count(0) > 0.9 * len(start[first::2]):
                say(f"{path.name}: read as UTF-16 without a mark.")
                return name
    return ""
