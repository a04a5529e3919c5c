"""ODIR-5K in its widely used copy: full_df.csv, preprocessed pictures, and the originals under the same names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

PATIENTS = (  # (age, sex, keywords and label of the left eye, of the right eye; None where the copy left the eye out)
    (69, "Female", ("cataract", "C"), ("normal fundus", "N")),
    (57, "Male", ("normal fundus", "N"), ("lens dust，normal fundus", "N")),
    (1, "Male", ("glaucoma", "G"), ("suspected glaucoma，drusen", "G")),
    (63, "Female", ("moderate non proliferative retinopathy", "D"), ("hypertensive retinopathy", "H")),
    (44, "Male", ("pathological myopia", "M"), ("epiretinal membrane", "O")),
    (80, "Female", ("dry age-related macular degeneration，glaucoma", "A"), None),
)


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    for place in ("preprocessed_images", "ODIR-5K/ODIR-5K/Training Images"):
        (folder / place).mkdir(parents=True)
    rows = []
    for patient, (age, sex, *eyes) in enumerate(PATIENTS):
        codes = {eye[1] for eye in eyes if eye}
        for side, eye in zip(("left", "right"), eyes, strict=True):
            if eye is None:
                continue
            name = f"{patient}_{side}.jpg"
            picture = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            picture.save(folder / "preprocessed_images" / name)
            picture.save(folder / "ODIR-5K/ODIR-5K/Training Images" / name)
            keywords = [(e or ("anterior segment image", ""))[0] for e in eyes]
            rows.append(
                {
                    "ID": patient,
                    "Patient Age": age,
                    "Patient Sex": sex,
                    "Left-Fundus": f"{patient}_left.jpg",
                    "Right-Fundus": f"{patient}_right.jpg",
                    "Left-Diagnostic Keywords": keywords[0],
                    "Right-Diagnostic Keywords": keywords[1],
                    **{letter: int(letter in codes and (letter != "N" or codes == {"N"})) for letter in "NDGCAHMO"},
                    "filepath": f"../input/ocular-disease-recognition-odir5k/ODIR-5K/Training Images/{name}",
                    "labels": f"['{eye[1]}']",
                    "target": str([int(letter == eye[1]) for letter in "NDGCAHMO"]),
                    "filename": name,
                }
            )
    pd.DataFrame(rows).to_csv(folder / "full_df.csv", index=False)
