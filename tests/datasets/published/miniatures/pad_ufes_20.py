"""PAD-UFES-20: metadata.csv with img_id, three folders of PNG files; sex and type blank where nothing was biopsied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

CLASSES = ("BCC", "ACK", "NEV", "SEK", "SCC", "MEL")


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(3)
    rows = []
    for k in range(24):
        name = f"PAT_{k // 2}_{10 + k // 2}_{100 + k}.png"
        part = folder / f"imgs_part_{1 + k % 3}"
        part.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)).save(part / name)
        asked = CLASSES[k % 6] not in ("ACK", "NEV")
        rows.append(
            {
                "patient_id": f"PAT_{k // 2}",
                "lesion_id": 10 + k // 2,
                "smoke": "False" if asked else "",
                "background_father": "POMERANIA" if asked else "",
                "age": 20 + 3 * k,
                "gender": ("FEMALE", "MALE")[k // 2 % 2] if asked else "",
                "fitspatrick": float(1 + k % 3) if asked else "",
                "region": "ARM",
                "diameter_1": 6.0 if asked else "",
                "diagnostic": CLASSES[k % 6],
                "itch": "UNK",
                "img_id": name,
                "biopsed": str(asked),
            }
        )
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)
