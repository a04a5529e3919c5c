"""PadChest as unpacked: the table of 160K images (here 16), lists as text, 16-bit images in numbered folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

LABELS = (
    "['normal']",
    "['pneumonia', ' pleural effusion', 'nodule']",
    "['COPD signs', 'cardiomegaly', 'atelectasis']",
    "['normal', 'pacemaker']",
    "['unchanged']",
    "['', 'consolidation', 'interstitial pattern']",
    "['pneumothorax', 'infiltrates', 'pulmonary fibrosis']",
    "",
)


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(16):
        name, place = f"21684011136696401382954316651201335311{k:04d}_x{k:02d}.png", str(k % 2)
        (folder / place).mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 4096, (6, 6), dtype=np.uint16)).save(folder / place / name)
        rows.append(
            {
                "ImageID": name,
                "ImageDir": place,
                "StudyDate_DICOM": f"{2010 + k % 5}0915",
                "StudyID": f"2053668664013634823614867989145588{k // 2:04d}",
                "PatientID": f"83986048869429233163798823568146{k // 2:04d}",
                "PatientBirth": "" if k == 5 else f"{1930 + 4 * k}.0",
                "PatientSex_DICOM": ("M", "F", "O", "F", "M", "", "M", "F")[k // 2],
                "ViewPosition_DICOM": "POSTEROANTERIOR",
                "Projection": ("PA", "L", "AP_horizontal", "UNK")[k % 4],
                "MethodLabel": ("Physician", "RNN_model")[k % 2],
                "Labels": LABELS[k // 2],
                "Localizations": "[]",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv")  # with row numbers
