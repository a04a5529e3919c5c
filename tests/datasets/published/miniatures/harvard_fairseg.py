"""Harvard-FairSeg: ReadMe/data_summary.csv with codes, npz files with the image and the mask of disc and cup."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    (folder / "ReadMe").mkdir()
    rows = []
    for k in range(10):
        name = f"data_{k + 1:05d}.npz"
        mask = np.zeros((8, 8), dtype=np.int16)
        mask[2:6, 2:6], mask[3:5, 3:5] = -1, -2
        np.savez(folder / name, slo_fundus=rng.integers(0, 256, (8, 8), dtype=np.uint8), disc_cup_mask=mask)
        rows.append(
            {
                "filename": name,
                "age": 50 + k,
                "gender": k % 2,
                "race": k % 3,
                "ethnicity": -1 if k == 2 else k % 2,
                "language": -1 if k == 3 else k % 3,
                "maritalstatus": -1 if k == 4 else k % 5,
                "glaucoma": k % 2,
                "use": ("training", "validation", "test")[k % 3],
            }
        )
    pd.DataFrame(rows).to_csv(folder / "ReadMe" / "data_summary.csv", index=False)
