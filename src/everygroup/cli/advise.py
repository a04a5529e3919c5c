"""`everygroup advise`: is SPARE, or a model for each group, worth trying on this cohort."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from everygroup.cli.options import Fields, SeedOption, SourceArgument, WorkersOption, with_options
from everygroup.reading import Reading
from everygroup.settings import TrainSettings


class Budget(StrEnum):
    """How much the probe may cost."""

    quick = "quick"
    normal = "normal"


@with_options
def advise(
    source: SourceArgument,
    reading: Annotated[Reading, Fields()],
    training: Annotated[TrainSettings, Fields(only=("backbone", "epochs", "batch_size", "device"))],
    workers: WorkersOption = None,
    seed: SeedOption = 0,
    budget: Annotated[
        Budget, typer.Option(help="quick: small-image features; normal: a short network's, trained for every fold.")
    ] = Budget.quick,
    only: Annotated[
        list[str] | None, typer.Option(metavar="GROUP", help="Advise on this group only; repeatable.")
    ] = None,
    worthwhile: Annotated[
        float, typer.Option(help="Smallest gain in macro F1 that would be worth the further networks.")
    ] = 0.05,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="PATH", help="JSON file of the advice.")] = Path(
        "advice.json"
    ),
    page: Annotated[Path | None, typer.Option(metavar="PATH", help="Also write a page, PATH.html.")] = None,
) -> None:
    """Say for each group whether its own model or SPARE is worth trying, before anything is trained.

    The test part of the split is not looked at. Settings of the training only matter for the cost.

    Example: everygroup advise DATA --label dx --group age --bins age=60 --split-by lesion_id
    """
    from everygroup.advise.advice import advise as ask
    from everygroup.advise.page import show, write_advice_page
    from everygroup.console import clear_warnings, say
    from everygroup.datasets.reader import read_cohort
    from everygroup.errors import SettingsError
    from everygroup.files import write_json

    clear_warnings()
    if page is not None and page.suffix.lower() != ".html":
        raise SettingsError(f"--page {page} is no name of a page.", fix="end it in .html")
    cohort = read_cohort(source, reading, workers=workers)
    cohort.rule.refuse_numbers(cohort.table)
    found = ask(cohort, groups=only, budget=budget.value, seed=seed, settings=training, worthwhile=worthwhile)
    show(found)
    write_json(out, found.to_dict())
    say(f"Written to {out}.")
    if page is not None:
        say(f"Page: {write_advice_page(found, page)}")
