"""ISIC 2019: training and test part, one-hot truth, blank lesions, ids that end in _downsampled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(1)
    for part, n in (("Training", 24), ("Test", 6)):
        images = folder / f"ISIC_2019_{part}_Input"
        images.mkdir()
        truth, facts = [], []
        for k in range(n):
            name = f"ISIC_{k + (0 if part == 'Training' else 34321):07d}" + ("_downsampled" if k % 5 == 0 else "")
            Image.fromarray(rng.integers(0, 256, (6, 7, 3), dtype=np.uint8)).save(images / f"{name}.jpg")
            own = CLASSES.index("UNK") if part == "Test" and k % 2 else (k // 2) % 8
            truth.append({"image": name, **{c: float(i == own) for i, c in enumerate(CLASSES)}})
            fact = {
                "image": name,
                "age_approx": "" if k == 3 else 5.0 * (6 + k % 10),
                "anatom_site_general": "" if k == 4 else "posterior torso",
                "lesion_id": "" if k % 6 == 5 else f"BCN_{k // 2:07d}",
                "sex": "" if k == 3 else ("male", "female")[k % 2],
            }
            if part == "Test":
                del fact["lesion_id"]
                truth[-1] |= {"score_weight": 1.0, "validation_weight": 0.0}
            facts.append(fact)
        pd.DataFrame(truth).to_csv(folder / f"ISIC_2019_{part}_GroundTruth.csv", index=False)
        pd.DataFrame(facts).to_csv(folder / f"ISIC_2019_{part}_Metadata.csv", index=False)
