"""Peak memory of `prepare` and `fit` on a cohort larger than it: what is read of the images does not stay in memory.

Run: python benchmarks/streaming.py --images 200000

Makes a folder of images (light or dark, with noise) and a table, prepares it, and fits one network for a few updates.
The peak is the resident memory of the process, pages of mapped files included, as the system counts it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

_BLOCK = 4096


def make(folder: Path, n: int, side: int) -> None:
    """Write metadata.csv and images-SIDE.npz, block by block."""
    rng = np.random.default_rng(0)
    label, sex = rng.integers(0, 2, n), rng.integers(0, 2, n)
    names = np.array([f"i{k:07d}" for k in range(n)])
    folder.mkdir(parents=True)
    table = {"image_id": names, "dx": np.array(["benign", "malignant"])[label], "sex": np.array(["f", "m"])[sex]}
    pd.DataFrame(table).to_csv(folder / "metadata.csv", index=False)
    grain = rng.integers(0, 100, (_BLOCK, side, side, 3), dtype=np.uint8)
    with zipfile.ZipFile(folder / f"images-{side}.npz", "w") as archive:
        with archive.open("images.npy", "w", force_zip64=True) as out:
            header = {"descr": "|u1", "fortran_order": False, "shape": (n, side, side, 3)}
            np.lib.format.write_array_header_1_0(out, header)
            for start in range(0, n, _BLOCK):
                here = label[start : start + _BLOCK]
                shift = rng.integers(0, 40, len(here)) + 80 * here
                grain = np.roll(grain, 1, axis=2)  # no two images are alike
                out.write((grain[: len(here)] + shift[:, None, None, None].astype(np.uint8)).tobytes())
        with archive.open("ids.npy", "w") as out:
            np.lib.format.write_array(out, names)


def peak(*arguments: str) -> tuple[float, float]:
    """Run `everygroup` and return its peak memory in GB (10^9 bytes) and its seconds."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "everygroup", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"everygroup {' '.join(arguments)} ended with {os.waitstatus_to_exitcode(status)}")
    scale = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * scale / 1e9, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--updates", type=int, default=50)
    parser.add_argument("--backbone", default="tiny_cnn")
    parser.add_argument("--at-most", type=float, default=2.0, help="fail above this peak, in GB")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        raw, cohort = Path(place) / "raw", Path(place) / "cohort"
        make(raw, options.images, options.side)
        columns = ["--label", "dx", "--group", "sex", "--split-by", "none"]
        training = ["--method", "erm", "--backbone", options.backbone, "--set", f"updates={options.updates}"]
        steps = {
            "prepare": ["prepare", str(raw), "--out", str(cohort), "--image-size", str(options.side), *columns],
            "fit": ["fit", str(cohort), "--out", f"{place}/run", *training, "--n-boot", "50", "--device", "cpu"],
        }
        store = options.images * options.side**2 * 3 / 1e9
        print(f"{options.images} images of {options.side} px: {store:.2f} GB")
        for name, arguments in steps.items():
            memory, seconds = peak(*arguments)
            print(f"{name}: peak {memory:.2f} GB, {seconds:.0f} s", flush=True)
            if memory > options.at_most:
                raise SystemExit(f"{name} held more than {options.at_most} GB")


if __name__ == "__main__":
    main()
