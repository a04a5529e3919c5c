"""Failures of the computer are no verdict on an image: what could not be read is tried again."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from everygroup.errors import ImageError
from everygroup.imaging import _fill, open_source, prepare_images
from everygroup.imaging._store import GrowingArray

IDS = [f"s{k}" for k in range(12)]


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_fill, "_TASK", 2)
    monkeypatch.setattr(_fill, "_COMMIT", 4)
    folder = tmp_path / "images"
    folder.mkdir()
    for k in range(12):
        Image.new("RGB", (4, 4), (k, 0, 0)).save(folder / f"s{k}.png")
    return folder


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, BaseException], list[str]]:
    """Make the reading of one file fail until it is taken off the list that is returned."""
    names: list[str] = []
    read_bytes, open_image = Path.read_bytes, Image.open

    def arrange(name: str, error: BaseException) -> list[str]:
        names.append(name)

        def read(path: Path) -> bytes:
            if path.name in names and isinstance(error, OSError):
                raise error
            return read_bytes(path)

        def opened(stream: Any, **options: Any) -> Image.Image:
            image = open_image(stream, **options)
            if names and isinstance(error, MemoryError) and image.getpixel((0, 0)) == (5, 0, 0):
                raise error
            return image

        monkeypatch.setattr(Path, "read_bytes", read)
        monkeypatch.setattr(Image, "open", opened)
        return names

    return arrange


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "denied"), OSError(errno.EIO, "I/O"), MemoryError()])
@pytest.mark.parametrize("on_bad_image", ["error", "skip"])
def test_what_could_not_be_read_is_tried_again(
    images: Path, tmp_path: Path, failing: Callable[..., list[str]], error: BaseException, on_bad_image: Any
) -> None:
    names = failing("s5.png", error)
    (images / "s1.png").write_bytes(b"damaged")
    for _ in range(2):
        if on_bad_image == "error":
            with pytest.raises(ImageError, match="2 of 12 images"):
                prepare_images(open_source(images), IDS, tmp_path / "out", image_size=4)
        else:
            prepared = prepare_images(open_source(images), IDS, tmp_path / "out", image_size=4, on_bad_image="skip")
            assert [(b.id, b.again) for b in prepared.bad] == [("s1", False), ("s5", True)]
    names.clear()
    prepared = prepare_images(open_source(images), IDS, tmp_path / "out", image_size=4, on_bad_image="skip")
    assert [b.id for b in prepared.bad] == ["s1"]
    np.testing.assert_array_equal(prepared.images[:, 0, 0, 0], [k for k in range(12) if k != 1])


def test_work_after_a_torn_line_is_known_the_next_time(tmp_path: Path) -> None:
    def append(n: int) -> int:
        with GrowingArray(tmp_path, "key", 9, (1, 1, 3)) as store:
            before = store.kept
            store.append(np.ones((n, 1, 1, 3), np.uint8))
            store.commit(store.kept, [])
        return before

    append(2)
    with (tmp_path / ".progress.jsonl").open("a") as log:
        log.write('{"done": 9, "ke')
    assert [append(3), append(1)] == [2, 5]
