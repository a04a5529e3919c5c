"""SCIN: cases with up to three images, dictionaries written as text, negative numbers as names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

WEIGHTED = (
    "{'Eczema': 0.67, 'Psoriasis': 0.33}",
    "{'Insect Bite': 0.5, 'Urticaria': 0.5}",
    "{'Tinea': 1.0}",
    "{'Stasis Dermatitis': 0.6, 'Eczema': 0.4}",
    "{}",
    "",
)


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(6)
    images = folder / "dataset" / "images"
    images.mkdir(parents=True)
    cases, labels = [], []
    for k in range(14):
        case = str(-3205742176803893704 + k)
        paths = []
        for m in range(1 + k % 3):
            name = f"{-4762289084741430925 + 10 * k + m}.png"
            Image.fromarray(rng.integers(0, 256, (8, 6, 3), dtype=np.uint8)).save(images / name)
            paths.append(f"dataset/images/{name}")
        cases.append(
            {
                "case_id": case,
                "source": "SCIN",
                "release": "1.0.0",
                "year": 2023,
                "age_group": ("AGE_18_TO_29", "AGE_80_OR_ABOVE", "AGE_UNKNOWN")[k % 3],
                "sex_at_birth": ("FEMALE", "MALE", "OTHER_OR_UNSPECIFIED", "")[k % 4],
                "fitzpatrick_skin_type": ("FST1", "FST5", "NONE_SELECTED", "")[k % 4],
                "race_ethnicity_asian": "YES" if k % 5 == 0 else "",
                "race_ethnicity_white": "YES" if k % 2 == 0 else "",
                "race_ethnicity_prefer_not_to_answer": "YES" if k == 1 else "",
                "related_category": "RASH",
                **{f"image_{m + 1}_path": paths[m] if m < len(paths) else "" for m in range(3)},
                **{f"image_{m + 1}_shot_type": "CLOSE_UP" if m < len(paths) else "" for m in range(3)},
            }
        )
        labels.append(
            {
                "case_id": case,
                "dermatologist_gradable_for_skin_condition_1": "DEFAULT_YES_IMAGE_QUALITY_SUFFICIENT",
                "dermatologist_skin_condition_on_label_name": "['Eczema']",
                "dermatologist_skin_condition_confidence": "[4]",
                "weighted_skin_condition_label": WEIGHTED[k % 6],
                "dermatologist_fitzpatrick_skin_type_label_1": "FST2" if k % 2 else "",
                "dermatologist_fitzpatrick_skin_type_label_2": "FST3" if k % 4 == 1 else "",
                "dermatologist_fitzpatrick_skin_type_label_3": "",
                "monk_skin_tone_label_india": "" if k == 0 else float(1 + k % 10),
                "monk_skin_tone_label_us": "" if k == 0 else float(1 + (k + 3) % 10),
            }
        )
    pd.DataFrame(cases).to_csv(folder / "scin_cases.csv", index=False)
    pd.DataFrame(labels).to_csv(folder / "scin_labels.csv", index=False)
