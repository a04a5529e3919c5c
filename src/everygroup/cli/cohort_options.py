"""Options that every command reading a cohort shares, and how their texts are read."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from everygroup.errors import SettingsError

_PANEL = "Cohort"


class BadImages(StrEnum):
    """What to do about images that are missing or damaged."""

    error = "error"
    skip = "skip"


class ResizePolicy(StrEnum):
    """How a rectangle becomes a square."""

    crop = "crop"
    pad = "pad"
    stretch = "stretch"


SourceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        help="A folder holding metadata.csv and its images, a CSV file, or a folder made by everygroup prepare.",
    ),
]
LabelOption = Annotated[
    str | None, typer.Option("--label", metavar="COLUMN", help="Column of the diagnosis.", rich_help_panel=_PANEL)
]
GroupOption = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        metavar="COLUMN",
        help="Column of a sensitive attribute; repeat it for intersections.",
        rich_help_panel=_PANEL,
    ),
]
BinsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--bins",
        metavar="COLUMN=RULE",
        help="Make groups of an attribute's values: age=40,60 (a cut belongs to the group below it), or "
        "'skin_type=light:1,2,3|dark:4,5,6'. Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
SplitByOption = Annotated[
    str | None,
    typer.Option(
        "--split-by",
        metavar="COLUMN",
        help="Column of the patient or lesion, which is never torn between training and test.",
        rich_help_panel=_PANEL,
    ),
]
IdColumnOption = Annotated[
    str | None,
    typer.Option("--id-column", metavar="COLUMN", help="Column that identifies a sample.", rich_help_panel=_PANEL),
]
ImageColumnOption = Annotated[
    str | None,
    typer.Option(
        "--image-column",
        metavar="COLUMN",
        help="Column of the image's file name, where it is not the id.",
        rich_help_panel=_PANEL,
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="PATH",
        help="Folder, zip or npz of the images, where they do not lie beside the table.",
        rich_help_panel=_PANEL,
    ),
]
ImageSizeOption = Annotated[
    int | None,
    typer.Option("--image-size", metavar="PIXELS", min=1, help="Side of the square images.", rich_help_panel=_PANEL),
]
OnBadImageOption = Annotated[
    BadImages | None,
    typer.Option(
        "--on-bad-image",
        help="Stop at images that are missing or damaged, or leave them out and list them.",
        show_default="error",
        rich_help_panel=_PANEL,
    ),
]
ResizeOption = Annotated[
    ResizePolicy | None,
    typer.Option(
        "--resize",
        help="Cut out the central square, keep all on black, or change the aspect ratio.",
        show_default="crop",
        rich_help_panel=_PANEL,
    ),
]
DropUnlabelledOption = Annotated[
    bool | None,
    typer.Option("--drop-unlabelled", help="Leave rows without a label out.", rich_help_panel=_PANEL),
]
SampleLimitOption = Annotated[
    int | None,
    typer.Option(
        "--sample-limit",
        metavar="N",
        min=1,
        help="Read at most N samples, chosen at random once, for trying things out.",
        rich_help_panel=_PANEL,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=1, help="Threads that decode images; one a core.", rich_help_panel=_PANEL
    ),
]
UnitsWithDuplicatesOption = Annotated[
    bool | None,
    typer.Option(
        "--units-with-duplicates",
        help="Keep patients (or images) that share copies of images, also near ones, in one part of the split.",
        rich_help_panel=_PANEL,
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the split.")]


def parse_bins(texts: Sequence[str] | None) -> dict[str, str]:
    """Split each 'column=rule' at its first '='; the rule itself is read by `everygroup.cohort.Binning`.

    Raises
    ------
    SettingsError
        If a text has no column or no rule, or a column is given twice.
    """
    bins: dict[str, str] = {}
    for text in texts or ():
        name, equals, rule = text.partition("=")
        name, rule = name.strip(), rule.strip()
        if not (equals and name and rule):
            raise SettingsError(f"Cannot read --bins {text!r}.", fix="write COLUMN=RULE, for example --bins age=40,60")
        if name in bins:
            raise SettingsError(f"--bins gives {name!r} twice.", fix="give each column one rule: --bins age=40,60")
        bins[name] = rule
    return bins
