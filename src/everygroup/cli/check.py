"""everygroup check: what is in a cohort, and what about it could mislead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from everygroup.cli.cohort_options import (
    BadImages,
    BinsOption,
    DropUnlabelledOption,
    GroupOption,
    IdColumnOption,
    ImageColumnOption,
    ImageSizeOption,
    ImagesOption,
    LabelOption,
    OnBadImageOption,
    ResizeOption,
    ResizePolicy,
    SampleLimitOption,
    SeedOption,
    SourceArgument,
    SplitByOption,
    WorkersOption,
    parse_bins,
)

JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="PATH", help="Write the counts and warnings as JSON too; '-' is standard output."),
]


def check(
    source: SourceArgument,
    label: LabelOption = None,
    group: GroupOption = None,
    bins: BinsOption = None,
    split_by: SplitByOption = None,
    id_column: IdColumnOption = None,
    image_column: ImageColumnOption = None,
    images: ImagesOption = None,
    image_size: ImageSizeOption = None,
    on_bad_image: OnBadImageOption = None,
    resize: ResizeOption = None,
    drop_unlabelled: DropUnlabelledOption = None,
    sample_limit: SampleLimitOption = None,
    workers: WorkersOption = None,
    seed: SeedOption = 0,
    json_path: JsonOption = None,
) -> None:
    """Count a cohort by label and group, as a whole and after the 6:2:2 split, and warn of what could mislead.

    Example: everygroup check DATA --label dx --group age --bins age=60 --split-by lesion_id
    """
    from everygroup.console import console, say, warn
    from everygroup.datasets.reader import read_cohort
    from everygroup.errors import CohortError
    from everygroup.files import write_json

    cohort = read_cohort(
        source,
        images=images,
        label=label,
        group=group,
        bins=parse_bins(bins),
        id_column=id_column,
        image_column=image_column,
        split_by=split_by,
        image_size=image_size,
        on_bad_image=(on_bad_image or BadImages.error).value,
        resize=(resize or ResizePolicy.crop).value,
        workers=workers,
        drop_unlabelled=bool(drop_unlabelled),
        sample_limit=sample_limit,
    )
    try:
        split = cohort.split(seed=seed)
    except CohortError as error:  # too small to split is a finding, not the end of the check
        warn(f"This cohort cannot be split 6:2:2: {error.message}")
        split = None
    found = cohort.fingerprint(split)
    found.render(console)
    if json_path is None:
        return
    if str(json_path) == "-":
        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    write_json(json_path, found.to_dict())
    say(f"Written to {json_path}.")
