"""everygroup prepare: decode a cohort's images once, into a folder that opens at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

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
    SplitByOption,
    WorkersOption,
    parse_bins,
)
from everygroup.errors import SettingsError

_PANEL = "Published data sets"
GENERIC = "csv"

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder holding metadata.csv and its images, or a CSV file; or the name of a published data set "
        "(everygroup list datasets), followed by its RAW_FOLDER.",
        show_default=False,
    ),
]
RawArgument = Annotated[
    Path | None, typer.Argument(metavar="RAW_FOLDER", help="The folder of the published set.", show_default=False)
]
OutOption = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the prepared cohort goes.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a cohort prepared there from something else.")
]
LabelMapOption = Annotated[
    str | None,
    typer.Option(
        "--label-map",
        metavar="NAME",
        help="Which classes the labels become; everygroup describe NAME lists them, the first is the default.",
        rich_help_panel=_PANEL,
    ),
]
ColumnMapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--column-map",
        metavar="OLD=NEW",
        help="Your file's name of a column, and the documented one. Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
LeaveOutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--leave-out",
        metavar="COLUMN=VALUE",
        help="Leave out the rows with this value, such as 'qc=3 Wrongly labelled'. Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
ListMissingOption = Annotated[
    bool,
    typer.Option(
        "--list-missing",
        help="Decode nothing; write the rows whose image is absent to missing_images.csv in the --out folder.",
        rich_help_panel=_PANEL,
    ),
]
AllowMissingOption = Annotated[
    float | None,
    typer.Option(
        "--allow-missing",
        metavar="SHARE",
        min=0,
        max=1,
        help="Share of absent images that is left out without --on-bad-image skip.",
        show_default="0.01",
        rich_help_panel=_PANEL,
    ),
]
DicomTagOption = Annotated[
    list[str] | None,
    typer.Option(
        "--dicom-tag",
        metavar="KEYWORD",
        help="Keep a further tag of DICOM files as a column; repeatable. Mind privacy.",
    ),
]


def prepare(
    source: SourceArgument,
    raw: RawArgument = None,
    *,
    out: OutOption,
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
    label_map: LabelMapOption = None,
    column_map: ColumnMapOption = None,
    leave_out: LeaveOutOption = None,
    list_missing: ListMissingOption = False,
    allow_missing: AllowMissingOption = None,
    dicom_tag: DicomTagOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Decode the images of a cohort into a folder (images.npy, table.csv, cohort.json) that opens at once.

    A run that was stopped goes on where it was. Columns named here become the folder's defaults.

    Examples: `everygroup prepare DATA -o cohorts/mine --image-size 64 --label dx --group age --bins age=60` ·
    `everygroup prepare ham10000 RAW -o cohorts/ham --label-map malignant`
    """
    from everygroup.console import say
    from everygroup.imaging import open_prepared

    shared: dict[str, Any] = {
        "group": group,
        "bins": parse_bins(bins),
        "split_by": split_by,
        "image_size": image_size,
        "on_bad_image": (on_bad_image or BadImages.error).value,
        "resize": (resize or ResizePolicy.crop).value,
        "workers": workers,
        "sample_limit": sample_limit,
        "overwrite": overwrite,
    }
    own: dict[str, Any] = {
        "label": label,
        "id_column": id_column,
        "image_column": image_column,
        "images": images,
        "drop_unlabelled": drop_unlabelled,
        "dicom_tag": dicom_tag,
    }
    published: dict[str, Any] = {
        "label_map": label_map,
        "column_map": _pairs(column_map, "--column-map", "OLD=NEW", last=True),
        "leave_out": _pairs(leave_out, "--leave-out", "COLUMN=VALUE"),
        "list_missing": list_missing,
        "allow_missing": allow_missing,
    }
    if raw is None or source == GENERIC:
        _refuse(published, "only holds for published data sets: everygroup prepare NAME RAW_FOLDER")
        folder = _own_data(source if raw is None else str(raw), named=raw is not None, out=out, **shared, **own)
    else:
        _refuse(own, "is for your own data; a published set knows its columns (choose the label with --label-map)")
        if published.pop("list_missing"):
            _list_missing(source, raw, out, published)
            return
        folder = _published(source, raw, out, shared, published)
    prepared = open_prepared(folder)
    say(f"{len(prepared.images)} images are ready in {folder}. Next: everygroup check {folder}")


def _own_data(source: str, *, named: bool, out: Path, **options: Any) -> Path:
    from everygroup.datasets.published import ADAPTERS
    from everygroup.datasets.reader import prepare_cohort

    path = Path(source)
    if not named and not path.exists() and (source in ADAPTERS or source == GENERIC):
        raise SettingsError(
            f"{source} needs a second word: the folder of its files.",
            fix=f"everygroup prepare {source} FOLDER --out COHORT",
        )
    dicom_tags = options.pop("dicom_tag") or ()
    options["drop_unlabelled"] = bool(options["drop_unlabelled"])
    return prepare_cohort(path, out, dicom_tags=dicom_tags, **options)


def _published(name: str, raw: Path, out: Path, shared: Mapping[str, Any], published: Mapping[str, Any]) -> Path:
    from everygroup.datasets import prepare_published

    chosen = {**published, "column_map": dict(published["column_map"])}
    if chosen["allow_missing"] is None:
        del chosen["allow_missing"]
    return prepare_published(name, raw, out, **shared, **chosen)


def _list_missing(name: str, raw: Path, out: Path, published: Mapping[str, Any]) -> None:
    from everygroup.console import say
    from everygroup.datasets import missing_images
    from everygroup.datasets.published import MISSING_IMAGES
    from everygroup.files import safe_csv

    absent, n = missing_images(
        name,
        raw,
        label_map=published["label_map"],
        column_map=dict(published["column_map"]),
        leave_out=published["leave_out"],
    )
    path = safe_csv(absent, out / MISSING_IMAGES)
    shown = ", ".join(absent["image"].iloc[:5]) + (", ..." if len(absent) > 5 else "")
    say(f"{len(absent)} of {n} images are absent{f' ({shown})' if len(absent) else ''}; {path} lists them.")


def _refuse(options: Mapping[str, Any], why: str) -> None:
    for name, value in options.items():
        if value is not None and value is not False and value != []:
            raise SettingsError(
                f"--{name.replace('_', '-')} {why}.", fix="leave it out, or see everygroup prepare --help"
            )


def _pairs(texts: Sequence[str] | None, option: str, form: str, *, last: bool = False) -> list[tuple[str, str]]:
    """Split each text at its first '=' (or last: names of columns such as 'malignancy(malig=1)' hold one)."""
    pairs = []
    for text in texts or ():
        before, equals, after = text.rpartition("=") if last else text.partition("=")
        if not (equals and before.strip() and after.strip()):
            raise SettingsError(f"Cannot read {option} {text!r}.", fix=f"write {form}")
        pairs.append((before.strip(), after.strip()))
    return pairs
