"""BRSET: one table, one folder of photographs; six patients with both eyes, blank ages, a bad picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    (folder / "fundus_photos").mkdir()
    rows = []
    for k in range(12):
        grade = (0, 0, 1, 2, 3, 4)[k // 2]
        rows.append(
            {
                "image_id": f"img{k + 1:05d}",
                "patient_id": k // 2 + 1,
                "camera": "Canon CR",
                "patient_age": "" if k // 2 == 3 else 40 + 7 * (k // 2),
                "comorbidities": "diabetes1" if grade else "",
                "diabetes_time_y": "",
                "insuline": "",
                "patient_sex": 1 + (k // 2) % 2,
                "exam_eye": 1 + k % 2,
                "diabetes": "yes" if grade else "no",
                "nationality": "Brazil",
                "optic_disc": 1,
                "vessels": 1,
                "macula": 1,
                "DR_SDRG": grade,
                "DR_ICDR": grade,
                "focus": 1,
                "iluminaton": 1,
                "image_field": 1,
                "artifacts": 1,
                "diabetic_retinopathy": int(grade > 0),
                "macular_edema": 0,
                "quality": "Inadequate" if k == 5 else "Adequate",
            }
        )
        picture = Image.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        picture.save(folder / "fundus_photos" / f"img{k + 1:05d}.jpg")
    pd.DataFrame(rows).to_csv(folder / "labels_brset.csv", index=False)
