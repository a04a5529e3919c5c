"""Find the table and the images a user means, and say aloud what was chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from everygroup.console import say
from everygroup.datasets._table import id_candidates
from everygroup.errors import CohortError
from everygroup.imaging import ImageSource, open_source
from everygroup.imaging.npz import NpzImages
from everygroup.imaging.sources import FolderImages

DEFAULT_IMAGE_SIZE = 128
TABLE_SUFFIXES = (".csv", ".tsv", ".xlsx", ".parquet")


def check_exists(source: Path) -> None:
    """Refuse a path that leads nowhere."""
    if not source.exists():
        raise CohortError(
            f"{source}: there is no such file or folder.", fix="give a CSV file, or a folder holding metadata.csv"
        )


def find_table(source: Path) -> Path:
    """Return the table of a folder (metadata.csv, or the only CSV file), or the file itself.

    Raises
    ------
    CohortError
        If there is no such path, no table in the folder, or several.
    """
    check_exists(source)
    if source.is_file():
        return source
    if (source / "metadata.csv").is_file():
        return source / "metadata.csv"
    tables = _tables(source)
    if len(tables) == 1:
        say(f"Reading the table {tables[0].name}.")
        return tables[0]
    found = f"several: {', '.join(p.name for p in tables[:8])}" if tables else "none"
    raise CohortError(
        f"{source}: needs one table of the samples; found {found}.",
        fix="name it metadata.csv, or give the CSV file itself and its images with --images",
    )


def has_table(folder: Path) -> bool:
    """Tell whether a folder holds any table."""
    return bool(_tables(folder))


def _tables(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in TABLE_SUFFIXES and not p.name.startswith("."))


@dataclass(frozen=True)
class Images:
    """The images chosen and the size at which to store them."""

    source: ImageSource
    image_size: int


def choose_images(table: Path, images: Path | None, image_size: int | None, resize: str) -> Images:
    """Choose among the npz archives, the zip archive and the image files beside a table.

    An npz archive of exactly the wanted size is taken as it is; else files are decoded; else an npz is resized.
    Without a wanted size the largest npz decides, and else 128.

    Raises
    ------
    CohortError
        If there are no images.
    """
    place = table.parent if images is None else images
    if place.is_dir():
        arrays = sorted((NpzImages(p) for p in place.glob("images*.npz")), key=lambda a: a.image_size or 0)
    else:
        only = open_source(place)
        arrays = [only] if isinstance(only, NpzImages) else []
    exact = [a for a in arrays if a.image_size is not None and image_size in (None, a.image_size)]
    encoded: ImageSource | None = None
    if not exact or resize != "crop":  # what has been made square already knows no other policy
        encoded = _encoded(place) if place.is_dir() else None if arrays else only
    if not arrays and encoded is None:
        raise CohortError(
            f"{place}: holds no images.zip, no images-<size>.npz and no image files.",
            fix="name the folder, zip or npz of the images with --images",
        )
    chosen: ImageSource = encoded if encoded is not None else (exact or arrays)[-1]
    if image_size is None:
        own = chosen.image_size if isinstance(chosen, NpzImages) else None
        image_size = own or DEFAULT_IMAGE_SIZE
        say(f"Image size {image_size} ({'as stored' if own else 'the default'}); --image-size sets another.")
    where = f"the files in {chosen.path.name}/" if isinstance(chosen, FolderImages) else chosen.path.name
    say(f"Images: {where}, {image_size} x {image_size} pixels.")
    return Images(chosen, image_size)


def _encoded(folder: Path) -> ImageSource | None:
    archives = sorted(folder.glob("*.zip"))
    named = [a for a in archives if a.name == "images.zip"]
    inner = folder / "images"
    if not named and inner.is_dir() and (files := FolderImages(inner)).members():
        return files
    named = named or archives
    if len(named) == 1:
        return open_source(named[0])
    if len(named) > 1:
        raise CohortError(
            f"{folder}: holds several zip archives: {', '.join(a.name for a in named[:5])}.",
            fix="name the one that holds the images with --images",
        )
    files = FolderImages(inner if inner.is_dir() else folder)
    return files if files.members() else None


def choose_id_column(path: Path, table: pd.DataFrame, source: ImageSource) -> str:
    """Return the column, among those named like an id, whose values name the most images.

    Raises
    ------
    CohortError
        If no column is named like an id, or none names an image.
    """
    candidates = id_candidates(table)
    if not candidates:
        raise CohortError(
            f"{path}: no column is named like an id of the images.",
            fix=f"name it with --id-column; the columns are: {', '.join(table.columns)}",
        )
    matches = {c: count_found(table[c], source) for c in candidates}
    best = max(candidates, key=lambda c: matches[c])  # the first of equals: the likeliest name
    if not matches[best]:
        called = (source.members() or ["nothing"])[0]
        raise CohortError(
            f"{path}: no value of {' or '.join(repr(c) for c in candidates)} names an image in {source.path.name} "
            f"(row 2 has {table[candidates[0]].iloc[0]!r}; an image is called {called!r}).",
            fix="name the column of the file names with --image-column, or the images with --images",
        )
    say(f"Column {best!r} identifies the samples.")
    return best


def count_found(names: Iterable[object], source: ImageSource) -> int:
    """Return how many of these names are those of an image."""
    return sum(bool(found.member or found.rivals) for n in names if (found := source.match(str(n))))
