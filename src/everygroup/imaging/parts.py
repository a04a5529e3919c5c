"""An npz archive as MedMNIST lays it out: one array of decoded images for each part of an official split."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from everygroup.errors import CohortError
from everygroup.imaging.arrays import DAMAGED
from everygroup.imaging.npz import NpzImages, read_header

PARTS = ("train", "val", "test")


def has_parts(path: Path) -> bool:
    """Tell whether an npz archive holds `train_images`, `val_images` and `test_images`."""
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist()) >= {f"{part}_images.npy" for part in PARTS}
    except DAMAGED:
        return False


class NpzParts(NpzImages):
    """Images of all parts, one after the other, under the ids 'train_00000', ..., 'test_00000', ...

    Each array is uint8 (n, S, S) or (n, S, S, C), C = 1 or 3.

    Raises
    ------
    CohortError
        If the archive is damaged or its arrays do not fit together.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        headers = self._headers()
        shapes = [shape for shape, _, _ in headers]
        good = all(dtype == np.uint8 and ordered for _, dtype, ordered in headers)
        good = good and len({shape[1:] for shape in shapes}) == 1 and len(shapes[0]) in (3, 4)
        if not good or (len(shapes[0]) == 4 and shapes[0][3] not in (1, 3)):
            raise CohortError(
                f"{path}: its images are {', '.join(f'{d} of shape {s}' for s, d, _ in headers)}.",
                fix="give uint8 arrays of images of one size",
            )
        self.lengths = tuple(shape[0] for shape in shapes)
        self.shape = (sum(self.lengths), *shapes[0][1:])
        self.ids = np.array([f"{part}_{k:05d}" for part, n in zip(PARTS, self.lengths, strict=True) for k in range(n)])
        self._position = {str(i): k for k, i in enumerate(self.ids)}

    def _headers(self) -> list[tuple[tuple[int, ...], np.dtype, bool]]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                headers = []
                for part in PARTS:
                    with archive.open(f"{part}_images.npy") as stream:
                        headers.append(read_header(stream))
                return headers
        except DAMAGED as error:
            raise CohortError(
                f"{self.path}: cannot be read as an npz archive of {', '.join(PARTS)} images ({error}).",
                fix="copy or download the file again",
            ) from error

    def chunks(self, size: int = 1024) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first index, images (b, H, W, 3)), one part after the other."""
        first = 0
        for part, n in zip(PARTS, self.lengths, strict=True):
            for start, block in self._blocks(f"{part}_images.npy", n, size):
                yield first + start, block
            first += n
