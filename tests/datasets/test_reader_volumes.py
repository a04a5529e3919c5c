"""Volumes and their masks from NIfTI files, and from prepared folders."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest

from everygroup.datasets import prepare_cohort
from everygroup.datasets.reader import read_cohort
from everygroup.errors import CohortError, EverygroupError, ImageError
from everygroup.imaging.volumes import read_volume

N = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six volumes of different sizes and spacings, with masks of two structures."""
    data = tmp_path / "data"
    data.mkdir()
    rng = np.random.default_rng(0)
    for i in range(N):
        shape, affine = (12 + i, 14, 10), np.diag([1.0, 1.0, 1.5, 1.0])
        mask = np.zeros(shape, np.uint8)
        mask[3:7, 4:9, 2:6], mask[5:6, 5:7, 3:5] = 1, 2
        grey = (rng.normal(100, 10, shape) + 50 * mask).astype(np.float32)
        nib.save(nib.Nifti1Image(grey, affine), data / f"s{i}.nii.gz")
        nib.save(nib.Nifti1Image(mask, affine), data / f"s{i}_seg.nii.gz")
    table = {
        "scan": [f"s{i}" for i in range(N)],
        "sex": ["f", "m"] * (N // 2),
        "dx": ["ill", "well", "well"] * (N // 3),
        "seg": [f"s{i}_seg.nii.gz" for i in range(N)],
        "runs": ["1 2"] * N,
    }
    pd.DataFrame(table).to_csv(data / "metadata.csv", index=False)
    return data


OPTIONS = {"group": "sex", "id_column": "scan", "split_by": "none", "volumes": True}


def test_volumes_become_cubes(folder: Path, tmp_path: Path) -> None:
    cohort = read_cohort(folder, label="dx", image_size=9, cache=tmp_path / "cache", **OPTIONS)
    assert cohort.images.shape == (N, 9, 9, 9, 1) and cohort.images.dtype == np.uint8
    for i in range(N):
        npt.assert_array_equal(
            cohort.batch(np.array([i]))[0], read_volume((folder / f"s{i}.nii.gz").read_bytes(), image_size=9)
        )
    slices = read_cohort(folder, label="dx", image_size=9, cache=tmp_path / "cache", **{**OPTIONS, "volumes": False})
    assert slices.images.shape == (N, 9, 9, 3) and slices.content_hash != cohort.content_hash
    assert read_cohort(folder, label="dx", cache=tmp_path / "cache", **OPTIONS).sample_shape == (64, 64, 64, 1)
    padded = read_cohort(folder, label="dx", image_size=9, resize="pad", cache=tmp_path / "cache", **OPTIONS)
    assert padded.content_hash != cohort.content_hash


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_masks_lie_where_their_structures_are(folder: Path, tmp_path: Path, resize: str) -> None:
    """The structure is brighter than the rest, so that a mask that is turned or moved would show."""
    asked = {"target": "mask", "masks": "seg", "image_size": 24, "resize": resize, **OPTIONS}
    cohort = read_cohort(folder, cache=tmp_path / "cache", **asked)
    assert cohort.classes == ("structure 1", "structure 2") and cohort.truth is not None
    images, masks = cohort.batch(np.arange(N))[..., 0].astype(float), cohort.truth_batch(np.arange(N))
    assert masks.shape == (N, 24, 24, 24) and set(np.unique(masks)) == {0, 1, 2}
    for image, mask in zip(images, masks, strict=True):
        assert image[mask == 1].mean() > image[(mask == 0) & (image > 0)].mean() + 60
        assert image[mask == 2].mean() > image[mask == 1].mean() + 20


def test_a_prepared_folder_keeps_its_volumes(folder: Path, tmp_path: Path) -> None:
    asked = {"target": "mask", "masks": "seg", "image_size": 12, **OPTIONS}
    out = prepare_cohort(folder, tmp_path / "out", **asked)
    direct = read_cohort(folder, cache=tmp_path / "cache", **asked)
    for more in ({}, {"volumes": True}):
        again = read_cohort(out, **more)
        assert again.content_hash == direct.content_hash and again.sample_shape == (12, 12, 12, 1)
    flat = prepare_cohort(folder, tmp_path / "flat", label="dx", image_size=12, **{**OPTIONS, "volumes": False})
    with pytest.raises(CohortError, match="prepared without --volumes"):
        read_cohort(flat, volumes=True)


def test_what_cannot_be_a_volume(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EverygroupError, match="run lengths"):
        read_cohort(folder, target="mask", masks="runs", image_size=8, cache=tmp_path / "cache", **OPTIONS)
    (folder / "s3.nii.gz").write_bytes(b"\x1f\x8b no volume")
    with pytest.raises(ImageError, match=r"row 5, id s3, file s3\.nii\.gz: not a NIfTI volume"):
        read_cohort(folder, label="dx", image_size=8, cache=tmp_path / "cache", **OPTIONS)
    left = read_cohort(folder, label="dx", image_size=8, on_bad_image="skip", cache=tmp_path / "cache", **OPTIONS)
    assert len(left) == N - 1
    (folder / "s3.nii.gz").unlink()
    np.savez(folder / "images-8.npz", images=np.zeros((N, 8, 8, 3), np.uint8), ids=[f"s{i}" for i in range(N)])
    with pytest.raises(EverygroupError, match="volumes are not read from an archive"):
        read_cohort(folder, label="dx", image_size=8, cache=tmp_path / "cache", **OPTIONS)
