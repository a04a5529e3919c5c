"""`everygroup demo`: the whole program on a simulated cohort, in three minutes on two cores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEMO_METHODS = ("erm", "group_model", "spare", "mixture")
DEMO_CANDIDATES = ("group_model(small_groups=erm)", "spare")  # networks that are trained for the others anyway
DEMO_SHIFT = 1.5  # radians by which the look of a diagnosis turns from the lightest to the darkest skin
DEMO_TONES = (0.85, 0.15)
# Pictures that are painted cost nothing: a large test part tells apart what a real one could not.
DEMO_PARTS = (0.4, 0.1, 0.5)


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of cohort, split and training.")] = 0,
    samples: Annotated[int, typer.Option("-n", "--samples", min=200, help="Simulated images.")] = 4000,
    image_size: Annotated[int, typer.Option(min=16, help="Side of the images, in pixels.")] = 24,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training cohort, for every network.")] = 30,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished demo in --out.")] = False,
) -> None:
    """Simulate a cohort in which a small group presents differently; train ERM, group models, SPARE and their mixture.

    Says which is best for whom, by group and with intervals, and writes a report.

    Example:

        everygroup demo --out runs/demo --seed 1
    """
    from everygroup.benchmark import Comparison, RunFolder, best_by_group, run
    from everygroup.cohort import split_cohort
    from everygroup.console import clear_warnings, say
    from everygroup.datasets import simulated
    from everygroup.predictions import Predictions
    from everygroup.settings import TrainSettings

    clear_warnings()
    main, compare = DEMO_METHODS[-1], DEMO_METHODS[:-1]
    say(
        f"Simulating {samples:,} images of {image_size} px (no patient is pictured): {DEMO_TONES[1]:.0%} are of dark "
        "skin, on which every diagnosis looks different."
    )
    settings = TrainSettings.make({"epochs": epochs, "lr": 3e-3, "seed": seed, "selection": "last"})
    config = {
        "source": "simulated",
        "samples": samples,
        "image_size": image_size,
        "tone_fractions": list(DEMO_TONES),
        "presentation_shift": DEMO_SHIFT,
        "parts": list(DEMO_PARTS),
        "method": main,
        "candidates": list(DEMO_CANDIDATES),
        "compare": list(compare),
        **settings.model_dump(exclude={"device"}),
    }
    cohort = simulated.dermatology(
        samples, image_size=image_size, seed=seed, tone_fractions=DEMO_TONES, presentation_shift=DEMO_SHIFT
    ).cohort
    folder = RunFolder(out, config, resume=resume)
    if folder.finished:
        return
    split = split_cohort(cohort, DEMO_PARTS, seed=seed)
    asked = {"candidates": list(DEMO_CANDIDATES)}
    result = run(Comparison(cohort, split, settings, main, asked, compare), folder)
    answers = {name: p.of_split("test") for name, p in result.predictions.items() if isinstance(p, Predictions)}
    say("\nWhich is best for whom? Right answers on patients that no model was trained on:")
    for found in best_by_group(answers, seed=seed):
        for name, share in found.right.items():
            say(f"  {found.group:<6} {name:<12} {share.value:.1%} ({share.low:.1%} to {share.high:.1%})")
        say(str(found))
    say("The best was chosen on the patients it is judged on here, which favours it a little.")
    say(f"\nThe audit of {main}:\n{result.audits[main].summary()}")
    say(f"Run folder: {folder.path}\nReport:     {folder / 'report.html'}")
