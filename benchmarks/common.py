"""What the benchmarks share: real images where they are present, the machine in words, result pages."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from everygroup.files import write_text

ROOT = Path(__file__).resolve().parents[1]


def data_folder() -> Path:
    """Folder of the real data sets: $EVERYGROUP_DATA, else ../shared/data beside the repository."""
    return Path(os.environ.get("EVERYGROUP_DATA", ROOT.parent / "shared" / "data"))


def load_images(n: int, side: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Return n images (n, side, side, 3) uint8, their class index, and where they come from."""
    from PIL import Image

    folder = data_folder() / "ham10000"
    if folder.exists():
        with np.load(folder / "images-28.npz") as file:
            images = file["images"]
        y = pd.factorize(pd.read_csv(folder / "metadata.csv")["label"], sort=True)[0]
        chosen = np.random.default_rng(0).permutation(len(images))[:n]
        images, y, name = images[chosen], y[chosen], "HAM10000"
        if side != images.shape[1]:
            images = np.stack([np.asarray(Image.fromarray(i).resize((side, side))) for i in images])
        return images, y, name
    from everygroup.datasets import simulated

    cohort = simulated.dermatology(n, image_size=side, seed=0).cohort
    return cohort.batch(slice(None)), cohort.y, "simulated cohort"


def describe_machine() -> str:
    """One line on what the figures were measured with."""
    return (
        f"Measured {date.today().isoformat()} on {os.cpu_count()} shared CPU cores ({platform.machine()}), "
        f"Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}; "
        f"command: `python {shlex.join(sys.argv)}`. Timings on shared cores vary: read the ratios."
    )


def write_result(path: Path, title: str, lines: list[str]) -> None:
    """Write a page of results under docs/results."""
    write_text(ROOT / path, "\n".join([f"# {title}", "", *lines, ""]))
    print(f"wrote {path}")
