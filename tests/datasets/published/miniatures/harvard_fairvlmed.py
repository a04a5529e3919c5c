"""Harvard-FairVLMed: data_summary.csv in words, npz files with codes in folders by use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

USES = {"training": "Training", "validation": "Validation", "test": "Test"}
LANGUAGES = ("english", "spanish", "others", "unknown")
MARITAL = ("marriage or partnered", "single", "divorced", "widowed", "unknown")


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(12):
        use = tuple(USES)[min(k // 5, 2)]
        (folder / USES[use]).mkdir(exist_ok=True)
        np.savez(
            folder / USES[use] / f"data_{k + 1:05d}.npz",
            slo_fundus=rng.integers(0, 256, (8, 9), dtype=np.uint8),
            age=np.array(50.5 + k),
            gender=np.array(k % 2),
            race=np.array(k % 3),
            note=np.array("a note"),
        )
        rows.append(
            {
                "filename": f"data_{k + 1:05d}.npz",
                "age": 50.5 + k,
                "gender": ("female", "male")[k % 2],
                "race": ("asian", "black", "white")[k % 3],
                "ethnicity": "unknown" if k == 2 else ("non-hispanic", "hispanic")[k % 2],
                "language": LANGUAGES[k % 4],
                "maritalstatus": MARITAL[k % 5],
                "note": "A note, with a comma.",
                "gpt4_summary": "A summary.",
                "glaucoma": ("no", "yes")[k % 2],
                "use": use,
            }
        )
    pd.DataFrame(rows).to_csv(folder / "data_summary.csv", index=False)
