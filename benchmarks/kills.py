"""Kill a short `fit` at random moments, resume it until it finishes, and compare its predictions with an unbroken run.

Run: python benchmarks/kills.py --kills 20
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIT = [sys.executable, "-m", "everygroup", "fit"]


def command(cohort: Path, out: Path, *extra: str) -> list[str]:
    """The short fit."""
    options = "--label diagnosis --group tone --split-by patient_id --image-size 16 --epochs 4 --n-boot 50 --device cpu"
    return [*FIT, str(cohort), "--out", str(out), *options.split(), *extra]


def digest(out: Path) -> str:
    """Hash of all predictions and weights of a run."""
    parts = [(out / n).read_bytes() for n in ("predictions.csv", "predictions-erm.csv", "weights.csv", "summary.csv")]
    return hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    work = Path(tempfile.mkdtemp(prefix="everygroup-kills-"))
    try:
        cohort = work / "cohort"
        write_cohort(cohort, options.images)
        started = time.perf_counter()
        subprocess.run(command(cohort, work / "unbroken"), check=True, capture_output=True)
        whole = time.perf_counter() - started
        expected = digest(work / "unbroken")
        print(f"unbroken run: {whole:.1f} s, digest {expected}", flush=True)
        kills, finished, stages = 0, 0, []
        while kills < options.kills:
            out = work / f"run-{finished}"
            resume: list[str] = []
            while True:
                process = subprocess.Popen(
                    command(cohort, out, *resume), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
                )
                try:
                    _, errors = process.communicate(
                        timeout=chance.uniform(0.3, whole) if kills < options.kills else None
                    )
                    if process.returncode != 0:
                        raise SystemExit(f"resumed run failed:\n{errors}")
                    break
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.communicate()
                    kills += 1
                    held = sorted(p.name for p in (out / "store" / "networks").glob("*")) if out.exists() else []
                    stages.append(len(held))
                    if (out / "done").exists():  # killed after its last write
                        break
                    resume = ["--resume"] if (out / "config.yaml").exists() else []
            finished += 1
            same = digest(out) == expected
            print(f"run {finished}: finished after {kills} kills so far, identical: {same}", flush=True)
            if not same:
                raise SystemExit("a resumed run differs")
            shutil.rmtree(out)
        print(f"{kills} kills in {finished} runs (networks begun at each kill: {stages}); all predictions identical")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_cohort(folder: Path, n: int) -> None:
    """Write a simulated cohort as metadata.csv and PNG files."""
    from PIL import Image

    from everygroup.datasets import simulated

    cohort = simulated.dermatology(n, image_size=16, seed=0).cohort
    (folder / "images").mkdir(parents=True)
    cohort.table.to_csv(folder / "metadata.csv", index=False)
    for name, image in zip(cohort.ids, cohort.batch(slice(None)), strict=True):
        Image.fromarray(image).save(folder / "images" / f"{name}.png")


if __name__ == "__main__":
    main()
