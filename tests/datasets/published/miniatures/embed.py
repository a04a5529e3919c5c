"""EMBED Open Data: a table of files and a table of findings, two exams a patient, both breasts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

RACES = ("Caucasian or White", "African American  or Black", "Asian", "Unknown, Unavailable or Unreported", "Multiple")


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder.

    Images are PNG with the DICOM's name here, as after the authors' conversion.
    """
    rng = np.random.default_rng(0)
    (folder / "tables").mkdir()
    files, findings = [], []
    for patient in range(5):
        for exam in range(2):
            ids = {"empi_anon": 10000000 + patient, "acc_anon": 2000000000000000 + 2 * patient + exam}
            about = {
                "study_date_anon": f"201{exam}-03-04",
                "desc": "MG Screening Bilateral w/CAD",
                "tissueden": (1, 2, 3, 4, 5)[patient],
                "age_at_study": "" if patient == 3 else 41.5 + 9 * patient + exam,
                "RACE_DESC": RACES[patient],
                "ETHNIC_GROUP_DESC": ("Non-Hispanic or Latino", "Hispanic or Latino", "Unreported")[patient % 3],
                "GENDER_DESC": "Female",
            }
            grade = "NASM"[patient % 4] if exam else "NB"[patient % 2]
            rows = [("L", grade, (patient, 4)[patient == 2] if exam else "")]
            rows += [("R", "N", "")] if exam else [("", "B", "")]
            rows += [("L", "B", 5)] if exam and patient == 1 else []
            for number, (side, asses, severity) in enumerate(rows, start=1):
                findings.append(
                    {**ids, **about, "numfind": number, "side": side, "asses": asses, "path_severity": severity}
                )
            for side in "LR":
                name = f"cohort_1/{ids['empi_anon']}/{exam}/1.2.840.{patient}.{exam}.{side}.dcm"
                path = folder / "images" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (8, 5), dtype=np.uint8)).save(path, format="PNG")
                files.append(
                    {
                        **ids,
                        "anon_dicom_path": f"/nas/mammo/anon_dicom/{name}",
                        "study_date_anon": f"201{exam}-03-01",
                        "FinalImageType": "2D",
                        "ImageLateralityFinal": side,
                        "ViewPosition": "MLO",
                        "spot_mag": "",
                    }
                )
    pd.DataFrame(files).to_csv(folder / "tables" / "EMBED_OpenData_metadata.csv")  # with row numbers
    pd.DataFrame(findings).to_csv(folder / "tables" / "EMBED_OpenData_clinical.csv")
