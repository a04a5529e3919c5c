"""CheXpert-v1.0-small as unpacked: both tables beside the folders of patients, and the demographic supplement."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

OBSERVATIONS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
SAID = ("1.0", "0.0", "-1.0", "")
RACES = ("White", "White, non-Hispanic", "Black or African American", "Asian", "Other", "Unknown", "Patient Refused")


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(20):
        lateral = k % 4 == 1
        view = "view2_lateral" if lateral else "view1_frontal"
        place = f"train/patient{1 + k // 2:05d}/study{1 + k % 2}/{view}.jpg"
        rows.append(
            {
                "Path": f"CheXpert-v1.0-small/{place}",
                "Sex": "Unknown" if k == 4 else ("Male", "Female")[(k // 2) % 2],
                "Age": 0 if k == 4 else 30 + 3 * k,
                "Frontal/Lateral": "Lateral" if lateral else "Frontal",
                "AP/PA": "" if lateral else ("AP", "PA")[k % 2],
                **{name: SAID[(k + j) % 4] for j, name in enumerate(OBSERVATIONS)},
                "No Finding": "1.0" if k % 5 == 0 else "",
            }
        )
    experts = [
        {
            **rows[j],
            "Path": f"CheXpert-v1.0-small/valid/patient{64541 + j}/study1/view1_frontal.jpg",
            "Sex": "Female",
            "Age": 73 - j,
            **{name: str(float((i + j) % 2)) for i, name in enumerate(OBSERVATIONS)},
        }
        for j in range(2)
    ]
    pd.DataFrame(rows).to_csv(folder / "train.csv", index=False)
    pd.DataFrame(experts).to_csv(folder / "valid.csv", index=False)
    for row in (*rows, *experts):
        path = folder / row["Path"].split("/", 1)[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 8), dtype=np.uint8)).save(path)
    supplement = [
        {
            "PATIENT": f"patient{1 + k:05d}",
            "GENDER": "Male",
            "AGE_AT_CXR": 50,
            "PRIMARY_RACE": RACES[k % len(RACES)],
            "ETHNICITY": ("Non-Hispanic/Non-Latino", "Hispanic/Latino", "Unknown", "Not Hispanic")[k % 4],
        }
        for k in range(9)  # the tenth patient and those of valid.csv are not in it
    ]
    pd.DataFrame(supplement).to_csv(folder / "CHEXPERT DEMO.csv", index=False)
