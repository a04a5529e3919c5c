"""From what was asked for and found to decoded stores, and from those to a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort import Cohort
from everygroup.datasets._locate import check_exists, find_table, has_table
from everygroup.datasets._out_folder import TABLE, TRUTH, is_prepared
from everygroup.datasets._samples import Found, Request
from everygroup.errors import CohortError
from everygroup.imaging import PreparedImages, prepare_images, store_key
from everygroup.tables import open_table


def require_names(source: Path, request: Request) -> None:
    check_exists(source)
    needs_label = not request.answers and request.classes is None
    if needs_label or not request.group:
        table = source / TABLE if is_prepared(source) else source
        columns = open_table(find_table(table)).columns if table.is_file() or has_table(table) else ()
        listed = f"; the columns are: {', '.join(columns)}" if columns else ""
        what, option = {"mask": ("masks", "--masks"), "image": ("truth", "--truth")}.get(
            request.target, ("label", "--label")
        )
        raise CohortError(
            f"{source}: the {what if needs_label else 'group'} column is not named.",
            fix=f"name it with {option} and the sensitive attribute with --group{listed}",
        )


@dataclass(frozen=True)
class Stored:
    """What a cohort is made of: the rows whose image can be used, their images, and their masks or such.

    `rows` says which image belongs to which row (in order where it is not given).
    """

    table: pd.DataFrame
    images: PreparedImages
    truth: PreparedImages | None
    rows: np.ndarray | None = None


def decode(
    request: Request, found: Found, folder: Path, *, by_content: bool = False, overwrite: bool = False
) -> Stored:
    """Decode the images, and the masks (or such) of those that can be used, into a folder or (by content) below it."""
    pixels: dict[str, Any] = {
        "image_size": found.images.image_size,
        "resize": request.shape,
        "volumes": request.volumes,
        "fast_decode": request.fast_decode,
    }
    how: dict[str, Any] = {**pixels, "workers": request.workers, "overwrite": overwrite}
    place = folder / store_key(found.images.source, found.names, **pixels) if by_content else folder
    prepared = prepare_images(
        found.images.source, found.names, place, on_bad_image=request.on_bad_image, rows=found.rows, **how
    )
    bad = {b.id for b in prepared.bad}
    kept = np.array([n not in bad for n in found.names])
    truth = None
    if (asked := found.truth) is not None:
        names = [name for name, keep in zip(asked.names, kept, strict=True) if keep]
        rows = [row for row, keep in zip(found.rows, kept, strict=True) if keep]
        key = store_key(asked.source, names, **pixels, as_mask=asked.as_mask) if by_content else TRUTH
        truth = prepare_images(asked.source, names, folder / key, rows=rows, as_mask=asked.as_mask, **how)
    return Stored(found.table[kept].reset_index(drop=True), prepared, truth)


def cohort_of(request: Request, stored: Stored, id_column: str, provenance: Mapping[str, Any]) -> Cohort:
    truth = stored.truth
    return Cohort.from_table(
        stored.images.images,
        stored.table,
        label=request.answers or None,
        group=request.group,
        bins=request.bins,
        id_column=id_column,
        split_by=request.split_by,
        rows=stored.rows,
        classes=request.classes if request.target != "mask" else _structures(request, truth),
        groups=request.groups,
        provenance=provenance,
        images_hash=stored.images.content_hash,
        allow_unlabelled=request.allow_unlabelled,
        label_codes=request.label_codes,
        target=request.target,
        normal=request.normal,
        truth=None if truth is None else truth.images,
        truth_hash=None if truth is None else truth.content_hash,
    )


def _structures(request: Request, truth: PreparedImages | None) -> tuple[str, ...]:
    """Return the names of the structures of masks: those given or known, else after the column or numbered."""
    largest = 0 if truth is None else int(truth.record["largest"])
    names = request.classes or request.structures
    if names and largest > len(names):
        raise CohortError(
            f"The masks hold values up to {largest}, but {len(names)} structures are named: {', '.join(names)}.",
            fix="name one for each value from 1 on, as in --structures disc,cup",
        )
    if names or largest > 1:
        return names or tuple(f"structure {k}" for k in range(1, largest + 1))
    return (request.masks or "structure",)
