"""HAM10000 as unpacked: two folders of images, a table beside them; twelve lesions, unknown sexes and a blank age."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(24):
        name = f"ISIC_{24306 + k:07d}"
        part = folder / f"HAM10000_images_part_{1 + k // 12}"
        part.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(part / f"{name}.jpg")
        rows.append(
            {
                "lesion_id": f"HAM_{k // 2:07d}",
                "image_id": name,
                "dx": CLASSES[(k // 2) % 7],
                "dx_type": "histo",
                "age": "" if k == 3 else f"{30 + 5 * (k % 9)}.0",
                "sex": ("male", "female", "unknown")[k % 3],
                "localization": "unknown" if k == 5 else "back",
                "dataset": "vidir_modern",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "HAM10000_metadata.csv", index=False)
