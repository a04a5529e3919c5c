"""An image array on disk that grows in order and survives a kill: `images.npy` becomes visible only when whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from everygroup.console import say
from everygroup.errors import OutputError
from everygroup.files import write_text

PART = ".images.part"
PROGRESS = ".progress.jsonl"
LOCK = ".lock"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn 'no permission', 'read-only' and 'disk full' into one clear message."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(f"No space left while writing {folder}.", fix="free some space and run again") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise OutputError(
                f"Cannot write into {folder}: {error.strerror}.",
                fix="choose another folder with --out, or another cache with the variable EVERYGROUP_CACHE",
            ) from error
        raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time fill a folder; the system drops the lock of a killed process."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / LOCK).open("a")
    with handle:
        if sys.platform != "win32":  # on Windows two processes would write the same bytes twice
            import fcntl

            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"Another process is preparing {folder}; waiting for it.")
                fcntl.flock(handle, fcntl.LOCK_EX)
            except OSError:  # some network file systems know no locks; the writes stay atomic
                pass
        yield


def require_space(folder: Path, n_bytes: int) -> None:
    """Refuse to start what cannot be finished."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OutputError(
            f"{folder} needs {n_bytes / 2**20:.0f} MiB for the images, but only {free / 2**20:.0f} MiB are free.",
            fix="free some space, use a smaller --image-size, or another folder",
        )


class GrowingArray:
    """Append (b, *shape) uint8 blocks; every `commit` is a point from which a later run goes on.

    Parameters
    ----------
    folder : Path
        Holds the unfinished file and its log.
    key : str
        What is being written; work under another key is thrown away.
    n, shape : int, tuple
        Largest number of images and the shape of one.
    """

    def __init__(self, folder: Path, key: str, n: int, shape: tuple[int, ...]) -> None:
        self.folder, self.key, self.n, self.shape = folder, key, n, shape
        self.kept = 0
        self.done = 0
        self.notes: list[Any] = []
        self._bytes = int(np.prod(shape))
        self._pending: list[Any] = []

    def __enter__(self) -> Self:
        part, log = self.folder / PART, self.folder / PROGRESS
        with writing(self.folder):
            if not self._resume(part, log):
                self.kept, self.done, self.notes = 0, 0, []
                with part.open("wb") as handle:
                    _write_header(handle, (self.n, *self.shape))
                log.write_text(json.dumps({"key": self.key}) + "\n", encoding="utf-8")
            self._data = part.open("r+b")
            self._log = log.open("a", encoding="utf-8")
        with part.open("rb") as handle:
            _skip_header(handle)
            self._start = handle.tell()
        self._data.truncate(self._start + self.kept * self._bytes)
        self._data.seek(0, os.SEEK_END)
        return self

    def __exit__(self, *_: object) -> None:
        self._data.close()
        self._log.close()

    def _resume(self, part: Path, log: Path) -> bool:
        """Read how far an earlier run came: to a torn last line, or to images that are to be tried again."""
        if not (part.exists() and log.exists()):
            return False
        good = []
        for number, line in enumerate(log.read_text(encoding="utf-8").splitlines()):
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if number == 0 and entry.get("key") != self.key:
                return False
            if number:
                if any(note.get("again") for note in entry["notes"]):
                    break
                self.done, self.kept = entry["done"], entry["kept"]
                self.notes += entry["notes"]
            good.append(line + "\n")
        write_text(log, "".join(good))  # what is appended must not follow what is not believed
        with part.open("rb") as handle:
            _skip_header(handle)
            whole = part.stat().st_size - handle.tell() >= self.kept * self._bytes
        return whole and self.done > 0

    def append(self, block: np.ndarray) -> None:
        """Add images, in order."""
        with writing(self.folder):
            self._data.write(np.ascontiguousarray(block, dtype=np.uint8).tobytes())
        self.kept += len(block)

    def put(self, position: int, block: np.ndarray) -> None:
        """Write images at a position, for sources whose order differs; call `append` no more."""
        with writing(self.folder):
            self._data.seek(self._start + position * self._bytes)
            self._data.write(np.ascontiguousarray(block, dtype=np.uint8).tobytes())
        self.kept += len(block)

    def commit(self, done: int, notes: list[Any]) -> None:
        """Record that the first `done` inputs are dealt with, with notes (dicts) on those left out.

        A later run goes on before the first note that says ``"again": true``.
        """
        with writing(self.folder):
            self._data.flush()
            os.fsync(self._data.fileno())
            self._log.write(json.dumps({"done": done, "kept": self.kept, "notes": notes}) + "\n")
            self._log.flush()
        self.done = done
        self.notes += notes

    def finish(self) -> Path:
        """Write the final number of images into the header; return the file, to be moved to where it belongs.

        The log stays, so that a run killed before `forget` is known for ours.
        """
        with writing(self.folder):
            self._data.seek(0)
            _write_header(self._data, (self.kept, *self.shape))
            self._data.flush()
            os.fsync(self._data.fileno())
            self._data.close()
            self._log.close()
        return self.folder / PART

    def forget(self) -> None:
        """Remove the log, once the file has its place."""
        with writing(self.folder):
            (self.folder / PROGRESS).unlink(missing_ok=True)


def _write_header(handle: Any, shape: tuple[int, ...]) -> None:
    # numpy leaves room for the first axis to grow to 21 digits, so the header's length does not depend on n.
    descr = np.lib.format.dtype_to_descr(np.dtype(np.uint8))
    np.lib.format.write_array_header_1_0(handle, {"descr": descr, "fortran_order": False, "shape": shape})


def _skip_header(handle: Any) -> None:
    np.lib.format.read_magic(handle)
    np.lib.format.read_array_header_1_0(handle)
