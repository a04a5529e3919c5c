"""KiTS23 as cloned and completed: kits23.json and one folder a case with the volume and its outlines."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np

SUBTYPES = ("clear_cell_rcc", "papillary_rcc", "chromophobe", "oncocytoma")


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    cases = []
    for k in range(10):
        place = folder / "dataset" / f"case_{k:05d}"
        place.mkdir(parents=True)
        for name in ("imaging", "segmentation"):
            (place / f"{name}.nii.gz").write_bytes(gzip.compress(volume(rng), mtime=0))
        cases.append(
            {
                "case_id": f"case_{k:05d}",
                "age_at_nephrectomy": None if k == 4 else 40 + 4 * k,
                "body_mass_index": 27.5,
                "gender": "transgender_male_to_female" if k == 7 else ("male", "female")[k % 2],
                "comorbidities": {"copd": False},
                "smoking_history": "never_smoked",
                "radiographic_size": 3.2,
                "last_preop_egfr": {"value": ">=90", "days_before_nephrectomy": 3},
                "tumor_histologic_subtype": SUBTYPES[k % 4],
                "malignant": SUBTYPES[k % 4] != "oncocytoma",
            }
        )
    (folder / "dataset" / "kits23.json").write_text(json.dumps(cases), encoding="utf-8")


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
