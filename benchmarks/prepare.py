"""Images a second: our preparation, a torch DataLoader with Pillow, and what libjpeg alone can do; then a kill.

The whole of HAM10000 (200 x 150 JPEG) where it is present, else as many drawn JPEGs, and drawn JPEGs of 600 x 450.
Then `everygroup prepare` of all images of the first set is killed by SIGKILL in the middle and resumed by the same
command; its pixels must be those of a run that nobody disturbed.

Run: python benchmarks/prepare.py --write
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import data_folder, describe_machine, write_result
from PIL import Image, ImageDraw
from torch.utils.data import DataLoader, Dataset

from everygroup.files import read_json
from everygroup.imaging import open_source, prepare_images
from everygroup.imaging._store import PROGRESS
from everygroup.imaging.sources import ZipImages

SIZE = 64
N_HAM = 10015
ROWS = (
    "decode alone (libjpeg through Pillow, one core)",
    "decode, central square, Lanczos (Pillow, one core)",
    "`prepare_images`, 1 worker",
    "`prepare_images`, 2 workers",
    "`prepare_images`, 1 worker, fast_decode",
    "torch DataLoader with Pillow, in the process",
    "torch DataLoader with Pillow, 2 worker processes",
)


class Pictures(Dataset):
    """What people write: open, convert, crop, resize, once more in every epoch."""

    def __init__(self, path: Path, names: list[str]) -> None:
        self.path, self.names, self.archive = path, names, None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> torch.Tensor:
        if self.archive is None:  # a zip handle must not be shared with the worker processes
            self.archive = zipfile.ZipFile(self.path)
        return torch.from_numpy(np.asarray(square(Image.open(io.BytesIO(self.archive.read(self.names[index]))))).copy())


def square(image: Image.Image) -> Image.Image:
    """Central square of SIZE pixels, as our preparation makes it."""
    image = image.convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def decode(data: bytes) -> None:
    """Decode and nothing else."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()


def draw(path: Path, n: int, width: int, height: int) -> None:
    """A zip of n drawn JPEGs: a shaded ground, some ellipses and noise, quality 90."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(n):
            shade = (x * rng.normal(0, 0.1) + y * rng.normal(0, 0.1))[..., None] + rng.integers(120, 230, 3)
            image = Image.fromarray(np.clip(shade + rng.normal(0, 6, (height, width, 1)), 0, 255).astype(np.uint8))
            pen = ImageDraw.Draw(image)
            for _ in range(5):
                left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
                box = (left, top, left + int(rng.integers(9, width // 2)), top + int(rng.integers(9, height // 2)))
                pen.ellipse(box, fill=tuple(int(c) for c in rng.integers(20, 200, 3)))
            stream = io.BytesIO()
            image.save(stream, "JPEG", quality=90)
            archive.writestr(f"drawn_{k:05d}.jpg", stream.getvalue())


def seconds(run: Callable[[], object]) -> tuple[float, float]:
    """Wall time and processor time of one call, worker processes included."""
    started, used = time.perf_counter(), processor()
    run()
    return time.perf_counter() - started, processor() - used


def processor() -> float:
    """Seconds of processor used by this process and by children that have ended."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


def measure(path: Path, names: list[str], work: Path, repeats: int) -> list[tuple[float, float]]:
    """Images a second, and a processor second, of every row; the median of some rounds that take turns."""
    source = open_source(path)
    assert isinstance(source, ZipImages)
    files = [source.read(name) for name in names]

    def prepare(workers: int, *, fast: bool = False) -> None:
        out = work / f"prepared-{workers}"
        prepare_images(source, names, out, image_size=SIZE, workers=workers, fast_decode=fast)
        shutil.rmtree(out)

    def load(workers: int) -> None:
        for _ in DataLoader(Pictures(path, names), batch_size=64, num_workers=workers):
            pass

    tasks: list[Callable[[], object]] = [
        lambda: [decode(data) for data in files],
        lambda: [square(Image.open(io.BytesIO(data))) for data in files],
        lambda: prepare(1),
        lambda: prepare(2),
        lambda: prepare(1, fast=True),
        lambda: load(0),
        lambda: load(2),
    ]
    rounds = np.array([[seconds(task) for task in tasks] for _ in range(repeats)])
    return [(float(wall), float(cpu)) for wall, cpu in len(names) / np.median(rounds, axis=0)]


def ratio(values: list[tuple[float, float]], row: int) -> float:
    """Images a processor second relative to decoding alone."""
    return values[row][1] / values[0][1]


