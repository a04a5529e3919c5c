"""Masks from run lengths, checked by hand and against an encoder written from COCO's own."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from everygroup.errors import ImageError
from everygroup.imaging.runs import RunLengths, are_runs, decode_runs

MASKS = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1))


def counts_of(mask: np.ndarray) -> list[int]:
    """Background and structure in turn, down the columns."""
    counts, value, n = [], 0, 0
    for pixel in mask.ravel(order="F"):
        if pixel != value:
            counts.append(n)
            value, n = int(pixel), 0
        n += 1
    return [*counts, n]


def text_of(counts: list[int]) -> str:
    """rleToString of pycocotools' maskApi.c."""
    text = ""
    for i, count in enumerate(counts):
        x = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            c = x & 0x1F
            x >>= 5
            more = x != -1 if c & 0x10 else x != 0
            text += chr((c | 0x20 if more else c) + 48)
    return text


def pairs_of(mask: np.ndarray) -> str:
    ends = np.cumsum(counts_of(mask))
    runs = [f"{start + 1} {end - start}" for start, end in zip(ends[0::2], ends[1::2], strict=False)]
    return " ".join(runs) or "-1"


def test_runs_by_hand() -> None:
    """Pixels 3 and 4, then 6, down the columns of two rows."""
    npt.assert_array_equal(decode_runs("3 2 6 1", (2, 3)), [[0, 1, 0], [0, 1, 1]])
    npt.assert_array_equal(decode_runs('{"size": [2, 3], "counts": [2, 2, 1, 1]}', (2, 3)), [[0, 1, 0], [0, 1, 1]])
    assert decode_runs("-1", (2, 3)).sum() == 0


@given(MASKS)
def test_every_kind_gives_the_mask_back(mask: np.ndarray) -> None:
    size, counts = (mask.shape[0], mask.shape[1]), counts_of(mask)
    npt.assert_array_equal(decode_runs(pairs_of(mask), size), mask)
    npt.assert_array_equal(decode_runs(json.dumps({"size": size, "counts": counts}), None), mask)
    npt.assert_array_equal(decode_runs(json.dumps({"size": size, "counts": text_of(counts)}), size), mask)


def test_long_runs_in_cocos_text() -> None:
    mask = np.zeros((400, 300), np.uint8)
    mask[17:390, 20:250] = 1
    cell = json.dumps({"size": mask.shape, "counts": text_of(counts_of(mask))})
    npt.assert_array_equal(decode_runs(cell, None), mask)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("5 3", "leave the 2 x 3 pixels"),
        ("0 1", "leave the 2 x 3 pixels"),
        ("1 3 2 1", "overlap"),
        ('{"size": [2, 2], "counts": [4]}', r"a mask of \(2, 2\), the image is \(2, 3\)"),
        ('{"size": [2, 3], "counts": [4]}', "counts of 4 pixels for an image of 6"),
        ('{"size": [2, 3]}', "not COCO's run lengths"),
        ("{nonsense", "not COCO's run lengths"),
    ],
)
def test_runs_that_cannot_be_are_refused(cell: str, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        decode_runs(cell, (2, 3))
    with pytest.raises(ImageError, match="size of its image is not known"):
        decode_runs("1 2", None)


def test_cells_that_are_runs() -> None:
    assert are_runs(["1 2", "-1", "3 4 5 6"]) and are_runs(['{"size": [1, 1], "counts": [1]}'])
    assert not are_runs([]) and not are_runs(["1 2 3"]) and not are_runs(["12"]) and not are_runs(["1 2", "a.png"])


def test_a_column_is_a_source_of_pictures() -> None:
    source = RunLengths(Path("table.csv"), {"row 2": "1 2"}, lambda _: (2, 2), "images")
    assert source.match("row 3").member is None and source.members() == ["row 2"]
    npt.assert_array_equal(np.asarray(Image.open(io.BytesIO(source.read("row 2")))), [[1, 0], [1, 0]])
    assert source.fingerprint != RunLengths(Path("t"), {"row 2": "1 2"}, lambda _: None, "others").fingerprint
