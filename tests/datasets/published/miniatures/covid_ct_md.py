"""COVID-CT-MD as unpacked: a table of patients, and their slices in folders by diagnosis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

PATIENTS = (
    ("COVID-19", "P001", "M", "039Y"),
    ("COVID-19", "P002", "F", ""),
    ("CAP", "cap001", "M", "011M"),
    ("CAP", "cap002", "F", "072Y"),
    ("Normal", "normal001", "", "045Y"),
    ("Normal", "normal002", "F", "051Y"),
)


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder.

    Slices are PNG with the DICOM's name here: the layout is what matters, not the decoder.
    """
    rng = np.random.default_rng(0)
    for diagnosis, name, _, _ in PATIENTS:
        place = folder / f"{diagnosis} subjects" / name
        place.mkdir(parents=True)
        for k in range(3):
            Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8)).save(place / f"IM{k:04d}.dcm", format="PNG")
    columns = ("Diagnosis", "Folder", "Patient Gender", "Patient Age")
    table = pd.DataFrame(PATIENTS, columns=columns).assign(Weight=70, **{"Follow-up": "", "PCR": ""})
    table.to_csv(folder / "Clinical-data.csv", index=False)
