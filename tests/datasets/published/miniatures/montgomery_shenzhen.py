"""Montgomery and Shenzhen as unpacked: readings in two wordings, radiographs, and masks of the same names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

MONTGOMERY = {
    "MCUCXR_0001_0": "Patient's Sex: F\nPatient's Age: 027Y\nnormal\n",
    "MCUCXR_0002_0": "Patient's Sex: M\nPatient's Age: 040Y\nnormal\n",
    "MCUCXR_0104_1": "Patient's Sex: F\nPatient's Age: 058Y\nimprovement in TB: calcified nodule\n",
    "MCUCXR_0108_1": "Patient's Sex: O\nPatient's Age: 052Y\ncavitary nodular infiltrate in RUL\n",
}
SHENZHEN = {
    "CHNCXR_0001_0": "male 45yrs\nnormal",
    "CHNCXR_0002_0": "femal 63yrs \r\nnormal",
    "CHNCXR_0003_0": "Female, 9 months\nnormal",
    "CHNCXR_0202_0": "female 64days\nnormal",
    "CHNCXR_0327_1": "male  16month\nbilateral PTB",
    "CHNCXR_0328_1": "female35yrs\n1.PTB in the right upper field",
    "CHNCXR_0329_1": "\nSTB",
}


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    for place, readings in (("MontgomerySet", MONTGOMERY), ("ChinaSet_AllFiles", SHENZHEN)):
        (folder / place / "ClinicalReadings").mkdir(parents=True)
        (folder / place / "CXR_png").mkdir()
        for name, text in readings.items():
            (folder / place / "ClinicalReadings" / f"{name}.txt").write_text(text, encoding="utf-8")
            picture = Image.fromarray(rng.integers(0, 256, (10, 8), dtype=np.uint8))
            picture.save(folder / place / "CXR_png" / f"{name}.png")
    for side in ("leftMask", "rightMask"):
        masks = folder / "MontgomerySet" / "ManualMask" / side
        masks.mkdir(parents=True)
        for name in MONTGOMERY:
            Image.fromarray(np.zeros((10, 8), dtype=np.uint8)).save(masks / f"{name}.png")
