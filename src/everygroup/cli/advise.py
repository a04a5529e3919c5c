"""`everygroup advise`: is SPARE, or a model for each group, worth trying on this cohort."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from everygroup.cli import cohort_options as c
from everygroup.cli import train_options as t


class Budget(StrEnum):
    """How much the probe may cost."""

    quick = "quick"
    normal = "normal"


def advise(
    source: c.SourceArgument,
    label: c.LabelOption = None,
    group: c.GroupOption = None,
    bins: c.BinsOption = None,
    split_by: c.SplitByOption = None,
    id_column: c.IdColumnOption = None,
    image_column: c.ImageColumnOption = None,
    images: c.ImagesOption = None,
    image_size: c.ImageSizeOption = None,
    on_bad_image: c.OnBadImageOption = None,
    resize: c.ResizeOption = None,
    drop_unlabelled: c.DropUnlabelledOption = None,
    sample_limit: c.SampleLimitOption = None,
    workers: c.WorkersOption = None,
    seed: c.SeedOption = 0,
    budget: Annotated[
        Budget, typer.Option(help="quick: small-image features; normal: a short network's, trained for every fold.")
    ] = Budget.quick,
    only: Annotated[
        list[str] | None, typer.Option(metavar="GROUP", help="Advise on this group only; repeatable.")
    ] = None,
    worthwhile: Annotated[
        float, typer.Option(help="Smallest gain in macro F1 that would be worth the further networks.")
    ] = 0.05,
    backbone: t.BackboneOption = None,
    epochs: t.EpochsOption = None,
    batch_size: t.BatchSizeOption = None,
    device: t.DeviceOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="PATH", help="JSON file of the advice.")] = Path(
        "advice.json"
    ),
    page: Annotated[Path | None, typer.Option(metavar="PATH", help="Also write a page, PATH.html.")] = None,
) -> None:
    """Say for each group whether its own model or SPARE is worth trying, before anything is trained.

    The test part of the split is not looked at. Settings of the training only matter for the cost.

    Example: everygroup advise DATA --label dx --group age --bins age=60 --split-by lesion_id
    """
    from everygroup.benchmark.advice import advise as ask
    from everygroup.benchmark.advice_page import show, write_advice_page
    from everygroup.console import clear_warnings, say
    from everygroup.datasets.reader import read_cohort
    from everygroup.errors import SettingsError
    from everygroup.files import write_json
    from everygroup.settings import TrainSettings

    clear_warnings()
    if page is not None and page.suffix.lower() != ".html":
        raise SettingsError(f"--page {page} is no name of a page.", fix="end it in .html")
    flags = {"backbone": backbone, "epochs": epochs, "batch_size": batch_size, "device": device}
    settings = TrainSettings.make({k: v for k, v in flags.items() if v is not None})
    cohort = read_cohort(
        source,
        images=images,
        label=label,
        group=group,
        bins=c.parse_bins(bins),
        id_column=id_column,
        image_column=image_column,
        split_by=split_by,
        image_size=image_size,
        on_bad_image=(on_bad_image or c.BadImages.error).value,
        resize=resize.value if resize else None,
        workers=workers,
        drop_unlabelled=bool(drop_unlabelled),
        sample_limit=sample_limit,
    )
    cohort.rule.refuse_numbers(cohort.table)
    found = ask(cohort, groups=only, budget=budget.value, seed=seed, settings=settings, worthwhile=worthwhile)
    show(found)
    write_json(out, found.to_dict())
    say(f"Written to {out}.")
    if page is not None:
        say(f"Page: {write_advice_page(found, page)}")
