"""everygroup prepare: decode a cohort's images once, into a folder that opens at once."""

from __future__ import annotations

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
    SourceArgument,
    SplitByOption,
    WorkersOption,
    parse_bins,
)

OutOption = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the prepared cohort goes.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a cohort prepared there from something else.")
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
    dicom_tag: DicomTagOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Decode the images of a cohort into a folder (images.npy, table.csv, cohort.json) that opens at once.

    A run that was stopped goes on where it was. Columns named here become the folder's defaults.

    Example: everygroup prepare DATA -o cohorts/ham --image-size 64 --label dx --group age --bins age=60
    """
    from everygroup.console import say
    from everygroup.datasets.reader import prepare_cohort
    from everygroup.imaging import open_prepared

    folder = prepare_cohort(
        source,
        out,
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
        dicom_tags=dicom_tag or (),
        overwrite=overwrite,
    )
    prepared = open_prepared(folder)
    say(f"{len(prepared.images)} images are ready in {folder}. Next: everygroup check {folder}")
