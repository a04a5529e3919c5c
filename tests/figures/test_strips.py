from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from everygroup.errors import EverygroupError
from everygroup.figures import image_strip


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def test_pictures_stand_in_order() -> None:
    images = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    images[0, ..., 0] = 255
    images[1, ..., 2] = 255
    strip = opened(image_strip(images, ["red\nw = 0.9", "blue" * 50], side=40))
    assert strip.width == 2 * 50 + 10
    assert strip.getpixel((30, 30)) == (255, 0, 0)
    assert strip.getpixel((80, 30)) == (0, 0, 255)


def test_captions_are_broken_between_words_rather_than_cut() -> None:
    one = np.zeros((1, 8, 8, 3), dtype=np.uint8)
    short, long = (opened(image_strip(one, [f"dark\n{words}"])) for words in ("39 lesions", "39 patients or lesions"))
    assert long.height == short.height + 15


def test_grey_pictures_and_captions_with_control_characters() -> None:
    assert opened(image_strip(np.full((1, 4, 4, 1), 7, np.uint8), ["\x00<b>ü"])).height > 112


@pytest.mark.parametrize(
    ("images", "captions"),
    [
        (np.zeros((0, 4, 4, 3), np.uint8), []),
        (np.zeros((1, 4, 4, 3)), ["a"]),
        (np.zeros((1, 4, 4, 2), np.uint8), ["a"]),
        (np.zeros((1, 4, 4, 3), np.uint8), []),
    ],
)
def test_bad_input(images: np.ndarray, captions: list[str]) -> None:
    with pytest.raises(EverygroupError):
        image_strip(images, captions)
