"""TUSC: metadata.csv with one row a nodule, dataset.hdf5 with all frames; one patient has two nodules."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

NODULES = ("1_", "2_", "3_1", "3_2", "4_", "5_")


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    clips = [name for name in NODULES for _ in range(4)]
    with h5py.File(folder / "dataset.hdf5", "w") as held:
        held["annot_id"] = [name.encode() for name in clips]
        held["image"] = rng.integers(0, 256, (len(clips), 8, 10), dtype=np.uint8)
        held["mask"] = rng.choice(np.array([0, 255], dtype=np.uint8), (len(clips), 8, 10))
        held["frame_num"] = np.arange(len(clips))
    rows = [
        {
            "annot_id": name,
            "age": 30 + 9 * k,
            "sex": "" if name == "4_" else ("Female", "Male")[k % 2],
            "location": ("left", "right")[k % 2],
            "size_x": 1.2,
            "size_y": 1.1,
            "size_z": 2.3,
            "ti-rads_composition": "solid",
            "ti-rads_level": k % 5 + 1,
            "histopath_diagnosis": int(k == 2),
        }
        for k, name in enumerate(NODULES)
    ]
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)
