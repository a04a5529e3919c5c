"""The npz layout of MedMNIST: images and labels of the parts train, val and test in one file (Yang et al. 2023)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from everygroup.datasets.published._adapter import Published
from everygroup.datasets.published._coding import find_file
from everygroup.errors import CohortError
from everygroup.imaging.arrays import DAMAGED
from everygroup.imaging.parts import PARTS, NpzParts


def read_medmnist(folder: Path, name: str) -> Published:
    """Return the table of a MedMNIST file: `class_index`, and the official `split` (train, val, test).

    Of name.npz, name_64.npz, name_128.npz and name_224.npz the smallest is taken; keep the wanted one alone in the
    folder. Nothing but numbers is read (no pickles).

    Raises
    ------
    CohortError
        If there is no such file, or it is not laid out so.
    """
    path = find_file(folder, f"{name}.npz", f"{name}_64.npz", f"{name}_128.npz", f"{name}_224.npz")
    images = NpzParts(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            labels = [np.asarray(archive[f"{part}_labels"]) for part in PARTS]
    except DAMAGED as error:
        raise CohortError(f"{path}: its labels cannot be read ({error}).", fix="copy or download it again") from error
    for part, values, n in zip(PARTS, labels, images.lengths, strict=True):
        if values.size != n or values.dtype.kind not in "iu":
            raise CohortError(f"{path}: {n} {part} images but {values.size} labels of type {values.dtype}.")
    table = pd.DataFrame(
        {
            "image_id": images.ids.astype(object),
            "image": images.ids.astype(object),
            "class_index": [str(v) for v in np.concatenate([values.ravel() for values in labels])],
            "split": np.repeat(PARTS, images.lengths).astype(object),
        }
    )
    return Published(table, path, path)
