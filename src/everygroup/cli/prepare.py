"""everygroup prepare: decode a cohort's images once, into a folder that opens at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from everygroup.cli.options import Fields, WorkersOption, pairs, with_options
from everygroup.errors import SettingsError
from everygroup.reading import Reading

_PANEL = "Published data sets"
_SIMULATED = "Simulated data"
GENERIC, SIM = "csv", "sim"

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder holding metadata.csv and its images, or a CSV file; or the name of a published data set "
        "(everygroup list datasets), followed by its RAW_FOLDER; or sim, to simulate one.",
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
SamplesOption = Annotated[
    int | None,
    typer.Option("--samples", "-n", metavar="N", min=10, help="Images to simulate.", rich_help_panel=_SIMULATED),
]
SimulationSeedOption = Annotated[
    int | None, typer.Option("--seed", metavar="N", min=0, help="Seed of the simulation.", rich_help_panel=_SIMULATED)
]
DialOption = Annotated[
    list[str] | None,
    typer.Option(
        "--dial",
        metavar="KEY=VALUE",
        help="A dial of the simulation, such as presentation_shift=0. Repeatable.",
        rich_help_panel=_SIMULATED,
    ),
]


@with_options
def prepare(
    source: SourceArgument,
    raw: RawArgument = None,
    *,
    out: OutOption,
    reading: Annotated[Reading, Fields(without=("units_with_duplicates",))],
    workers: WorkersOption = None,
    label_map: LabelMapOption = None,
    column_map: ColumnMapOption = None,
    leave_out: LeaveOutOption = None,
    list_missing: ListMissingOption = False,
    allow_missing: AllowMissingOption = None,
    dicom_tag: DicomTagOption = None,
    samples: SamplesOption = None,
    seed: SimulationSeedOption = None,
    dial: DialOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Decode the images of a cohort into a folder (images.npy, table.csv, cohort.json) that opens at once.

    A run that was stopped goes on where it was. Columns named here become the folder's defaults.

    Examples: `everygroup prepare DATA -o cohorts/mine --image-size 64 --label dx --group age --bins age=60` ·
    `everygroup prepare ham10000 RAW -o cohorts/ham --label-map malignant` ·
    `everygroup prepare sim -o cohorts/masks --target mask --samples 600 --image-size 32`
    """
    from everygroup.console import say
    from everygroup.datasets import prepare_cohort, prepare_published
    from everygroup.imaging import open_prepared

    published: dict[str, Any] = {
        "label_map": label_map,
        "column_map": pairs(column_map, "--column-map", "OLD=NEW", last=True),
        "leave_out": pairs(leave_out, "--leave-out", "COLUMN=VALUE"),
        "list_missing": list_missing,
        "allow_missing": allow_missing,
    }
    how: dict[str, Any] = {"workers": workers, "overwrite": overwrite}
    simulated: dict[str, Any] = {"samples": samples, "seed": seed, "dial": dial}
    if source == SIM and raw is None and not Path(source).exists():
        _refuse(published | {"dicom_tag": dicom_tag, "workers": workers}, "means nothing for a simulated cohort")
        folder = _simulate(reading, out, simulated, overwrite=overwrite)
        say(f"The simulated cohort is ready in {folder}. Next: everygroup check {folder}")
        return
    _refuse(simulated, "only holds for simulated cohorts: everygroup prepare sim")
    if raw is None or source == GENERIC:
        _refuse(published, "only holds for published data sets: everygroup prepare NAME RAW_FOLDER")
        path = _own_data(source, raw)
        folder = prepare_cohort(path, out, reading, dicom_tags=dicom_tag or (), **how)
    else:
        _refuse({"dicom_tag": dicom_tag}, "is for your own data")
        published["column_map"] = dict(published["column_map"])
        listed, allowed = published.pop("list_missing"), published.pop("allow_missing")
        if listed:
            _list_missing(source, raw, out, published)
            return
        if allowed is not None:
            published["allow_missing"] = allowed
        folder = prepare_published(source, raw, out, reading, **published, **how)
    prepared = open_prepared(folder)
    say(f"{len(prepared.images)} images are ready in {folder}. Next: everygroup check {folder}")


def _simulate(reading: Reading, out: Path, asked: Mapping[str, Any], *, overwrite: bool) -> Path:
    from everygroup.datasets import save_cohort, simulate
    from everygroup.settings import parse_assignments

    _refuse({k: v for k, v in reading.given().items() if k not in ("target", "image_size")}, "is the simulation's own")
    dials = parse_assignments(asked["dial"] or ())
    named = {"n": asked["samples"], "seed": asked["seed"], "image_size": reading.image_size}
    dials |= {key: value for key, value in named.items() if value is not None}
    return save_cohort(simulate(reading.target, **dials).cohort, out, overwrite=overwrite)


def _own_data(source: str, raw: Path | None) -> Path:
    """Return the folder or file of a cohort that is no published set."""
    from everygroup.datasets.published import ADAPTERS

    path = Path(source) if raw is None else raw
    if raw is None and not path.exists() and (source in ADAPTERS or source == GENERIC):
        raise SettingsError(
            f"{source} needs a second word: the folder of its files.",
            fix=f"everygroup prepare {source} FOLDER --out COHORT",
        )
    return path


def _list_missing(name: str, raw: Path, out: Path, published: Mapping[str, Any]) -> None:
    from everygroup.console import say
    from everygroup.datasets import missing_images
    from everygroup.datasets.published import MISSING_IMAGES
    from everygroup.files import safe_csv

    absent, n = missing_images(name, raw, **published)
    path = safe_csv(absent, out / MISSING_IMAGES)
    shown = ", ".join(absent["image"].iloc[:5]) + (", ..." if len(absent) > 5 else "")
    say(f"{len(absent)} of {n} images are absent{f' ({shown})' if len(absent) else ''}; {path} lists them.")


def _refuse(options: Mapping[str, Any], why: str) -> None:
    for name, value in options.items():
        if value is not None and value is not False and value != []:
            raise SettingsError(
                f"--{name.replace('_', '-')} {why}.", fix="leave it out, or see everygroup prepare --help"
            )
