"""From a raw folder of a published set to a prepared cohort, by one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort import GroupRule
from everygroup.console import say, warn
from everygroup.datasets._locate import DEFAULT_IMAGE_SIZE, Images, choose_images
from everygroup.datasets._out_folder import check_folders
from everygroup.datasets._pictures import Pictures
from everygroup.datasets._samples import Found, Request, limited_rows
from everygroup.datasets._table import check_columns, check_ids
from everygroup.datasets.published._choose import LABEL, Chosen, choose
from everygroup.datasets.published._layout import is_tidy
from everygroup.datasets.reader import write_cohort
from everygroup.errors import CohortError, SettingsError
from everygroup.files import safe_csv
from everygroup.imaging.sources import FolderImages
from everygroup.reading import Reading, Resize

MISSING_IMAGES = "missing_images.csv"
ALLOW_MISSING = 0.01
# Options of reading that a published set answers by itself, or that a prepared folder does not keep.
_KNOWN = {
    "target",
    "label",
    "normal",
    "masks",
    "structures",
    "truth",
    "id_column",
    "image_column",
    "images",
    "label_codes",
    "drop_unlabelled",
    "units_with_duplicates",
}


def prepare_published(
    name: str,
    raw: Path | str,
    out: Path | str,
    reading: Reading | None = None,
    *,
    label_map: str | None = None,
    column_map: Mapping[str, str] | None = None,
    leave_out: Sequence[tuple[str, str]] = (),
    allow_missing: float = ALLOW_MISSING,
    workers: int | None = None,
    overwrite: bool = False,
    **options: Any,
) -> Path:
    """Prepare a published data set from the files as distributed; `read_cohort` opens the folder at once.

    Parameters
    ----------
    name : str
        Such as 'ham10000'; `everygroup.datasets.published.list_datasets()` names all.
    raw : path
        The folder that the set was unpacked into. Nothing is downloaded, nothing in it is changed.
    out : path
        The prepared folder, as `everygroup.datasets.prepare_cohort` writes it. Its label is the column `label` that
        the label map makes, its unit the set's own, and its provenance names the set, licence, citation and label map.
    label_map : str, optional
        By name; the set's first one by default.
    column_map : mapping of str to str, optional
        A user's column name: the documented one, where a release renamed it.
    leave_out : sequence of (column, value)
        Rows to leave out, such as ('qc', '3 Wrongly labelled').
    allow_missing : float
        Share of images that may be absent (1 % by default). Absent ones are counted aloud and listed in
        ``missing_images.csv``. With ``on_bad_image="skip"`` any share but all may be absent.
    reading, workers, overwrite, **options
        As in `everygroup.datasets.prepare_cohort`; the default image size is 128, or that of a lone npz archive. What
        the set knows of itself is refused: label, id and images.

    Raises
    ------
    CohortError
        For files, columns or values that are not as documented, and for too many absent images.
    ImageError
        For images that cannot be decoded.
    SettingsError
        For an unknown data set, a share outside [0, 1], unknown options or impossible values.
    """
    if not 0 <= allow_missing <= 1:
        raise SettingsError(f"allow_missing is {allow_missing}.", fix="give a share between 0 and 1, such as 0.05")
    raw, out = Path(raw), Path(out)
    request = Request.of(raw, reading, options, workers=workers)
    if own := [f"--{key.replace('_', '-')}" for key in request.given() if key in _KNOWN]:
        raise SettingsError(
            f"{', '.join(own)}: a published set knows its columns.",
            fix="leave it out; choose the label with --label-map",
        )
    check_folders(raw, out)
    chosen = choose(name, raw, label_map=label_map, column_map=column_map, leave_out=leave_out)
    request = request.model_copy(update={"label": LABEL, "split_by": request.split_by or chosen.adapter.info.unit})
    check_columns(chosen.found.path, chosen.table, [*request.group, request.split_by])
    check_ids(chosen.found.path, chosen.table["image_id"], "image_id")
    if request.group:
        GroupRule.make(request.group, request.bins).assign(chosen.table)  # told before the long work
    images = _images(chosen, request.image_size, request.shape)
    table = chosen.table.iloc[limited_rows(np.arange(len(chosen.table)), request.sample_limit)]
    absent = _absent(table, images)
    _judge(absent, len(table), images, allow_missing if request.on_bad_image == "error" else 1.0)
    present = table.drop(index=absent.index)
    pictures = Pictures.of(chosen.found.path, chosen.table["image"], images.source, [i + 2 for i in chosen.table.index])
    pictures.check(chosen.table.index.get_indexer(present.index), may_lack=False)
    (out / MISSING_IMAGES).unlink(missing_ok=True)  # an earlier list
    if len(absent):
        path = safe_csv(absent, out / MISSING_IMAGES)
        warn(
            f"{len(absent)} of {len(table)} images ({len(absent) / len(table):.1%}) are absent and left out; "
            f"{path} lists them. Check that they are not more frequent in one group."
        )
    about = {**chosen.about(), "left_out": {**chosen.left_out, "absent_images": len(absent)}}
    return write_cohort(request, _found(chosen, present, images), out, overwrite=overwrite, about=about)


def missing_images(
    name: str,
    raw: Path | str,
    *,
    label_map: str | None = None,
    column_map: Mapping[str, str] | None = None,
    leave_out: Sequence[tuple[str, str]] = (),
) -> tuple[pd.DataFrame, int]:
    """Return the rows whose image is absent, and how many rows there are; no image is decoded.

    Parameters and errors are those of `prepare_published`.
    """
    raw = Path(raw)
    chosen = choose(name, raw, label_map=label_map, column_map=column_map, leave_out=leave_out)
    return _absent(chosen.table, _images(chosen, None, "crop")), len(chosen.table)


def _images(chosen: Chosen, image_size: int | None, resize: Resize) -> Images:
    """Open the images; a folder as distributed is searched with all folders below it."""
    place = chosen.found.images
    if place.is_file() or is_tidy(place) or any(place.glob("images*.npz")):
        if image_size is None and (place / "images.zip").is_file():
            image_size = DEFAULT_IMAGE_SIZE  # a small npz beside whole pictures is for trying things out
        return choose_images(chosen.found.path, place, image_size, resize)
    source = FolderImages(place)
    if not source.members() and all(source.find(name) is None for name in chosen.table["image"]):
        archives = sorted(p.name for p in place.rglob("*.zip"))
        fix = f"unpack {', '.join(archives[:3])} there" if archives else "put the images there, as they are distributed"
        raise CohortError(
            f"{place}: holds no image files.", fix=f"{fix}; see everygroup describe {chosen.adapter.info.name}"
        )
    say(f"Images: {len(source.members())} files below {place}, as {image_size or DEFAULT_IMAGE_SIZE} pixels.")
    return Images(source, image_size or DEFAULT_IMAGE_SIZE)


def _absent(table: pd.DataFrame, images: Images) -> pd.DataFrame:
    return table[[images.source.find(name) is None for name in table["image"]]]


def _judge(absent: pd.DataFrame, n: int, images: Images, allowed: float) -> None:
    if len(absent) <= allowed * n and len(absent) < n:
        return
    shown = ", ".join(absent["image"].iloc[:5]) + (", ..." if len(absent) > 5 else "")
    there = images.source.members()
    example = f" Images there are called like {there[0]!r}." if there else ""
    fix = "list them all with --list-missing and add them"
    if len(absent) < n:
        fix += (
            f"; or leave them out with --on-bad-image skip, or --allow-missing {np.ceil(len(absent) / n * 100) / 100:g}"
        )
    raise CohortError(
        f"{len(absent)} of {n} images ({len(absent) / n:.1%}) are not in {images.source.path}: {shown}.{example}",
        fix=fix,
    )


def _found(chosen: Chosen, table: pd.DataFrame, images: Images) -> Found:
    as_text = {"image_id", "image", chosen.adapter.info.unit}
    return Found(
        chosen.found.path,
        table.reset_index(drop=True),
        [int(i) + 2 for i in table.index],
        table["image"].tolist(),
        "image_id",
        [str(c) for c in table.columns if c in as_text or pd.api.types.is_string_dtype(table[c].dtype)],
        images,
        0,
    )
