"""Masks written as run lengths in a table: Kaggle's 'start length ...' and COCO's, both down the columns of the image.

A source hands a mask on as a PNG file of the same pixels, so that it is checked and resized as every mask is.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from everygroup.errors import ImageError
from everygroup.files import hash_json
from everygroup.imaging.names import Match

EMPTY = "-1"
"""A mask without anything in it."""
_PAIRS = re.compile(r"\d+\s+\d+(?:\s+\d+\s+\d+)*")
_FIX = "correct the cell; runs are 'start length start length ...', counted down the columns, the first pixel being 1"


def are_runs(texts: Iterable[str]) -> bool:
    """Whether all of these cells are run lengths, of either kind."""
    given = [text.strip() for text in texts]
    return bool(given) and all(t == EMPTY or t.startswith("{") or _PAIRS.fullmatch(t) for t in given)


def decode_runs(text: str, size: tuple[int, int] | None, label: str = "the mask") -> np.ndarray:
    """Return the mask that run lengths mean.

    Parameters
    ----------
    text : ``"3 2 9 1"`` (from pixel 3 two pixels, from pixel 9 one; pixels are counted from 1 down the columns),
        ``"-1"`` for an empty mask, or COCO's JSON ``{"size": [H, W], "counts": [...]}``, whose counts are of
        background and structure in turn, as numbers or as COCO's text of them.
    size : height and width of the image; COCO's runs know their own, which has to be this one where both are known.

    Returns
    -------
    ndarray of uint8, (H, W), 0 or 1

    Raises
    ------
    ImageError

    References
    ----------
    Lin et al. Microsoft COCO. ECCV 2014 (pycocotools, `mask.py`).
    """
    text = text.strip()
    coco = _json(text, label) if text.startswith("{") else None
    if coco is not None:
        own = (int(coco["size"][0]), int(coco["size"][1]))
        if size is not None and own != size:
            raise ImageError(f"{label}: runs of a mask of {own}, the image is {size} (height, width).", fix=_FIX)
        size = own
    if size is None:
        raise ImageError(f"{label}: the size of its image is not known.", fix="give masks as files, or COCO's runs")
    n = size[0] * size[1]
    starts, lengths = _of_counts(coco["counts"]) if coco is not None else _of_pairs(text)
    ends = starts + lengths
    if (lengths < 0).any() or (starts < 0).any() or (starts[1:] < ends[:-1]).any() or (ends > n).any():
        raise ImageError(
            f"{label}: runs that overlap or leave the {size[0]} x {size[1]} pixels of the image.", fix=_FIX
        )
    if coco is not None and coco["total"] != n:
        raise ImageError(f"{label}: counts of {coco['total']} pixels for an image of {n}.", fix=_FIX)
    edges = np.zeros(n + 1, dtype=np.int64)
    np.add.at(edges, starts, 1)
    np.add.at(edges, ends, -1)
    return np.cumsum(edges[:-1]).astype(np.uint8).reshape(size, order="F")


def _of_pairs(text: str) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.array([] if text == EMPTY else text.split(), dtype=np.int64)
    return numbers[0::2] - 1, numbers[1::2]


def _of_counts(counts: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    ends = np.cumsum(np.asarray(counts, dtype=np.int64))
    return ends[0::2][: len(ends) // 2], np.diff(ends)[0::2]


def _json(text: str, label: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
        counts = found["counts"]
        counts = _of_text(counts) if isinstance(counts, str) else [int(c) for c in counts]
        return {"size": (int(found["size"][0]), int(found["size"][1])), "counts": counts, "total": sum(counts)}
    except (ValueError, LookupError, TypeError) as error:
        raise ImageError(f"{label}: not COCO's run lengths ({error}).", fix=_FIX) from None


def _of_text(text: str) -> list[int]:
    """Read COCO's text of counts: five bits a character, differences to the count but one before from the third on."""
    counts: list[int] = []
    number, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        number |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            number |= -1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number, shift = 0, 0
    return counts


class RunLengths:
    """A column of run lengths as a source of images (see `everygroup.imaging.sources`), called by their rows.

    Parameters
    ----------
    path : the table's file, for messages.
    texts : by name, the cell.
    size_of : the height and width of the image that belongs to a name; None where they are not known.
    """

    kind = "runs"
    hides_names = False

    def __init__(
        self, path: Path, texts: dict[str, str], size_of: Callable[[str], tuple[int, int] | None], stamp: str
    ) -> None:
        self.path, self.texts, self.size_of, self._stamp = path, texts, size_of, stamp

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the cells, and of the images whose sizes they take."""
        return hash_json([self.texts, self._stamp])

    def members(self) -> list[str]:
        """Return the names."""
        return list(self.texts)

    def match(self, sample_id: str) -> Match:
        """Return the cell of a name."""
        return Match(sample_id if sample_id in self.texts else None)

    def header(self, member: str) -> bytes | None:
        """Return None: nothing lies beside a cell."""
        return None

    def stamp(self, sample_ids: Sequence[str]) -> str:
        """Return "": all is in the fingerprint."""
        return ""

    def read(self, member: str) -> bytes:
        """Return the mask as an encoded picture."""
        text = self.texts[member]
        size = None if text.strip().startswith("{") else self.size_of(member)
        out = io.BytesIO()
        Image.fromarray(decode_runs(text, size, member)).save(out, "PNG", compress_level=0)
        return out.getvalue()
