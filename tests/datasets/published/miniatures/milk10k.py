"""MILK10k: two images a lesion, one-hot truth by lesion, a supplement by image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

CLASSES = ("AKIEC", "BCC", "BEN_OTH", "BKL", "DF", "INF", "MAL_OTH", "MEL", "NV", "SCCKA", "VASC")


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(5)
    facts, truth, more = [], [], []
    for k in range(12):
        lesion = f"IL_{k:07d}"
        truth.append({"lesion_id": lesion, **{c: float(c == CLASSES[k % 11]) for c in CLASSES}})
        (folder / "MILK10k_Training_Input" / lesion).mkdir(parents=True)
        for m, kind in enumerate(("clinical: close-up", "dermoscopic")):
            name = f"ISIC_{100 + 2 * k + m:07d}"
            image = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
            image.save(folder / "MILK10k_Training_Input" / lesion / f"{name}.jpg")
            facts.append(
                {
                    "lesion_id": lesion,
                    "image_type": kind,
                    "isic_id": name,
                    "attribution": "MILK study team",
                    "copyright_license": "CC-BY-NC",
                    "image_manipulation": "altered",
                    "age_approx": "" if k == 2 else 5 * (5 + k),
                    "sex": ("male", "female")[k % 2],
                    "skin_tone_class": k % 6,
                    "site": "" if k == 6 else "trunk",
                    "MONET_hair": 0.25,
                }
            )
            more.append({"isic_id": name, "diagnosis_full": "a diagnosis", "diagnosis_confirm_type": "histopathology"})
    for name, rows in (("Metadata", facts), ("GroundTruth", truth), ("Supplement", more)):
        pd.DataFrame(rows).to_csv(folder / f"MILK10k_Training_{name}.csv", index=False)
