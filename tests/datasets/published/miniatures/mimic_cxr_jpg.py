"""MIMIC-CXR-JPG as downloaded, tables packed, with two tables of MIMIC-IV in a folder of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

OBSERVATIONS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
SAID = ("1.0", "0.0", "-1.0", "")


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    metadata, labels, split = [], [], []
    for k in range(24):
        subject, study = 10000032 + k // 4, 50000000 + k // 2  # two studies a patient, two images a study
        name = f"{k:08x}-2ce0e7af-1a3e7e3c-9a7f9b93-11f6e0{k:02x}"
        place = folder / "files" / f"p{str(subject)[:2]}" / f"p{subject}" / f"s{study}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 8), dtype=np.uint8)).save(place / f"{name}.jpg")
        metadata.append(
            {
                "dicom_id": name,
                "subject_id": subject,
                "study_id": study,
                "ViewPosition": ("PA", "LATERAL", "AP", "")[k % 4],
                "Rows": 3056,
                "Columns": 2544,
                "StudyDate": f"{2180 + k // 4 + 3 * (k // 2 % 2)}0506",
                "StudyTime": "213014.531",
            }
        )
        split.append({"dicom_id": name, "study_id": study, "subject_id": subject, "split": ("train", "test")[k >= 20]})
        if k % 2 == 0 and k != 22:  # the last study has no labels
            said = {o: SAID[(k // 2 + j) % 4] for j, o in enumerate(OBSERVATIONS)}
            said["No Finding"] = "1.0" if k % 8 == 0 else ""
            labels.append({"subject_id": subject, "study_id": study, **said})
    pd.DataFrame(metadata).to_csv(folder / "mimic-cxr-2.0.0-metadata.csv.gz", index=False)
    pd.DataFrame(labels).to_csv(folder / "mimic-cxr-2.0.0-chexpert.csv.gz", index=False)
    pd.DataFrame(split).to_csv(folder / "mimic-cxr-2.0.0-split.csv.gz", index=False)
    people = [
        {"subject_id": 10000032 + p, "gender": "FM"[p % 2], "anchor_age": 40 + 10 * p, "anchor_year": 2180 + p}
        for p in range(5)  # the sixth patient is not in MIMIC-IV
    ]
    stays = [  # agreed, a majority, a tie, not known, known once
        (0, "WHITE"),
        (0, "WHITE - RUSSIAN"),
        (1, "BLACK/AFRICAN AMERICAN"),
        (1, "BLACK/CAPE VERDEAN"),
        (1, "OTHER"),
        (2, "WHITE"),
        (2, "ASIAN - CHINESE"),
        (3, "UNKNOWN"),
        (3, "PATIENT DECLINED TO ANSWER"),
        (4, "HISPANIC/LATINO - DOMINICAN"),
        (4, "UNABLE TO OBTAIN"),
    ]
    hosp = folder / "mimiciv" / "hosp"
    hosp.mkdir(parents=True)
    pd.DataFrame(people).to_csv(hosp / "patients.csv.gz", index=False)
    table = pd.DataFrame([{"subject_id": 10000032 + p, "hadm_id": k, "race": r} for k, (p, r) in enumerate(stays)])
    table.to_csv(hosp / "admissions.csv.gz", index=False)
