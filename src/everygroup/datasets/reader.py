"""Read anybody's table and images into a cohort, once decoded and then opened in a blink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort import BY_IMAGE, Cohort, GroupRule
from everygroup.console import warn
from everygroup.datasets._locate import check_exists, find_table, has_table
from everygroup.datasets._out_folder import TABLE, check_folders, is_prepared
from everygroup.datasets._samples import (
    Found,
    Request,
    check_label,
    gather,
    labelled_rows,
    limited_rows,
    with_attributes,
    without_absent_columns,
)
from everygroup.datasets._table import check_columns, write_table
from everygroup.errors import CohortError, SettingsError
from everygroup.files import cache_folder, hash_array, hash_file, read_json, write_json
from everygroup.imaging import PreparedImages, open_prepared, prepare_images, store_key
from everygroup.imaging import units_with_duplicates as linked
from everygroup.imaging.by_group import with_groups
from everygroup.imaging.pixel_scale import scale_of_images
from everygroup.imaging.prepare import RECORD
from everygroup.reading import Reading
from everygroup.tables import open_table
from everygroup.tables.frame import read_table


def read_cohort(
    source: Path | str,
    reading: Reading | None = None,
    *,
    classes: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    allow_unlabelled: bool = False,
    cache: Path | str | None = None,
    workers: int | None = None,
    **options: Any,
) -> Cohort:
    """Read a table and its images.

    Parameters
    ----------
    source : path
        A folder holding ``metadata.csv`` and ``images.zip``, ``images-<size>.npz``, ``images/`` or image files; or a
        CSV file; or a folder written by `prepare_cohort`.
    reading : Reading, optional
        How it is read; or its fields as keywords, which win over it: ``read_cohort("DATA", label="dx", group="sex")``.
    classes, groups : sequence of str, optional
        Names and order fixed by a trained model. With `classes` the label may be left out (to predict only), and so
        may the table: a folder of images will do. With `groups` an attribute's column may be lacking; it then counts
        as missing throughout, aloud.
    allow_unlabelled : bool
        For prediction, with `classes`: rows with a blank label are read too, and their label counts as unknown (-1).
    cache : path, optional
        Where decoded images are kept; `everygroup.files.cache_folder` by default.
    workers : int, optional
        Threads that decode images; one a processor by default.
    **options
        Fields of `everygroup.reading.Reading`:

        {options}

    Returns
    -------
    Cohort

    Raises
    ------
    SettingsError
        For unknown options or impossible values.
    CohortError
        For a table or columns that cannot be used, ids that are not unique, rows without image or label.
    ImageError
        For images that cannot be decoded.
    OutputError
        If the cache cannot be written.
    """
    request = Request.of(
        source,
        reading,
        options,
        classes=None if classes is None else tuple(classes),
        groups=None if groups is None else tuple(groups),
        allow_unlabelled=allow_unlabelled,
        workers=workers,
    )
    cohort = _open(request) if is_prepared(request.source) else _read(request, cache)
    return linked(cohort) if request.units_with_duplicates else cohort


def _read(request: Request, cache: Path | str | None) -> Cohort:
    if request.classes is not None:
        request = without_absent_columns(request)
    _require_names(request.source, request, request.label, request.group)
    root = Path(cache) if cache is not None else cache_folder() / "prepared"
    found = gather(request)
    key = store_key(found.images.source, found.names, image_size=found.images.image_size, resize=request.shape)
    return _finish(request, found, root / key, overwrite=False)


def prepare_cohort(
    source: Path | str,
    out: Path | str,
    reading: Reading | None = None,
    *,
    dicom_tags: Sequence[str] = (),
    workers: int | None = None,
    overwrite: bool = False,
    **options: Any,
) -> Path:
    """Decode a cohort into a folder that `read_cohort` opens at once, here or on another machine.

    The folder holds ``images.npy`` (row k belongs to row k of the table), ``table.csv`` and ``cohort.json`` (sizes,
    policy, hashes, source, bad images, and the label, group and split columns where they are given: they become the
    folder's defaults). Parameters are those of `read_cohort`; `overwrite` replaces another cohort in `out`,
    `dicom_tags` keeps further tags of DICOM files as columns (see `everygroup.datasets.dicom_folder.dicom_table`).

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        If `out` is the folder of the original files, or holds a table or images that are not ours to replace.
    SettingsError, CohortError, ImageError
        As `read_cohort`.
    """
    request = Request.of(source, reading, options, dicom_tags=tuple(dicom_tags), workers=workers)
    if request.units_with_duplicates:
        raise SettingsError(
            "units_with_duplicates is not kept in a prepared folder.", fix="give it where the folder is read"
        )
    check_folders(request.source, Path(out), images=request.image_place)
    return write_cohort(request, gather(request), Path(out), overwrite=overwrite)


def write_cohort(
    request: Request, found: Found, out: Path, *, overwrite: bool = False, about: Mapping[str, Any] | None = None
) -> Path:
    """Decode a checked table's images and write the prepared folder.

    Parameters
    ----------
    request, found : Request, Found
        What was asked for, and what `gather` found (or whoever made the table).
    out : Path
        The folder, which is returned.
    about : mapping, optional
        More for the provenance; goes before what is known without it, its counts of `left_out` beside the others.
    """
    table, prepared = _decode(request, found, out, overwrite=overwrite)
    rule = GroupRule.make(request.group, request.bins) if request.group else None
    columns = with_groups(table, rule.name, *rule.assign(table)) if rule else {str(c): v for c, v in table.items()}
    for text in scale_of_images(prepared.images, columns):
        warn(text)
    write_table(table, out / TABLE)
    record = read_json(out / RECORD)
    record["table"] = {
        "id_column": found.id_column,
        "text_columns": found.text_columns,
        "ids_hash": hash_array(table[found.id_column].astype(str).to_numpy(dtype=object)),
    }
    record["rules"] = {
        "label": request.label,
        "label_codes": request.label_codes,
        "split_by": request.split_by,
        "group": rule.to_dict() if rule else None,
    }
    known, about = _provenance(request, found, len(prepared.bad)), dict(about or {})
    left_out = {**known["left_out"], **about.get("left_out", {})}
    record["provenance"] = {**known, **about, "left_out": left_out}
    write_json(out / RECORD, record)
    return out


def _require_names(source: Path, request: Request, label: str | None, group: tuple[str, ...]) -> None:
    check_exists(source)
    needs_label = label is None and request.classes is None
    if needs_label or not group:
        table = source / TABLE if is_prepared(source) else source
        columns = open_table(find_table(table)).columns if table.is_file() or has_table(table) else ()
        listed = f"; the columns are: {', '.join(columns)}" if columns else ""
        raise CohortError(
            f"{source}: the {'label' if needs_label else 'group'} column is not named.",
            fix=f"name it with --label and the sensitive attribute with --group{listed}",
        )


def _decode(request: Request, found: Found, folder: Path, *, overwrite: bool) -> tuple[pd.DataFrame, PreparedImages]:
    prepared = prepare_images(
        found.images.source,
        found.names,
        folder,
        image_size=found.images.image_size,
        resize=request.shape,
        on_bad_image=request.on_bad_image,
        workers=request.workers,
        rows=found.rows,
        overwrite=overwrite,
    )
    bad = {b.id for b in prepared.bad}
    kept = np.array([n not in bad for n in found.names])
    return found.table[kept].reset_index(drop=True), prepared


def _provenance(request: Request, found: Found, n_bad: int) -> dict[str, Any]:
    source = found.images.source
    return {
        "name": found.path.parent.resolve().name if found.path.name == "metadata.csv" else found.path.stem,
        "source": {"table": found.path.name, "images": source.path.name, "fingerprint": source.fingerprint},
        "table_hash": hash_file(found.path) if found.path.exists() else None,
        "image_size": found.images.image_size,
        "resize": request.shape,
        "left_out": {"unlabelled": found.n_unlabelled, "bad_images": n_bad},
        "sample_limit": request.sample_limit,
    }


def _finish(request: Request, found: Found, folder: Path, *, overwrite: bool) -> Cohort:
    table, prepared = _decode(request, found, folder, overwrite=overwrite)
    return Cohort.from_table(
        prepared.images,
        table,
        label=request.label,
        group=request.group,
        bins=request.bins,
        id_column=found.id_column,
        split_by=request.split_by,
        classes=request.classes,
        groups=request.groups,
        provenance=_provenance(request, found, len(prepared.bad)),
        images_hash=prepared.content_hash,
        allow_unlabelled=request.allow_unlabelled,
        label_codes=request.label_codes,
    )


def _open(request: Request) -> Cohort:
    """Open a prepared folder; its own columns are the defaults."""
    folder = request.source
    prepared = open_prepared(folder)
    content = read_json(folder / RECORD)
    if "table" not in content or not (folder / TABLE).is_file():
        raise CohortError(f"{folder}: holds prepared images but no table.", fix="make it with everygroup prepare")
    if request.images is not None or request.image_column is not None:
        raise CohortError(f"{folder}: is prepared and holds its own images.", fix="leave out --images, --image-column")
    if request.image_size not in (None, prepared.record["image_size"]):
        raise CohortError(
            f"{folder}: was prepared with {prepared.record['image_size']} pixels, not {request.image_size}.",
            fix="prepare the original files again with this --image-size",
        )
    if request.resize not in (None, prepared.record["resize"]):
        raise CohortError(
            f"{folder}: was prepared with --resize {prepared.record['resize']}, not {request.resize}.",
            fix="prepare the original files again with this --resize",
        )
    rules, about = content["rules"], content["table"]
    rule = GroupRule.from_dict(rules["group"]) if rules["group"] else None
    label = request.label or rules["label"]
    codes = request.label_codes or (label == rules["label"] and rules.get("label_codes", False))
    request = request.model_copy(update={"label_codes": codes})
    group = request.group or (rule.attributes if rule else ())
    _require_names(folder, request, label, group)
    # Rules made for an attribute go on to hold for it, unless the user gives another.
    bins = {**({a: b for a, b in rule.bins.items() if a in group} if rule else {}), **request.bins}
    split_by = request.split_by or rules["split_by"]
    path = folder / TABLE
    table = read_table(path, text_columns=about["text_columns"], spelling=request.spelling.as_written())
    if request.groups is not None:
        table = with_attributes(table, group)
    unit = None if split_by == BY_IMAGE else split_by
    check_label(path, table, label)
    check_columns(path, table, [label, *group, unit, request.id_column, about["id_column"]])
    ids = table[about["id_column"]].astype(str).to_numpy(dtype=object)
    if len(table) != len(prepared.images) or hash_array(ids) != about["ids_hash"]:
        raise CohortError(
            f"{path}: its rows are no longer those of the images, or in another order.",
            fix="add columns to it if you like, but keep its rows; or prepare the original files again",
        )
    position = np.arange(len(table))
    if label is not None:
        position, _ = labelled_rows(path, table, label, request)
    position = limited_rows(position, request.sample_limit)
    limits = [n for n in (content["provenance"].get("sample_limit"), request.sample_limit) if n is not None]
    return Cohort.from_table(
        prepared.images,
        table.iloc[position],
        label=label,
        group=group,
        bins=bins,
        id_column=request.id_column or about["id_column"],
        split_by=split_by,
        rows=position,
        classes=request.classes,
        groups=request.groups,
        provenance={**content["provenance"], "sample_limit": min(limits, default=None)},
        images_hash=prepared.content_hash,
        allow_unlabelled=request.allow_unlabelled,
        label_codes=request.label_codes,
    )


def _listed_options() -> str:
    """Return the options of reading, a line each, for the docstring."""
    return "\n        ".join(f"``{name}`` : {field.description}" for name, field in Reading.model_fields.items())


read_cohort.__doc__ = (read_cohort.__doc__ or "").replace("{options}", _listed_options())
