"""Masks from files: values as they are stored, exact through every change of size."""

from __future__ import annotations

import io

import numpy as np
import numpy.testing as npt
import pytest
from PIL import Image

from everygroup.errors import ImageError
from everygroup.imaging.masks import read_mask

SHAPES = np.zeros((6, 9), np.uint8)
SHAPES[1:3, 2:5], SHAPES[4, 7] = 1, 2


def encoded(pixels: np.ndarray | Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(out, kind)
    return out.getvalue()


def test_values_stay_as_they_are() -> None:
    npt.assert_array_equal(read_mask(encoded(SHAPES)), SHAPES)
    npt.assert_array_equal(read_mask(encoded(SHAPES.astype(np.uint16))), SHAPES)
    npt.assert_array_equal(read_mask(encoded(np.repeat(SHAPES[..., None], 3, -1))), SHAPES)


@pytest.mark.parametrize("white", [1, 255])
def test_two_values_are_one_structure(white: int) -> None:
    lesion = (SHAPES == 1).astype(np.uint8)
    npt.assert_array_equal(read_mask(encoded(lesion * np.uint8(white))), lesion)
    npt.assert_array_equal(read_mask(encoded(Image.fromarray(lesion * 255).convert("1"))), lesion)
    assert read_mask(encoded(np.full((3, 3), white, np.uint8))).min() == 1


def test_a_palette_counts_by_its_indices() -> None:
    picture = Image.fromarray(SHAPES, mode="P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    npt.assert_array_equal(read_mask(encoded(picture)), SHAPES)


@pytest.mark.parametrize("policy", ["crop", "pad", "stretch"])
def test_a_change_of_size_mixes_no_values(policy: str) -> None:
    large = np.kron(SHAPES, np.ones((7, 7), np.uint8))
    small = read_mask(encoded(large), image_size=16, resize=policy)  # type: ignore[arg-type]
    assert small.shape == (16, 16) and set(np.unique(small)) <= {0, 1, 2}
    if policy == "crop":
        npt.assert_array_equal(read_mask(encoded(large), image_size=42), large[:, 10:52])


def test_what_is_no_mask_is_refused() -> None:
    with pytest.raises(ImageError, match=r"the grey values 0, 1, 2, 3, 4, \.\.\. up to 53 are no structures"):
        read_mask(encoded(np.arange(54, dtype=np.uint8).reshape(6, 9)))
    colours = np.zeros((4, 4, 3), np.uint8)
    colours[0, 0, 0] = 1
    with pytest.raises(ImageError, match="m: a mask in colours"):
        read_mask(encoded(colours), name="m")
    with pytest.raises(ImageError, match="is empty"):
        read_mask(b"")
