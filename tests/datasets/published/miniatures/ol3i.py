"""OL3I after its slices were written out: a table of patients and one image each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image


def build(folder: Path) -> None:
    """Draw the layout into an empty folder."""
    rng = np.random.default_rng(0)
    (folder / "slices").mkdir()
    rows = []
    for k in range(12):
        name = f"{k * 7919:016x}"
        Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8)).save(folder / "slices" / f"{name}.png")
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
