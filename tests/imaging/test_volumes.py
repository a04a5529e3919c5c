"""Volumes as cubes: orientation, spacing, the three shapes, masks, and what is refused."""

from __future__ import annotations

import gzip
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from everygroup.errors import ImageError
from everygroup.imaging import read_image
from everygroup.imaging.tensors import to_input
from everygroup.imaging.volumes import read_volume

RAMP = np.random.default_rng(0).integers(0, 1000, (8, 8, 8)).astype(np.int16)


def nifti(volume: np.ndarray, spacing: tuple[float, ...] = (1, 1, 1), affine: np.ndarray | None = None) -> bytes:
    affine = np.diag([*spacing, 1.0]) if affine is None else affine
    data: bytes = nib.Nifti1Image(volume, affine).to_bytes()
    return data


def ball(shape: tuple[int, ...], spacing: tuple[float, ...], radius: float) -> np.ndarray:
    """A ball of a physical radius in the middle."""
    axes = [(np.arange(n) + 0.5 - n / 2) * s for n, s in zip(shape, spacing, strict=True)]
    grid = np.meshgrid(*axes, indexing="ij")
    return (sum(g**2 for g in grid) < radius**2).astype(np.uint8)


def test_a_slice_of_the_cube_is_the_picture_of_that_slice() -> None:
    cube = read_volume(nifti(RAMP), image_size=8)
    assert cube.shape == (8, 8, 8, 1) and cube.dtype == np.uint8
    for k in range(8):
        picture = read_image(nifti(RAMP), part=f"axis=2,index={k}")
        assert np.abs(cube[k].astype(int) - picture[..., :1]).max() <= 1  # float32 rounds elsewhere than float64


def test_every_orientation_and_packing_gives_the_same_cube() -> None:
    want = read_volume(nifti(RAMP), image_size=5)
    for flips in ((0,), (1, 2), (0, 1, 2)):
        affine = np.eye(4)
        for axis in flips:
            affine[axis, axis] = -1
        np.testing.assert_array_equal(read_volume(nifti(np.flip(RAMP, flips), affine=affine), image_size=5), want)
    swapped = nifti(RAMP.transpose(2, 0, 1), affine=np.eye(4)[:, [2, 0, 1, 3]])
    np.testing.assert_array_equal(read_volume(swapped, image_size=5), want)
    np.testing.assert_array_equal(read_volume(gzip.compress(nifti(RAMP)), image_size=5), want)


@pytest.mark.parametrize("resize", ["crop", "pad"])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 1.0, 3.0), (2.0, 0.7, 1.0)])
def test_lengths_are_physical(resize: Any, spacing: tuple[float, ...]) -> None:
    """A ball stays a ball whatever the spacing, and has the size that the edge of the cube says."""
    shape = tuple(round(n / s) for n, s in zip((48, 36, 30), spacing, strict=True))
    sides = [n * s for n, s in zip(shape, spacing, strict=True)]
    volume = ball(shape, spacing, 11.0)
    voxel = (min(sides) if resize == "crop" else max(sides)) / 40
    want = 4 / 3 * np.pi * 11**3 / voxel**3
    mask = read_volume(nifti(volume, spacing), image_size=40, resize=resize, as_mask=True)
    assert mask.shape == (40, 40, 40)
    assert mask.sum() == pytest.approx(want, rel=0.06)
    extents = [np.ptp(np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))) + 1 for axis in range(3)]
    coarsest = max(spacing) / voxel
    assert max(extents) - min(extents) <= 1 + 2 * coarsest
    grey = read_volume(nifti(volume, spacing), image_size=40, resize=resize)[..., 0] / 255
    assert grey.sum() == pytest.approx(want, rel=0.06)
    centre = [float((grey.sum(axis=tuple({0, 1, 2} - {a})) * np.arange(40)).sum() / grey.sum()) for a in range(3)]
    np.testing.assert_allclose(centre, 19.5, atol=0.3)


def test_pad_is_black_beyond_the_volume_and_stretch_fills_the_cube() -> None:
    volume = np.full((8, 16, 16), 100, np.int16)
    volume[0, 0, 0] = 0
    padded = read_volume(nifti(volume), image_size=16, resize="pad")[..., 0]
    assert (padded[:, :, :4] == 0).all() and (padded[:, :, 12:] == 0).all() and (padded[8, 8, 4:12] == 255).all()
    stretched = read_volume(nifti(volume), image_size=16, resize="stretch")[..., 0]
    assert (stretched == 255).mean() > 0.99
    cropped = read_volume(nifti(volume), image_size=16, resize="crop")[..., 0]
    assert (cropped == 255).all()


def test_shrinking_averages() -> None:
    checkers = (np.indices((32, 32, 32)).sum(axis=0) % 2 * 200).astype(np.int16)
    cube = read_volume(nifti(checkers), image_size=8)
    assert np.abs(cube.astype(int)[1:-1, 1:-1, 1:-1] - 127.5).max() < 2  # every other voxel would be 0 or 255 only


def test_masks_keep_their_values() -> None:
    structures = np.zeros((20, 24, 28), np.int16)
    structures[5:15, 5:15, 5:15] = 7
    structures[8:12, 8:12, 8:12] = 2
    for size in (9, 20, 50):
        assert set(np.unique(read_volume(nifti(structures), image_size=size, as_mask=True))) == {0, 2, 7}
    image = read_volume(nifti(RAMP), image_size=8, as_mask=False)
    same = read_volume(nifti(RAMP % 5), image_size=8, as_mask=True)
    np.testing.assert_array_equal(same, (RAMP % 5).transpose(2, 1, 0)[:, ::-1])
    assert image.shape[:3] == same.shape


def test_not_finite_is_black() -> None:
    volume = RAMP.astype(np.float32)
    volume[2, 3, 4] = np.nan
    volume[2, 3, 5] = np.inf
    cube = read_volume(nifti(volume), image_size=8)
    assert cube[4, 4, 2, 0] == 0 and cube[5, 4, 2, 0] == 0


def test_one_of_several_volumes() -> None:
    both = np.stack([RAMP, RAMP[::-1]], axis=-1)
    np.testing.assert_array_equal(
        read_volume(nifti(both), image_size=8, part="volume=1"), read_volume(nifti(RAMP[::-1].copy()), image_size=8)
    )
    with pytest.raises(ImageError, match="holds 2 volumes"):
        read_volume(nifti(both), image_size=8)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (b"no volume", {}, "not a NIfTI volume"),
        (nifti(RAMP)[:-9], {}, "truncated"),
        (nifti(RAMP), {"part": "axis=1,index=2"}, "a slice is named"),
        (nifti(RAMP), {"max_pixels": 10}, "more than the limit"),
        (nifti(RAMP), {"as_mask": True}, "no structures"),
        (nifti(RAMP / 7.0), {"as_mask": True}, "no structures"),
        (nifti(np.full((3, 3, 3), np.nan)), {}, "no voxel is finite"),
    ],
)
def test_refusals(data: bytes, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read_volume(data, image_size=8, name="scan.nii", **options)


def test_stored_volumes_become_input() -> None:
    stored = torch.randint(0, 256, (2, 4, 5, 6, 3), dtype=torch.uint8)
    x = to_input(stored)
    assert x.shape == (2, 3, 4, 5, 6) and x.dtype == torch.float32
    torch.testing.assert_close(x[1, 2, 3, 4, 5], stored[1, 3, 4, 5, 2] / 255)
    floats = torch.rand(2, 4, 5, 6, 1)
    assert torch.equal(to_input(floats)[:, 0], floats[..., 0])
