"""CBIS-DDSM as downloaded: four tables of abnormalities with line breaks in paths, a folder for each series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

PATHOLOGY = ("MALIGNANT", "BENIGN", "BENIGN_WITHOUT_CALLBACK")
SERIES = "1.3.6.1.4.1.9590.100.1.2"


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder.

    Images are PNG here: the layout is what matters, not the decoder.
    """
    rng = np.random.default_rng(0)
    for kind in ("mass", "calc"):
        for part, first in (("train", 1), ("test", 101)):
            rows = []
            for k in range(6):
                patient, view = f"P_{first + k // 2:05d}", ("CC", "MLO")[k % 2]
                name = f"{kind.title()}-{'Training' if part == 'train' else 'Test'}_{patient}_LEFT_{view}"
                path = f"{name}/{SERIES}.{k}/{SERIES}.{k}.9/000000.dcm"
                place = folder / "CBIS-DDSM" / name / "07-20-2016-DDSM-30288" / "1.000000-full mammogram images-24515"
                place.mkdir(parents=True)
                Image.fromarray(rng.integers(0, 256, (8, 5), dtype=np.uint8)).save(place / "1-1.png")
                for number in range(1, 3 if k == 0 else 2):
                    rows.append(
                        {
                            "patient_id": patient,
                            "breast_density" if kind == "mass" else "breast density": 0 if k == 5 else 1 + k % 4,
                            "left or right breast": "LEFT",
                            "image view": view,
                            "abnormality id": number,
                            "abnormality type": "mass" if kind == "mass" else "calcification",
                            f"{kind} {'shape' if kind == 'mass' else 'type'}": ("OVAL", "ROUND")[number - 1],
                            "assessment": 4,
                            "pathology": PATHOLOGY[(k + number) % 3],
                            "subtlety": 5,
                            "image file path": f"{path}\n" if k % 2 else path,
                            "cropped image file path": f"{name}_{number}/{SERIES}/{SERIES}/000001.dcm\n",
                            "ROI mask file path": f"{name}_{number}/{SERIES}/{SERIES}/000000.dcm\n ",
                        }
                    )
            pd.DataFrame(rows).to_csv(folder / f"{kind}_case_description_{part}_set.csv", index=False)
