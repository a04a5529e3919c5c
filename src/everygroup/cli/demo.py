"""`everygroup demo`: the whole program on a simulated cohort, in a few minutes on a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEMO_METHODS = ("erm", "group_model", "spare")


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of cohort, split and training.")] = 0,
    samples: Annotated[int, typer.Option("-n", "--samples", min=200, help="Simulated images.")] = 2000,
    image_size: Annotated[int, typer.Option(min=16, help="Side of the images, in pixels.")] = 32,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training cohort, for every network.")] = 14,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished demo in --out.")] = False,
) -> None:
    """Simulate a dermatology cohort, train ERM, group models and SPARE, and write a report.

    Example:

        everygroup demo --out runs/demo --seed 1
    """
    from everygroup.benchmark import Comparison, RunFolder, run
    from everygroup.cohort import split_cohort
    from everygroup.console import clear_warnings, say
    from everygroup.datasets import simulated
    from everygroup.settings import TrainSettings

    clear_warnings()
    say(f"Simulating {samples} images of {image_size} px (no patient is pictured).")
    settings = TrainSettings.make({"epochs": epochs, "lr": 4e-3, "seed": seed})
    config = {
        "source": "simulated",
        "samples": samples,
        "image_size": image_size,
        "method": "spare",
        "compare": list(DEMO_METHODS[:-1]),
        **settings.model_dump(exclude={"device"}),
    }
    cohort = simulated.dermatology(samples, image_size=image_size, seed=seed).cohort
    split = split_cohort(cohort, seed=seed)
    folder = RunFolder(out, config, resume=resume)
    if folder.finished:
        return
    result = run(Comparison(cohort, split, settings, "spare", compare=DEMO_METHODS[:-1]), folder)
    say(result.audits["spare"].summary())
    say(f"Run folder: {folder.path}\nReport:     {folder / 'report.html'}")
