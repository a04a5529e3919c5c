"""ADNI: the table of a collection, NIfTI files in folders by subject, series, date and image; one image as slices."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

GROUPS = ("CN", "SMC", "EMCI", "MCI", "LMCI", "AD")


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(14):
        subject, number = f"{k // 2 + 2:03d}_S_{1000 + k // 2}", 20000 + k
        place = folder / "ADNI" / subject / "MPRAGE" / f"2006-04-{k + 1:02d}_10_00_00.0" / f"I{number}"
        place.mkdir(parents=True)
        stem = f"ADNI_{subject}_MR_MPRAGE_br_raw_20060418_1_S12065"
        if k == 13:
            for part in (1, 2, 10):
                picture = Image.fromarray(np.full((8, 8), part, dtype=np.uint8))
                picture.save(place / f"{stem}_I{number}_{part}.png")
        else:
            (place / f"{stem}_I{number}.nii").write_bytes(volume(rng))
        rows.append(
            {
                "Image Data ID": f"I{number}",
                "Subject": subject,
                "Group": GROUPS[(k // 2) % 6],
                "Sex": "" if k == 3 else "MF"[k // 2 % 2],
                "Age": 70 + k // 2,
                "Visit": "bl" if k % 2 == 0 else "m12",
                "Modality": "MRI",
                "Description": "MPRAGE",
                "Type": "Original",
                "Acq Date": f"4/{k + 1}/2006",
                "Format": "NiFTI",
                "Downloaded": "11/02/2020",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "my_collection_11_02_2020.csv", index=False)


def volume(rng: np.random.Generator) -> bytes:
    """Return a NIfTI-1 file of 4 x 4 x 4 voxels."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 4, 4, 4, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)
    struct.pack_into("<4f", header, 76, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    struct.pack_into("<4s", header, 344, b"n+1\0")
    return bytes(header) + rng.integers(0, 256, 64, dtype=np.uint8).tobytes()
