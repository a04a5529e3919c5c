"""Find the masks or undegraded images that a column of a table names, before anything is decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from everygroup.console import say
from everygroup.datasets._pictures import Pictures
from everygroup.errors import CohortError
from everygroup.imaging import ImageSource, open_source
from everygroup.imaging.npz import NpzImages
from everygroup.imaging.read import read_image
from everygroup.imaging.runs import RunLengths, are_runs
from everygroup.imaging.sources import FolderImages


@dataclass(frozen=True)
class Truth:
    """The masks or undegraded images of checked rows: where they are, and what each is called there."""

    source: ImageSource | RunLengths
    names: list[str]
    as_mask: bool


def find_truth(path: Path, column: pd.Series, position: np.ndarray, pictures: Pictures, *, as_mask: bool) -> Truth:
    """Return the truth of the wanted rows.

    Files are looked for where the images are, beside the table and in zip archives there, and taken from the place
    where most are called as they are written.

    Parameters
    ----------
    path : the table; column : its cells; position : the wanted rows.
    pictures : the images of all rows.
    as_mask : whether masks are wanted, which may be run lengths, too.

    Raises
    ------
    CohortError
        For rows whose file is not there or is the degraded image itself, naming them.
    """
    texts = ["" if pd.isna(v) else str(v).strip() for v in column]
    wanted = [texts[p] for p in position]
    if as_mask and are_runs(wanted):
        return _runs(path, wanted, position, pictures)
    places = _places(path, pictures.source)
    source = max(places, key=lambda place: _called_so(wanted, place))
    found = Pictures.of(path, column, source)
    found.check(position, may_lack=False, option="--masks" if as_mask else "--truth")
    own = [int(p) for p in position if _file(found, p) == _file(pictures, p)]
    if own:
        raise CohortError(
            f"{path}: column {str(column.name)!r} names the image itself in {len(own)} rows, the first row "
            f"{own[0] + 2} ({texts[own[0]]!r}).",
            fix=f"name the column of the {'masks' if as_mask else 'undegraded images'}, with their folder",
        )
    say(f"{'Masks' if as_mask else 'Undegraded images'}: column {str(column.name)!r}, in {source.path.name}.")
    return Truth(source, wanted, as_mask)


def _places(path: Path, images: ImageSource) -> list[ImageSource]:
    beside: list[ImageSource] = [FolderImages(path.parent)] if path.parent.is_dir() else []
    archives = [open_source(p) for p in sorted(path.parent.glob("*.zip")) if p != images.path]
    return [*([] if isinstance(images, NpzImages) else [images]), *beside, *archives] or [images]


def _called_so(names: Sequence[str], source: ImageSource) -> tuple[int, int]:
    """Count the files that are called as written, and those found in any way: `clean/x.png` is not `x.png`."""
    found = [source.match(name) for name in names]
    return sum(m.member is not None and not m.how for m in found), sum(bool(m.member or m.rivals) for m in found)


def _file(pictures: Pictures, row: int) -> Path:
    return pictures.source.path / str(pictures.matches[row].member)


def _runs(path: Path, texts: Sequence[str], position: np.ndarray, pictures: Pictures) -> Truth:
    names = [f"row {p + 2}" for p in position]
    kind = "COCO's" if any(t.startswith("{") for t in texts) else "'start length ...'"
    say(f"Masks: run lengths ({kind}, down the columns), of the size of each image.")
    of_row = dict(zip(names, position.tolist(), strict=True))
    size_of = _sizes(pictures, of_row)
    stamp = f"{pictures.source.kind} {pictures.source.fingerprint} {[pictures.names[p] for p in position]}"
    return Truth(RunLengths(path, dict(zip(names, texts, strict=True)), size_of, stamp), names, True)


def _sizes(pictures: Pictures, of_row: dict[str, int]) -> Callable[[str], tuple[int, int] | None]:
    source = pictures.source

    def size_of(name: str) -> tuple[int, int] | None:
        match = pictures.matches[of_row[name]]
        if isinstance(source, NpzImages) or match.member is None:
            return None
        image = read_image(source.read(match.member), name=name, part=match.part, header=source.header(match.member))
        return image.shape[0], image.shape[1]

    return size_of
