"""Whether the published effect of every method of the zoo shows: docs/results/zoo-effects.md.

    python benchmarks/zoo_effects.py [--only NAME ...] [--seeds 5] [--write]

Each effect is measured on a small made-up world in which it must show, on fresh test samples, for several seeds.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import zoo
from common import describe_machine, write_result
from zoo.effect import Effect

from everygroup.methods import create_method


def all_effects() -> Iterator[Effect]:
    """Yield those of every family's file, which has a list EFFECTS."""
    for file in pkgutil.iter_modules(zoo.__path__):
        yield from getattr(importlib.import_module(f"zoo.{file.name}"), "EFFECTS", [])


def row(effect: Effect, seeds: int) -> str:
    """Measure an effect: a row of the table."""
    started = time.perf_counter()
    pairs = np.array([effect.run(seed) for seed in range(seeds)])
    moved = pairs[:, 1] - pairs[:, 0]
    measured = f"{effect.measure} ({effect.better} is better)"
    change = f"{moved.mean():+.3f} ({moved.min():+.3f} to {moved.max():+.3f})"
    return (
        f"| `{effect.method}` | {effect.world} | {measured} | {pairs[:, 0].mean():.3f} "
        f"| {pairs[:, 1].mean():.3f} | {change} | {effect.verdict(pairs)} "
        f"| {time.perf_counter() - started:.0f} |"
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="names of methods")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "| method | world | measured | without | with | change (smallest to largest of the seeds) | seen | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for effect in all_effects():
        names = create_method(effect.method).name.split(" + ")
        if not options.only or set(names) & set(options.only):
            lines.append(row(effect, options.seeds))
            print(lines[-1], flush=True)
    if options.write:
        text = [
            *(__doc__ or "").strip().split("\n\n")[-1].splitlines(),
            "An effect counts as seen where its mean moved as it should, by .02 or more, and so did four seeds of",
            "five; below that it was hardly seen. That a method works on a world made for it, some changed until",
            "the effect showed, says that it can, and nothing of real patients: see the other pages of results.",
        ]
        title = "Whether every method does what its paper says"
        write_result(Path("docs/results/zoo-effects.md"), title, [*text, "", *lines, "", describe_machine()])


if __name__ == "__main__":
    main()
