"""OASIS-1: the table, and Analyze pairs as unpacked; the young without CDR, one person scanned twice."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pandas as pd

SCANS = (  # ID, sex, age, CDR
    ("OAS1_0001_MR1", "F", 74, 0),
    ("OAS1_0002_MR1", "F", 55, 0),
    ("OAS1_0003_MR1", "F", 73, 0.5),
    ("OAS1_0004_MR1", "M", 28, None),
    ("OAS1_0005_MR1", "M", 18, None),
    ("OAS1_0022_MR1", "F", 78, 1),
    ("OAS1_0028_MR1", "", 86, 2),
    ("OAS1_0031_MR1", "M", 88, None),
    ("OAS1_0010_MR1", "M", 74, 0),
    ("OAS1_0011_MR1", "F", 52, 0),
    ("OAS1_0013_MR1", "F", 81, 0),
    ("OAS1_0015_MR1", "M", 76, 0.5),
    ("OAS1_0016_MR1", "M", 82, 0.5),
    ("OAS1_0021_MR1", "F", 80, 0.5),
    ("OAS1_0023_MR1", "F", 82, 0),
    ("OAS1_0023_MR2", "F", 82, 0),
    ("OAS1_0061_MR1", "F", 20, None),
    ("OAS1_0061_MR2", "F", 20, None),
)


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    rows = []
    for name, sex, age, cdr in SCANS:
        place = folder / "disc1" / name
        volume(place / "RAW", f"{name}_mpr-1_anon", rng)
        volume(place / "PROCESSED" / "MPRAGE" / "T88_111", f"{name}_mpr_n4_anon_111_t88_masked_gfc", rng)
        volume(place / "FSL_SEG", f"{name}_mpr_n4_anon_111_t88_masked_gfc_fseg", rng)
        rows.append(
            {
                "ID": name,
                "M/F": sex,
                "Hand": "R",
                "Age": age,
                "Educ": "" if cdr is None else 2,
                "SES": "" if cdr is None else 3,
                "MMSE": "" if cdr is None else 29,
                "CDR": "" if cdr is None else cdr,
                "eTIV": 1344,
                "nWBV": 0.743,
                "ASF": 1.306,
                "Delay": 89 if name.endswith("MR2") else "N/A",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "oasis_cross-sectional.csv", index=False)


def volume(place: Path, stem: str, rng: np.random.Generator) -> None:
    """Write an Analyze pair of 4 x 4 x 4 voxels: a header of 348 bytes, and the voxels."""
    place.mkdir(parents=True, exist_ok=True)
    header = bytearray(348)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 4, 4, 4, 4, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)
    struct.pack_into("<4f", header, 76, 1, 1, 1, 1)
    (place / f"{stem}.hdr").write_bytes(header)
    (place / f"{stem}.img").write_bytes(rng.integers(0, 256, 64, dtype=np.uint8).tobytes())
