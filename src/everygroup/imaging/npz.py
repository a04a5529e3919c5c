"""Decoded images in one npz archive, asked for by sample id."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from everygroup.errors import CohortError
from everygroup.files import hash_json
from everygroup.imaging.arrays import DAMAGED
from everygroup.imaging.names import Named


class NpzImages(Named):
    """Decoded images in an npz archive: `images` uint8 (N, H, W, 3), (N, H, W, 1) or (N, H, W), and `ids` (N,)."""

    kind = "npz"

    def __init__(self, path: Path) -> None:
        self.path = path
        fix = "save it with numpy.savez(file, images=uint8 array (N, S, S, 3), ids=array of N strings)"
        try:
            with path.open("rb") as handle:
                archive = np.load(handle, allow_pickle=False)
                if isinstance(archive, np.ndarray):
                    raise CohortError(f"{path}: a single array, not an npz archive.", fix=fix)
                if lacking := [key for key in ("images", "ids") if key not in archive.files]:
                    raise CohortError(
                        f"{path}: lacks {' and '.join(lacking)}; it holds {', '.join(archive.files) or 'nothing'}.",
                        fix=fix,
                    )
                self.ids = archive["ids"].astype(str)
            self.shape, dtype, ordered = self._header()
        except CohortError:
            raise
        except DAMAGED as error:
            if isinstance(error, ValueError) and "pickle" in str(error).lower():
                raise CohortError(
                    f"{path}: holds Python objects (pickles), which can run code when read.", fix=fix
                ) from error
            raise CohortError(f"{path}: cannot be read as an npz archive ({error}).", fix=fix) from error
        good = dtype == np.uint8 and ordered and len(self.shape) in (3, 4)
        if not good or (len(self.shape) == 4 and self.shape[3] not in (1, 3)):
            raise CohortError(f"{path}: images are {dtype} of shape {self.shape}.", fix=fix)
        if self.ids.ndim != 1 or len(self.ids) != self.shape[0]:
            raise CohortError(f"{path}: {self.shape[0]} images but {self.ids.size} ids.", fix=fix)
        self._position = {str(i): k for k, i in enumerate(self.ids)}
        if len(self._position) < len(self.ids):
            raise CohortError(f"{path}: the ids are not unique.", fix="give every image its own id")

    @property
    def image_size(self) -> int | None:
        """Side of the images, None if they are not square."""
        return int(self.shape[1]) if self.shape[1] == self.shape[2] else None

    def _header(self) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
        with zipfile.ZipFile(self.path) as archive, archive.open("images.npy") as stream:
            return read_header(stream)

    def members(self) -> list[str]:
        """Return the ids of the images."""
        return list(self._position)

    def position(self, sample_id: str) -> int | None:
        """Return the index of a sample's image."""
        found = self.find(sample_id)
        return None if found is None else self._position[found]

    def chunks(self, size: int = 1024) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first index, images (b, H, W, 3)) without holding the whole array in memory."""
        yield from self._blocks("images.npy", self.shape[0], size)

    def _blocks(self, member: str, n_images: int, size: int) -> Iterator[tuple[int, np.ndarray]]:
        per_image = int(np.prod(self.shape[1:]))
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(member) as stream:
                read_header(stream)
                for start in range(0, n_images, size):
                    n = min(size, n_images - start)
                    data = stream.read(n * per_image)
                    if len(data) < n * per_image:
                        raise EOFError("the array ends too early")
                    block = np.frombuffer(data, np.uint8).reshape(n, *self.shape[1:])
                    block = block[..., None] if block.ndim == 3 else block
                    yield start, np.broadcast_to(block, (*block.shape[:3], 3))
        except DAMAGED as error:
            raise CohortError(f"{self.path}: is damaged ({error}).", fix="copy or download the file again") from error

    @cached_property
    def fingerprint(self) -> str:
        """Hash the archive's directory: names, sizes and checksums."""
        with zipfile.ZipFile(self.path) as archive:
            return hash_json(sorted((i.filename, i.file_size, i.CRC) for i in archive.infolist()))


def read_header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Return shape, type and whether the order is C of the array that a stream of .npy begins with."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    return shape, dtype, not fortran
