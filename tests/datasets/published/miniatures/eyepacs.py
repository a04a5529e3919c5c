"""EyePACS as in the Kaggle challenge: trainLabels.csv and train/; seven patients, and one picture of no known eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    (folder / "train").mkdir()
    rows = [(f"{patient}_{side}", patient % 5) for patient in range(10, 17) for side in ("left", "right")]
    rows.append(("99", 0))
    for name, _ in rows:
        picture = Image.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        picture.save(folder / "train" / f"{name}.jpeg")
    pd.DataFrame(rows, columns=["image", "level"]).to_csv(folder / "trainLabels.csv", index=False)
