"""npz archives with one array for each part of an official split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from everygroup.errors import CohortError
from everygroup.imaging import open_source, prepare_images
from everygroup.imaging.parts import NpzParts

LENGTHS = {"train": 5, "val": 2, "test": 3}


def archive(path: Path, shape: tuple[int, ...] = (6, 6, 3), **changed: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {f"{p}_images": rng.integers(0, 256, (n, *shape), dtype=np.uint8) for p, n in LENGTHS.items()}
    arrays |= changed
    np.savez(path, **arrays)
    return arrays


def test_parts_follow_one_another(tmp_path: Path) -> None:
    arrays = archive(tmp_path / "set.npz")
    source = open_source(tmp_path / "set.npz")
    assert isinstance(source, NpzParts) and source.image_size == 6 and len(source.members()) == 10
    assert source.find("val_00001") == "val_00001" and source.find("val_00002") is None
    whole = np.concatenate([arrays[f"{p}_images"] for p in LENGTHS])
    for size in (1, 2, 1024):
        starts, blocks = zip(*source.chunks(size), strict=True)
        np.testing.assert_array_equal(np.concatenate(blocks), whole)
        assert list(starts) == np.cumsum([0, *(len(b) for b in blocks)])[:-1].tolist()
    ids = ["test_00002", "train_00000", "val_00001"]
    prepared = prepare_images(source, ids, tmp_path / "out", image_size=6)
    np.testing.assert_array_equal(prepared.images, whole[[9, 0, 6]])


def test_grey_images_become_three_channels(tmp_path: Path) -> None:
    arrays = archive(tmp_path / "set.npz", (4, 4))
    blocks = [block for _, block in NpzParts(tmp_path / "set.npz").chunks()]
    assert blocks[0].shape == (5, 4, 4, 3)
    np.testing.assert_array_equal(blocks[2][..., 1], arrays["test_images"])


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 5, 5, 3), np.uint8), np.zeros((2, 6, 6, 3), np.float32), np.zeros((2, 6, 6, 4), np.uint8)],
    ids=["another size", "floats", "four channels"],
)
def test_arrays_that_do_not_fit(wrong: np.ndarray, tmp_path: Path) -> None:
    archive(tmp_path / "set.npz", val_images=wrong)
    with pytest.raises(CohortError, match=r"set\.npz: its images are"):
        open_source(tmp_path / "set.npz")


def test_pickles_are_not_read(tmp_path: Path) -> None:
    archive(tmp_path / "set.npz", val_images=np.array([{"code": "runs"}], dtype=object))
    with pytest.raises(CohortError, match="object"):
        open_source(tmp_path / "set.npz")


def test_a_part_that_ends_too_early(tmp_path: Path) -> None:
    arrays = archive(tmp_path / "set.npz")
    path = tmp_path / "cut.npz"
    path.write_bytes((tmp_path / "set.npz").read_bytes()[:-400])
    with pytest.raises(CohortError, match="npz archive"):
        NpzParts(path)
    assert arrays["train_images"].shape[0] == 5
