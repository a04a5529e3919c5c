"""Harvard-GF: one npz file a patient with the thickness map and the attributes in it; no table."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    for k in range(12):
        place = folder / ("Training", "Validation", "Test")[min(k // 5, 2)]
        place.mkdir(exist_ok=True)
        np.savez(
            place / f"data_{k + 1:04d}.npz",
            rnflt=rng.uniform(-2, 350, (8, 8)),
            oct_bscans=rng.integers(0, 256, (3, 8, 8), dtype=np.uint8),
            glaucoma=np.array(k % 2),
            md=np.array(-3.5 - k),
            tds=rng.normal(size=52),
            age=np.array(50.5 + k),
            male=np.array(k % 2),
            race=np.array(k % 3),
            marital_status=np.array(-1 if k == 4 else k % 5),
            ethnicity=np.array(-1 if k in (2, 7) else k % 2),
            language=np.array(-1 if k == 3 else k % 3),
        )
