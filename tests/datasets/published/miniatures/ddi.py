"""DDI: a table with a column without a name, PNG files beside it, one skin tone blank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(4)
    rows = []
    for k in range(18):
        name = f"{k + 1:06d}.png"
        Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(folder / name)
        rows.append(
            {
                "DDI_ID": k + 1,
                "DDI_file": name,
                "skin_tone": "" if k == 9 else (12, 34, 56)[k % 3],
                "malignant": k % 4 == 0,
                "disease": "melanoma" if k % 4 == 0 else "seborrheic-keratosis",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "ddi_metadata.csv")
