"""Gather the samples a user asks for and check all that can be checked before an image is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort import GroupRule, refuse_measured
from everygroup.cohort.groups import Binning, near_column
from everygroup.cohort.outcome import PICTURED
from everygroup.console import say, warn
from everygroup.datasets._locate import Images, choose_id_column, choose_images, find_table, has_table
from everygroup.datasets._pictures import Pictures
from everygroup.datasets._table import check_columns, check_filled, check_ids, listed_rows, unlabelled_rows
from everygroup.datasets._truth import Truth, find_truth
from everygroup.datasets.dicom_folder import holds_dicom, join_tags, tags_alone
from everygroup.errors import CohortError
from everygroup.reading import Reading, Resize
from everygroup.settings import build
from everygroup.tables import open_table
from everygroup.tables.frame import apply_spelling, read_table

VOLUME_SIZE = 64
"""Side of the cubes of voxels, if none is asked for."""


class Request(Reading):
    """What a user asks for, of which files, and what a trained model knows already."""

    source: Path
    classes: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    allow_unlabelled: bool = False
    dicom_tags: tuple[str, ...] = ()
    workers: int | None = None

    @classmethod
    def of(cls, source: Path | str, reading: Reading | None, options: Mapping[str, Any], **more: Any) -> Request:
        """Return the request of a reading and of keywords that win over it.

        Raises
        ------
        SettingsError
            For unknown options or impossible values.
        """
        asked = build(Reading, {**(reading.given() if reading else {}), **options})
        return cls(source=Path(source), **asked.given(), **more)

    @property
    def image_place(self) -> Path | None:
        """Where the images lie, if not beside the table."""
        return None if self.images is None else Path(self.images)

    @property
    def shape(self) -> Resize:
        """How a rectangle becomes a square."""
        return self.resize or "crop"

    @property
    def side(self) -> int | None:
        """Side of the squares or cubes, where it is known before the images are."""
        return self.image_size or (VOLUME_SIZE if self.volumes else None)

    @property
    def for_prediction(self) -> bool:
        """Whether labels are not needed, because a trained model has fixed the classes."""
        return not self.answers and self.classes is not None

    @property
    def as_text(self) -> list[str]:
        """Columns whose values are names, even where they look like numbers."""
        return [c for c in (self.id_column, self.image_column, self.unit_column) if c]

    @property
    def class_column(self) -> str | None:
        """The column that holds names of classes, if that is what is to be predicted."""
        return self.label if self.target in ("classes", "anomaly") else None


@dataclass(frozen=True)
class Found:
    """A checked table and its images, before decoding."""

    path: Path
    table: pd.DataFrame
    rows: list[int]
    names: list[str]
    id_column: str
    text_columns: list[str]
    images: Images
    n_unlabelled: int
    truth: Truth | None = None


def without_absent_columns(request: Request) -> Request:
    """Drop the label and unit columns that the table of new images lacks: a prediction needs neither."""
    names: set[str] = set()
    if not request.source.is_dir() or has_table(request.source):
        names = set(open_table(find_table(request.source)).columns)
    absent = [c for c in (*request.answers, request.unit_column) if c is not None and c not in names]
    if absent:
        say(f"No column {', '.join(map(repr, absent))}: predicting without it.")
    dropped = {k: None for k in ("masks", "truth", "split_by") if getattr(request, k) in absent}
    if request.label is not None and set(request.answers) & set(absent):
        dropped["label"] = None
    return request.model_copy(update=dropped)


def read_rows(request: Request) -> tuple[Path, pd.DataFrame]:
    """Find and read the table."""
    path, label = find_table(request.source), request.class_column
    binned = {a: Binning.parse(a, spec) for a, spec in request.bins.items()}
    table = read_table(
        path,
        text_columns=request.as_text,
        numbers=request.answers if request.target == "number" else (),
        cut=[a for a, binning in binned.items() if binning.cuts],
        label=None if request.allow_unlabelled else label,
        classes=request.classes or (),
        known={
            **{a: binning.members for a, binning in binned.items()},
            **({label: request.classes or ()} if label else {}),
        },
        spelling=request.spelling,
    )
    return path, table


def checked_rows(path: Path, table: pd.DataFrame, request: Request) -> tuple[np.ndarray, int]:
    """Check columns and rules before the long work; return the positions of rows to use, and how many lack a label."""
    check_label(path, table, request)
    check_columns(
        path,
        table,
        [*request.answers, *request.group, request.unit_column, request.id_column, request.image_column],
    )
    if request.group:
        GroupRule.make(request.group, request.bins).assign(table)  # an impossible rule is told before the long work
    return labelled_rows(path, table, request) if request.answers else (np.arange(len(table)), 0)


def gather(request: Request) -> Found:
    """Read and check everything that can be checked without decoding an image."""
    pictured = request.answers if request.target in PICTURED else ()
    as_text, label = request.as_text, request.class_column
    if request.source.is_dir() and not has_table(request.source) and holds_dicom(request.source):
        path = request.source / "metadata.csv"
        chosen = choose_images(path, request.image_place, request.side, request.shape)
        table = tags_alone(chosen.source, request.dicom_tags)
        table = apply_spelling(table, request.spelling, chosen.source.path.name, ids=as_text, label=label)
    elif request.for_prediction and request.source.is_dir() and not has_table(request.source):
        return _images_alone(request)
    else:
        path, table = read_rows(request)
        chosen = choose_images(path, request.image_place, request.side, request.shape)
        table = join_tags(
            table,
            chosen.source,
            name_column=request.image_column or request.id_column,
            tags=request.dicom_tags,
            keep=[*as_text, *request.group, *request.answers],
        )
    if request.groups is not None:
        table = with_attributes(table, request.group)
    position, n_unlabelled = checked_rows(path, table, request)
    name_column = request.image_column or request.id_column or choose_id_column(path, table, chosen.source)
    id_column = request.id_column or name_column
    for column in {id_column, name_column}:  # a blank before an id, within quotes, would make it another one
        table[column] = table[column].map(lambda v: v.strip() if isinstance(v, str) else v)
    check_ids(path, table[id_column], id_column)
    check_filled(path, table[name_column], name_column)
    position = limited_rows(position, request.sample_limit)
    names = [str(v) for v in table[name_column].iloc[position]]
    pictures = Pictures.of(path, table[name_column], chosen.source)
    pictures.check(position, may_lack=request.on_bad_image == "skip")
    if request.sample_limit is None and not request.drop_unlabelled:
        pictures.count_unused(position)
    truth = None
    if pictured:
        truth = find_truth(path, table[pictured[0]], position, pictures, as_mask=request.target == "mask")
    text_columns = [str(c) for c in table.columns if c in as_text or pd.api.types.is_string_dtype(table[c].dtype)]
    rows = [int(p) + 2 for p in position]
    return Found(
        path,
        table.iloc[position].reset_index(drop=True),
        rows,
        names,
        id_column,
        text_columns,
        chosen,
        n_unlabelled,
        truth,
    )


def _images_alone(request: Request) -> Found:
    """Take a folder of images without a table: enough to predict, nothing known of labels or groups."""
    path = request.source / "metadata.csv"
    chosen = choose_images(path, request.image_place, request.side, request.shape)
    names = sorted(chosen.source.members())
    if odd := [n for n in names if n != n.encode("utf-8", "replace").decode()]:
        raise CohortError(f"{chosen.source.path}: the name of the file {odd[0]!r} is not UTF-8.", fix="rename the file")
    names = [names[p] for p in limited_rows(np.arange(len(names)), request.sample_limit)]
    say(f"{request.source} holds no table: {len(names)} images, of which nothing else is known.")
    table = with_attributes(pd.DataFrame({"image_id": names}), request.group)
    return Found(path, table, list(range(2, len(names) + 2)), names, "image_id", ["image_id"], chosen, 0)


def with_attributes(table: pd.DataFrame, group: tuple[str, ...]) -> pd.DataFrame:
    """Add the attributes a trained model asks for and the table lacks, as missing throughout."""
    lacking = [c for c in group if c not in table.columns]
    if lacking:
        near = [c for name in lacking if (c := near_column(name, table.columns)) is not None]
        hint = f" (did you mean {' and '.join(map(repr, near))}? Rename it then)" if near else ""
        warn(f"There is no column {' or '.join(map(repr, lacking))}{hint}: every sample counts as of unknown group.")
    return table.assign(**{c: pd.Series([None] * len(table), dtype=object, index=table.index) for c in lacking})


def check_label(path: Path, table: pd.DataFrame, request: Request) -> None:
    """Refuse several columns named as one label."""
    several = [part.strip() for part in (request.label or "").split(",")]
    one = request.target != "labels" and request.label not in table.columns
    if len(several) > 1 and one and set(several) <= set(table.columns):
        raise CohortError(
            f"{path}: the label {request.label!r} names {len(several)} columns.",
            fix=f"name one of them, as in --label {several[0]}; or predict all of them with --target labels",
        )


def labelled_rows(path: Path, table: pd.DataFrame, request: Request) -> tuple[np.ndarray, int]:
    """Return the positions of the rows that have a label or need none, and how many were dropped."""
    if request.target == "classes" and request.classes is None and not request.label_codes:
        refuse_measured(table[request.answers[0]], request.answers[0])
    classes = (request.classes or ()) if request.class_column else ()
    without = np.arange(len(table))
    for column in request.answers:  # of several findings one is enough
        without = np.intersect1d(without, unlabelled_rows(table, column, classes))
    named = " nor ".join(map(repr, request.answers))
    if request.allow_unlabelled:
        if len(without):
            say(f"{len(without)} of {len(table)} rows have no {named}: predicted without it.")
        return np.arange(len(table)), 0
    if len(without) and not request.drop_unlabelled:
        raise CohortError(
            f"{path}: {len(without)} of {len(table)} rows have no {named} (rows {listed_rows(without)}; row 1 is the "
            "header).",
            fix="fill them in, or leave them out with --drop-unlabelled",
        )
    if len(without) == len(table):
        option = {"mask": "--masks", "image": "--truth"}.get(request.target, "--label")
        raise CohortError(f"{path}: no row has a {named}.", fix=f"choose another {option} column")
    if len(without):
        warn(f"{len(without)} of {len(table)} rows have no {named} and are left out.")
    return np.setdiff1d(np.arange(len(table)), without), len(without)


def limited_rows(position: np.ndarray, limit: int | None) -> np.ndarray:
    """Draw at most `limit` positions, the same ones every time."""
    if limit is None or limit >= len(position):
        return position
    say(f"Reading {limit} of {len(position)} samples, chosen at random.")
    return np.sort(np.random.default_rng(0).choice(position, limit, replace=False))
