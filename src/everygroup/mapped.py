"""Arrays that lie in a file: what was read of them does not stay this process's memory.

Pages of a memory map count as memory of the process that read them (`ps`, job schedulers, limits of containers) until
they are given back; the system then still has them in its cache as long as nobody else needs the room.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

_BLOCK_BYTES = 32 << 20


def take(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return array[rows] as a new array."""
    mapping = _mapping(array)
    if mapping is None:
        return np.asarray(array[rows])
    taken = np.empty((len(rows), *array.shape[1:]), array.dtype)
    for part in _parts(len(rows), taken):
        taken[part] = array[rows[part]]
        mapping.madvise(mmap.MADV_DONTNEED)
    return taken


def pieces(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield array[:a], array[a:b], ...: views, to be done with before the next."""
    mapping = _mapping(array)
    for part in _parts(len(array), array):
        yield array[part]
        if mapping is not None:
            mapping.madvise(mmap.MADV_DONTNEED)


def write_npy(path: Path, parts: Iterable[np.ndarray], *, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Write an .npy file of this shape part by part, so that memory holds one part of it at a time."""
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype).data)


def _parts(n: int, array: np.ndarray) -> Iterator[slice]:
    size = max(1, _BLOCK_BYTES // max(1, array[:1].nbytes))
    return (slice(start, start + size) for start in range(0, n, size))


def _mapping(array: np.ndarray) -> mmap.mmap | None:
    """Return the read-only memory map that an array shows, if the system can take its pages back."""
    shown: object = array
    while isinstance(shown, np.ndarray):
        if isinstance(shown, np.memmap) and shown.mode != "r":
            return None  # changes that are kept in memory only would be lost
        shown = shown.base
    return shown if isinstance(shown, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None
