"""Fitzpatrick17k: the authors' table and a folder of images named by their MD5; -1 where no type was agreed on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

CONDITIONS = (
    ("psoriasis", "inflammatory", "non-neoplastic"),
    ("malignant melanoma", "malignant melanoma", "malignant"),
    ("dermatofibroma", "benign dermal", "benign"),
)


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(2)
    images = folder / "images"
    images.mkdir()
    rows = []
    for k in range(30):
        name = hashlib.md5(f"picture {k}".encode(), usedforsecurity=False).hexdigest()
        Image.fromarray(rng.integers(0, 256, (9, 6, 3), dtype=np.uint8)).save(images / f"{name}.jpg")
        label, nine, three = CONDITIONS[k % 3]
        rows.append(
            {
                "md5hash": name,
                "fitzpatrick_scale": -1 if k == 4 else 1 + k % 6,
                "fitzpatrick_centaur": -1 if k in (4, 7) else 1 + (k + 1) % 6,
                "label": label,
                "nine_partition_label": nine,
                "three_partition_label": three,
                "qc": {0: "1 Diagnostic", 5: "3 Wrongly labelled"}.get(k, ""),
                "url": "" if k == 8 else f"https://example.org/{k}.jpg",
                "url_alphanum": "" if k == 8 else f"httpsexampleorg{k}jpg.jpg",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "fitzpatrick17k.csv", index=False)