def killed_and_resumed(folder: Path, n: int, work: Path) -> list[str]:
    """Kill the command in the middle, run it again, compare with an undisturbed run."""

    def command(out: Path) -> list[str]:
        arguments = [str(folder), "-o", str(out), "--image-size", str(SIZE), "--workers", "1"]
        return [sys.executable, "-m", "everygroup", "prepare", *arguments]

    whole, _ = seconds(lambda: subprocess.run(command(work / "whole"), check=True, capture_output=True))
    started = time.perf_counter()
    process = subprocess.Popen(command(work / "cut"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while done(work / "cut") < n // 2:
        if process.poll() is not None:
            raise SystemExit("the run ended before it could be killed")
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = time.perf_counter() - started
    kept = done(work / "cut")
    started = time.perf_counter()
    second = subprocess.run(command(work / "cut"), check=True, capture_output=True, text=True)
    after = time.perf_counter() - started
    said = f"Going on with an earlier run: {kept} of {n} images are done."
    if said not in second.stdout + second.stderr:
        raise SystemExit(f"the resumed run did not go on from {kept}:\n{second.stderr}")
    hashes = {read_json(work / name / "cohort.json")["images"]["content_hash"] for name in ("whole", "cut")}
    if len(hashes) != 1:
        raise SystemExit("the resumed run has other pixels")
    return [
        f"| undisturbed run, s | {whole:.1f} |",
        f"| before the kill, s | {before:.1f} |",
        f"| images kept, not decoded again | {kept:,} of {n:,} |",
        f"| after the kill, s | {after:.1f} |",
        f"| hash of the pixels, both | `{hashes.pop()}` |",
    ]


def done(folder: Path) -> int:
    """Images that the log of an unfinished run counts as dealt with."""
    try:
        lines = (folder / PROGRESS).read_text(encoding="utf-8").splitlines()
        return int(json.loads(lines[-1])["done"]) if len(lines) > 1 else 0
    except (OSError, ValueError):
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=N_HAM, help="images of the first set")
    parser.add_argument("--n-large", type=int, default=1000, help="images of the second set")
    parser.add_argument("--large", type=int, nargs=2, default=(600, 450), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write docs/results/prepare.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    work = Path(tempfile.mkdtemp(prefix="everygroup-prepare-"))
    try:
        ham = data_folder() / "ham10000"
        small, name = ham / "images.zip", "HAM10000, 200 x 150"
        folder = work / "set"
        folder.mkdir()
        if not small.is_file():
            small, name = work / "small.zip", "drawn, 200 x 150"
            draw(small, options.n, 200, 150)
        names = ZipImages(small).members()[: options.n]
        (folder / "images.zip").symlink_to(small)
        pd.DataFrame({"image_id": names}).to_csv(folder / "metadata.csv", index=False)
        large = work / "large.zip"
        draw(large, options.n_large, *options.large)
        sets = {
            f"{name} ({len(names):,})": measure(small, names, work, options.repeats),
            f"drawn, {options.large[0]} x {options.large[1]} ({options.n_large:,})": measure(
                large, ZipImages(large).members(), work, options.repeats
            ),
        }
        lines = [
            f"JPEG to squares of {SIZE} pixels: images a second by the clock, and images a processor second with the "
            f"ratio to decoding alone. Median of {options.repeats} rounds in which all took turns.",
            "",
            f"| | {' | '.join(f'{s}: by the clock | a processor second' for s in sets)} |",
            "|---|---:|---:|---:|---:|",
            *(
                f"| {row} | "
                + " | ".join(f"{v[k][0]:,.0f} | {v[k][1]:,.0f} ({ratio(v, k):.2f})" for v in sets.values())
                + " |"
                for k, row in enumerate(ROWS)
            ),
            "",
            f"The machine had {os.getloadavg()[2]:.0f} processes at work on {os.cpu_count()} cores on average: "
            "the more, the less the clock says.",
            "",
            "What lies between decoding alone and the preparation is Lanczos: the second row does the same work with "
            "Pillow alone. The DataLoader does it again in every epoch; prepared images are read from a memory map.",
            "",
            f"`everygroup prepare` of {len(names):,} images with one worker, killed by SIGKILL and started again:",
            "",
            "| | |",
            "|---|---:|",
            *killed_and_resumed(folder, len(names), work),
        ]
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("\n".join(lines))
    if options.write:
        write_result(Path("docs/results/prepare.md"), "Speed of the preparation", [*lines, "", describe_machine()])


if __name__ == "__main__":
    main()
