"""PAPILA: one spreadsheet an eye with three rows of headings, photographs of seven patients, one age blank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
from PIL import Image

HEADINGS = (
    (None, "Age", "Gender", "Diagnosis", "Refractive Defect", None, None, "Phakic/Pseudophakic", "IOP", None),
    ("ID", None, None, None, None, None, None, None, None, None),
    (None, "Age", "Gender", "Diagnosis", "dioptre_1", "dioptre_2", "astigmatism", None, "Pneumatic", "Perkins"),
)
PATIENTS = (2, 4, 5, 6, 10, 101, 333)


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    (folder / "ClinicalData").mkdir()
    (folder / "FundusImages").mkdir()
    for k, side in enumerate(("od", "os")):
        book = openpyxl.Workbook()
        for row in HEADINGS:
            book.active.append(row)
        for n, patient in enumerate(PATIENTS):
            age = None if patient == 10 else 40 + 5 * n
            book.active.append((f"#{patient:03d}", age, n % 2, (n + k) % 3, 0.75, -1.75, 90, 0, 21 - n, None))
            picture = Image.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8))
            picture.save(folder / "FundusImages" / f"RET{patient:03d}{side.upper()}.jpg")
        book.save(folder / "ClinicalData" / f"patient_data_{side}.xlsx")
