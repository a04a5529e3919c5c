"""Atomic writes and content hashes: a reader never meets half a file, a cache never serves the wrong one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from everygroup.errors import OutputError
from everygroup.mapped import pieces

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters of a text that a spreadsheet may run as a formula."""


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes the final name only if the block succeeds and all is on disk.

    Raises
    ------
    OutputError
        If the folder cannot be written to or the disk is full.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unnamed = path.parent / f".{path.stem}.{secrets.token_hex(6)}{path.suffix}"
        os.close(os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))  # the umask takes what it takes
        temporary = unnamed
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())  # or a power cut may leave the final name on an empty file
        temporary.replace(path)
        temporary = None
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            raise OutputError(f"Cannot write {path}: {error.strerror}.", fix="choose another --out folder") from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(f"No space left while writing {path}.", fix="free some disk space and resume") from error
        raise
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write text as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write a JSON file, atomically. NaN is written as null: JSON knows no NaN."""
    write_text(path, json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which no text cell or column name starts a spreadsheet formula.

    A text that begins with = + - @, a tab or a line break gets a leading apostrophe, as OWASP recommends against CSV
    injection. Numbers are left alone.
    """
    import pandas as pd

    def guarded(value: Any) -> Any:
        return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value

    def is_text(series: pd.Series) -> bool:
        if isinstance(series.dtype, pd.CategoricalDtype):
            return series.cat.categories.dtype.kind == "O"
        return series.dtype.kind == "O" or isinstance(series.dtype, pd.StringDtype)

    columns = {
        i: series.astype(object).map(guarded) if is_text(series) else series
        for i, (_, series) in enumerate(frame.items())
    }
    shown = pd.DataFrame(columns, index=frame.index)
    shown.columns = pd.Index([guarded(str(name)) for name in frame.columns])
    return shown


def safe_csv(frame: pd.DataFrame, path: Path | str) -> Path:
    """Write a table for people to open, atomically and `without_formulas`."""
    with atomic_path(path) as temporary:
        without_formulas(frame).to_csv(temporary, index=False, lineterminator="\n")
    return Path(path)


def read_json(path: Path | str) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def plain(value: Any) -> Any:
    """Turn numpy scalars, arrays, tuples and paths into what JSON can hold; NaN and infinities become None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value


def hash_bytes(*parts: bytes | memoryview) -> str:
    """Hash byte strings in order; each part's length enters, so that parts cannot run together."""
    return _hash((len(part), (part,)) for part in parts)


def _hash(parts: Iterable[tuple[int, Iterable[Any]]]) -> str:
    """Hash parts, each given as its number of bytes and, piece by piece, the bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for length, all_of_it in parts:
        digest.update(length.to_bytes(8, "little"))
        for piece in all_of_it:
            digest.update(piece)
    return digest.hexdigest()


def hash_array(array: np.ndarray) -> str:
    """Hash an array's values, shape and type. Text arrays hash by their characters, not their width.

    A name of a file that is not UTF-8 counts by its bytes.
    """
    if array.dtype.kind in "OUS":
        return hash_bytes(*[str(item).encode("utf-8", "surrogateescape") for item in array.ravel()])
    array = np.ascontiguousarray(array)
    header = f"{array.dtype.str}{array.shape}".encode()
    return _hash([(len(header), (header,)), (array.nbytes, pieces(array.reshape(-1).view(np.uint8)))])


def hash_json(value: Any) -> str:
    """Hash a JSON-able value, whatever the order of its keys."""
    return hash_bytes(json.dumps(plain(value), sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogateescape"))


def hash_file(path: Path | str) -> str:
    """Hash a file's bytes."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def slug(text: str, *, most: int = 60) -> str:
    """Turn a text into a name that any file system takes. Texts that differ may become equal; see `file_name`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:most]


def file_name(text: str) -> str:
    """Return a text as part of a file's name: as it is if it can be one, else its `slug` and a hash, told apart."""
    plainly = slug(text)
    return text if plainly == text else f"{plainly.strip('_')}-{hash_bytes(text.encode())[:6]}"


def cache_folder() -> Path:
    """Return the folder for things that can be made again: $EVERYGROUP_CACHE, else the user's cache folder."""
    if named := os.environ.get("EVERYGROUP_CACHE"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "everygroup"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "everygroup" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "everygroup"
