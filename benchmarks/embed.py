"""What `everygroup.embed` costs beyond the network: time against the bare forward pass, and peak memory by cohort size.

Run: python benchmarks/embed.py [--write]

Times are of the processor, in the same run and in turn. Memory is the rise of a fresh process's peak, at two sizes;
there the features (1,280 an image) are drawn, not computed, so that what embed itself holds is all that is measured.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import describe_machine, load_images, write_result

from everygroup.cohort import Cohort
from everygroup.imaging.tensors import to_input
from everygroup.networks import embed as room

WIDTH = 1280


def made(images: np.ndarray, y: np.ndarray) -> Cohort:
    return Cohort.from_arrays(
        images, [f"class {k}" for k in y], sensitive_features=[f"g{i % 2}" for i in range(len(y))]
    )


def times(n: int, side: int, rounds: int, backbone: str, batch: int = 64) -> tuple[np.ndarray, str]:
    """Return processor seconds (rounds, 2) of the bare forward pass and of embed, and where the images come from."""
    images, y, source = load_images(n, side)
    cohort = made(images, y)
    network = room._network(cohort, backbone, True, None)[0].eval()
    found = np.zeros((rounds, 2))
    for k in range(rounds):
        start = time.process_time()
        with torch.inference_mode():
            for first in range(0, n, batch):
                x = to_input(torch.from_numpy(images[first : first + batch]))
                network.features(x.contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
        found[k, 0] = time.process_time() - start
        with tempfile.TemporaryDirectory() as place:
            start = time.process_time()
            room.embed(cohort, Path(place) / "e", backbone=backbone, batch_size=batch)
            found[k, 1] = time.process_time() - start
    return found, source


def rise(n: int) -> float:
    """Rise of this process's peak memory, in MB (10^6 bytes), by embedding n images with drawn features."""

    def drawn(network: object, cohort: Cohort, part: slice, *rest: object) -> np.ndarray:
        return np.random.default_rng(part.start).standard_normal((part.stop - part.start, WIDTH), dtype=np.float32)

    room._features = drawn
    cohort = made(np.zeros((n, 32, 32, 3), np.uint8), np.arange(n) % 2)
    before = _peak()
    with tempfile.TemporaryDirectory() as place:
        room.embed(cohort, Path(place) / "e", backbone="small_cnn", pretrained=False)
    return _peak() - before


def _peak() -> float:
    """Peak resident memory of this process, in MB; not getrusage's, which a child inherits from a larger parent."""
    (line,) = (row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=512)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--sizes", type=int, nargs=2, default=(20_000, 60_000))
    parser.add_argument("--write", action="store_true", help="write docs/results/embed.md")
    parser.add_argument("--rise", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rise:
        print(rise(options.rise))
        return
    torch.set_num_threads(1)
    seconds, source = times(options.n, options.side, options.rounds, options.backbone)
    bare, whole = np.median(seconds, axis=0)
    ratio = np.median(seconds[:, 1] / seconds[:, 0])
    peaks = []
    for size in options.sizes:
        command = [sys.executable, __file__, "--rise", str(size)]
        peaks.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]))
    small, large = options.sizes
    slope = (peaks[1] - peaks[0]) * 1e3 / (large - small)
    lines = [
        f"`{options.backbone}` on {options.n:,} images of {options.side} pixels ({source}), one thread, batches of 64, "
        f"medians of {options.rounds} rounds in turn.",
        "",
        "| | processor seconds | images a processor second |",
        "|---|---:|---:|",
        f"| bare forward pass | {bare:.2f} | {options.n / bare:.1f} |",
        f"| `everygroup.embed`, network built and cohort written | {whole:.2f} | {options.n / whole:.1f} |",
        "",
        f"Embedding takes {ratio:.2f} times the forward pass.",
        "",
        f"Rise of a fresh process's peak memory, {WIDTH:,} features an image (drawn, so that the network is left out):",
        "",
        "| images | features in half precision, MB | rise, MB |",
        "|---:|---:|---:|",
        *(f"| {n:,} | {n * WIDTH * 2 / 1e6:.0f} | {p:.0f} |" for n, p in zip(options.sizes, peaks, strict=True)),
        "",
        f"From one size to the other that is {slope:+.2f} kB an image, where its features in half precision are "
        f"{WIDTH * 2 / 1e3:.2f} kB; one process a size, so that some 10 MB are scatter.",
        "",
        describe_machine(),
    ]
    print("\n".join(lines))
    if options.write:
        write_result(Path("docs/results/embed.md"), "Speed of embedding", lines)


if __name__ == "__main__":
    main()
