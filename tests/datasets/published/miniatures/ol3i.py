"""OL3I as downloaded: a table of patients, and one slice of each in Hounsfield units in an HDF5 file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    h5py = pytest.importorskip("h5py", reason="the slices are drawn with h5py")
    rng = np.random.default_rng(0)
    rows = []
    for k in range(12):
        name = f"{k * 7919:016x}"
        with h5py.File(folder / "l3_slices.h5", "a") as slices:
            slices[name] = rng.integers(-1024, 1024, (6, 6), dtype=np.int16)
        rows.append(
            {
                "anon_id": name,
                "age": "" if k == 3 else 30 + 5 * k,
                "sex": ("male", "female")[k % 2],
                "bmi": 27.5,
                "smoker": 0,
                "label_1y": "" if k == 5 else float(k % 4 == 0),
                "label_5y": "" if k % 3 == 0 else float(k % 2),
                "set_1y": ("train", "test")[k > 8],
            }
        )
    pd.DataFrame(rows).to_csv(folder / "clinical_data.csv", index=False)
