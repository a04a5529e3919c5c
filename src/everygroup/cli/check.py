"""everygroup check: what is in a cohort, and what about it could mislead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from everygroup.cli.options import Fields, SeedOption, SourceArgument, WorkersOption, with_options
from everygroup.reading import Reading

JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="PATH", help="Write the counts and warnings as JSON too; '-' is standard output."),
]
PageOption = Annotated[
    Path | None,
    typer.Option("--page", metavar="PATH", help="Write all as one HTML page that loads nothing, with figures."),
]
MeanImagesOption = Annotated[
    bool,
    typer.Option(
        "--mean-images", help="Show the mean image of every group of 20 patients or more on the page; needs --page."
    ),
]
SkinToneOption = Annotated[
    bool,
    typer.Option(
        "--skin-tone", help="Measure skin tone from the pixels (ITA) and compare it with the recorded skin types."
    ),
]


@with_options
def check(
    source: SourceArgument,
    reading: Annotated[Reading, Fields()],
    workers: WorkersOption = None,
    seed: SeedOption = 0,
    json_path: JsonOption = None,
    page: PageOption = None,
    mean_images: MeanImagesOption = False,
    skin_tone: SkinToneOption = False,
) -> None:
    """Count a cohort by label and group, as a whole and after the 6:2:2 split, and warn of what could mislead.

    Counted are cells, missing and implausible values, copies of images (also near ones), blank and odd images.

    Example: everygroup check DATA --label dx --group age --bins age=60 --split-by lesion_id
    """
    from everygroup.check import check_cohort
    from everygroup.check import mean_images as means_of
    from everygroup.console import console, say
    from everygroup.datasets.reader import read_cohort
    from everygroup.errors import SettingsError
    from everygroup.files import write_json

    if mean_images and page is None:
        raise SettingsError("--mean-images are shown on the page only.", fix="add --page fingerprint.html")
    cohort = read_cohort(source, reading, workers=workers)
    cohort.rule.refuse_numbers(cohort.table)
    found = check_cohort(cohort, seed=seed, skin_tone=skin_tone)
    found.render(console)
    if page is not None:
        import shlex
        import sys

        from everygroup.report import write_fingerprint_page

        command = shlex.join(["everygroup", *sys.argv[1:]])
        means = means_of(cohort) if mean_images else None
        write_fingerprint_page(
            page, found, means=means, of_patients=not cohort.provenance.get("simulated", False), command=command
        )
        say(f"Page: {page}")
    if json_path is None:
        return
    if str(json_path) == "-":
        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    write_json(json_path, found.to_dict())
    say(f"Written to {json_path}.")
