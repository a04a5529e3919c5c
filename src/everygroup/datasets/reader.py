"""Read anybody's table and images into a cohort, once decoded and then opened in a blink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from everygroup.cohort import Cohort, GroupRule
from everygroup.console import warn
from everygroup.datasets._out_folder import TABLE, check_folders, is_prepared
from everygroup.datasets._prepared import OF_THE_TARGET, open_folder
from everygroup.datasets._samples import Found, Request, gather, without_absent_columns
from everygroup.datasets._stored import cohort_of, decode, require_names
from everygroup.datasets._table import write_table
from everygroup.datasets._vectors import read_vectors
from everygroup.datasets.save import save_cohort
from everygroup.errors import SettingsError
from everygroup.files import cache_folder, hash_array, hash_file, read_json, write_json
from everygroup.imaging import units_with_duplicates as linked
from everygroup.imaging.by_group import with_groups
from everygroup.imaging.pixel_scale import scale_of_images
from everygroup.imaging.prepare import RECORD
from everygroup.reading import Reading


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
    cohort = open_folder(request) if is_prepared(request.source) else _read(request, cache)
    return linked(cohort) if request.units_with_duplicates else cohort


def _read(request: Request, cache: Path | str | None) -> Cohort:
    if request.classes is not None:
        request = without_absent_columns(request)
    require_names(request.source, request)
    if request.embeddings is not None:
        return read_vectors(request)
    root = Path(cache) if cache is not None else cache_folder() / "prepared"
    found = gather(request)
    stored = decode(request, found, root, by_content=True)
    return cohort_of(request, stored, found.id_column, _provenance(request, found, len(stored.images.bad)))


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

    The folder holds ``images.npy`` (row k belongs to row k of the table), ``table.csv``, ``truth`` (a folder of masks
    or undegraded images, where they are what is to be predicted) and ``cohort.json``: sizes, policy, hashes, source,
    bad images, and the target, label, group and split columns where given, which become the folder's defaults.
    Parameters are those of `read_cohort`; `overwrite` replaces another cohort in `out`, `dicom_tags` keeps further tags
    of DICOM files as columns (see `everygroup.datasets.dicom_folder.dicom_table`).

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
    if request.embeddings is not None:
        return save_cohort(read_vectors(request), out, overwrite=overwrite)
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
    stored = decode(request, found, out, overwrite=overwrite)
    table = stored.table
    rule = GroupRule.make(request.group, request.bins) if request.group else None
    columns = with_groups(table, rule.name, *rule.assign(table)) if rule else {str(c): v for c, v in table.items()}
    for text in scale_of_images(stored.images.images, columns):
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
        **{name: value for name, value in request.given().items() if name in OF_THE_TARGET},
    }
    if stored.truth is not None:
        record["truth"] = {"content_hash": stored.truth.content_hash}
    known, about = _provenance(request, found, len(stored.images.bad)), dict(about or {})
    left_out = {**known["left_out"], **about.get("left_out", {})}
    record["provenance"] = {**known, **about, "left_out": left_out}
    write_json(out / RECORD, record)
    return out


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


def _listed_options() -> str:
    """Return the options of reading, a line each, for the docstring."""
    return "\n        ".join(f"``{name}`` : {field.description}" for name, field in Reading.model_fields.items())


read_cohort.__doc__ = (read_cohort.__doc__ or "").replace("{options}", _listed_options())
