"""ChestX-ray14 as unpacked: the table of 2020 with its cut header, two folders of images, the authors' lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    lines, lists = [HEADER], {"train_val_list.txt": [], "test_list.txt": []}
    for k in range(16):
        patient, follow_up = 1 + k // 2, k % 2
        name = f"{patient:08d}_{follow_up:03d}.png"
        found = "No Finding" if k % 4 == 3 else f"{FINDINGS[k % 14]}|{FINDINGS[(k + 1) % 14]}" if k % 2 == 0 else "Mass"
        age = 411 if k == 6 else "" if k == 7 else 20 + 4 * k
        sex, view = ("M", "F")[(k // 2) % 2], "" if k == 9 else ("PA", "AP")[k % 2]
        lines.append(f"{name},{found},{follow_up},{patient},{age},{sex},{view},2682,2749,0.143,0.143")
        lists["test_list.txt" if patient > 6 else "train_val_list.txt"].append(name)
        place = folder / f"images_{1 + k // 8:03d}" / "images"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8)).save(place / name)
    (folder / "Data_Entry_2017_v2020.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, members in lists.items():
        (folder / name).write_text("\n".join(members) + "\n", encoding="utf-8")
