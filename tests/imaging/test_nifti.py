"""Slices of volumes: orientation, scale, references, pairs, bombs and every defect."""

from __future__ import annotations

import builtins
import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everygroup.errors import ImageError, SettingsError
from everygroup.imaging import nifti as module
from everygroup.imaging import open_source, prepare_images, read_image

RAMP = np.arange(6 * 7 * 8, dtype=np.int16).reshape(6, 7, 8)
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


def nifti(volume: np.ndarray, affine: np.ndarray = AFFINE, kind: Any = nib.Nifti1Image, **header: Any) -> bytes:
    image = kind(volume, affine)
    for name, value in header.items():
        image.header[name] = value
    return image.to_bytes()


def expected(volume: np.ndarray, axis: int, index: int) -> np.ndarray:
    """The documented rule, written with numpy alone: column = first axis left, bottom row = start of the second."""
    finite = volume[np.isfinite(volume)]
    low, high = np.percentile(finite, [1, 99])
    picture = np.nan_to_num(np.moveaxis(volume, axis, 0)[index].T[::-1].astype(float))
    return np.round(255 * np.clip((picture - low) / (high - low), 0, 1)).astype(np.uint8)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("packed", [False, True])
def test_the_default_is_the_middle_axial_slice(kind: Any, packed: bool) -> None:
    data = nifti(RAMP, kind=kind)
    got = read_image(gzip.compress(data) if packed else data)
    np.testing.assert_array_equal(got, np.repeat(expected(RAMP, 2, 4)[..., None], 3, axis=2))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_named(axis: int, tmp_path: Path) -> None:
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(nifti(RAMP)))
    for index, text in ((3, "middle" if axis < 2 else "3"), (0, "0"), (5, "5")):
        got = read_image(tmp_path / f"scan.nii.gz#axis={axis},index={text}")
        np.testing.assert_array_equal(got[..., 1], expected(RAMP, axis, index))
    np.testing.assert_array_equal(read_image(tmp_path / "scan.nii.gz#2")[..., 0], expected(RAMP, 2, 2))


def test_every_orientation_gives_the_same_picture() -> None:
    want = read_image(nifti(RAMP), part="axis=1,index=2")
    for flips in ((0,), (1, 2), (0, 1, 2)):
        affine = AFFINE.copy()
        for axis in flips:
            affine[:, axis] *= -1
        np.testing.assert_array_equal(read_image(nifti(np.flip(RAMP, flips), affine), part="axis=1,index=2"), want)
    swapped = AFFINE[:, [2, 0, 1, 3]]
    np.testing.assert_array_equal(read_image(nifti(RAMP.transpose(2, 0, 1), swapped), part="axis=1,index=2"), want)


def test_the_scale_is_of_the_volume_and_not_of_an_outlier() -> None:
    noise = np.random.default_rng(0).normal(size=(20, 20, 20)).astype(np.float32)
    spoilt = noise.copy()
    spoilt[0, 0, 0] = 1e6
    near = read_image(nifti(spoilt)).astype(int) - read_image(nifti(noise))
    assert np.abs(near).max() <= 1
    assert read_image(nifti(noise)).std() > 40


def test_stored_scaling_is_applied() -> None:
    scaled = nifti(RAMP, scl_slope=0.5, scl_inter=-3)
    np.testing.assert_array_equal(read_image(scaled), read_image(nifti(RAMP)))


def test_nan_is_black_and_counts_for_nothing() -> None:
    holed = RAMP.astype(np.float32)
    holed[:2] = np.nan
    holed[2, 0, 0] = np.inf
    got = read_image(nifti(holed))[..., 0]
    np.testing.assert_array_equal(got[:, 2:], expected(holed, 2, 4)[:, 2:])
    assert (got[:, :2] == 0).all()
    with pytest.raises(ImageError, match="no voxel is finite"):
        read_image(nifti(np.full((3, 3, 3), np.nan, np.float32)))


def test_masks_and_constants() -> None:
    mask = np.zeros((20, 20, 20), np.uint8)
    mask[10, 10, 10] = 1
    assert read_image(nifti(mask)).sum() == 3 * 255
    assert (read_image(nifti(np.full((4, 4, 4), 7, np.int16))) == 0).all()


def test_four_dimensions() -> None:
    both = np.stack([RAMP, RAMP[::-1]], axis=3)
    with pytest.raises(ImageError, match="holds 2 volumes") as caught:
        read_image(nifti(both))
    assert "#volume=0" in caught.value.fix
    np.testing.assert_array_equal(read_image(nifti(both), part="volume=1")[..., 0], expected(RAMP[::-1], 2, 4))
    np.testing.assert_array_equal(read_image(nifti(RAMP[..., None])), read_image(nifti(RAMP)))
    with pytest.raises(ImageError, match="no volume 2"):
        read_image(nifti(both), part="volume=2")
    with pytest.raises(ImageError, match="volume of shape"):
        read_image(nifti(np.zeros((3, 3, 3, 1, 3), np.float32)))


@pytest.mark.parametrize("text", ["axis=3", "side=1", "index=first", "axis=1,axis=2"])
def test_impossible_references(text: str) -> None:
    with pytest.raises(ImageError, match="names no slice"):
        read_image(nifti(RAMP), part=text)


def test_slices_beyond_the_end() -> None:
    with pytest.raises(ImageError, match="no slice 8") as caught:
        read_image(nifti(RAMP), part="index=8")
    assert "axis 2: 0 to 7" in caught.value.fix


@pytest.mark.parametrize("kind", [nib.AnalyzeImage, nib.Spm2AnalyzeImage, nib.Nifti1Pair, nib.Nifti2Pair])
def test_pairs(tmp_path: Path, kind: Any) -> None:
    nib.save(kind(RAMP, np.diag([-1.0, 1, 1, 1]) if "Nifti" not in kind.__name__ else AFFINE), tmp_path / "scan.img")
    assert (tmp_path / "scan.hdr").exists()
    picture = read_image(tmp_path / "scan.img")
    assert picture.shape == (7, 6, 3)
    want = RAMP[::-1] if "Nifti" not in kind.__name__ else RAMP
    np.testing.assert_array_equal(picture[..., 0], expected(want, 2, 4))
    source = open_source(tmp_path)
    assert source.members() == ["scan.img"]
    prepared = prepare_images(source, ["scan"], tmp_path / "out", image_size=6)
    np.testing.assert_array_equal(prepared.images[0], read_image(tmp_path / "scan.img", image_size=6))
    with pytest.raises(ImageError, match=r"not a NIfTI|not an image"):
        read_image(tmp_path / "scan.hdr")


def test_prepared_from_a_zip_by_reference(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("a/scan.nii.gz", gzip.compress(nifti(RAMP)))
    ids = ["scan.nii.gz#axis=0,index=1", "scan#axis=2", "a/scan.nii.gz"]
    prepared = prepare_images(open_source(tmp_path / "images.zip"), ids, tmp_path / "out", image_size=5, resize="pad")
    for image, part in zip(prepared.images, ("axis=0,index=1", "axis=2", ""), strict=True):
        np.testing.assert_array_equal(image, read_image(nifti(RAMP), part=part, image_size=5, resize="pad"))


@pytest.mark.parametrize(("policy", "black"), [("crop", 0), ("pad", 4), ("stretch", 0)])
def test_resize_policies(policy: Any, black: int) -> None:
    bright = np.full((8, 4, 3), 100, np.int16)
    bright[:, :, 0] = 0
    got = read_image(nifti(bright), image_size=8, resize=policy)
    assert got.shape == (8, 8, 3)
    assert int((got == 0).all(axis=(1, 2)).sum()) == black
    assert got.max() == 255


def test_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    header = nifti(RAMP)[:352]
    huge = bytearray(header)
    huge[42:48] = np.array([30000, 30000, 9], "<i2").tobytes()
    monkeypatch.setattr(module.zlib, "decompressobj", _Counting)
    with pytest.raises(ImageError, match="30000 x 30000 x 9 voxels are more than the limit"):
        read_image(gzip.compress(bytes(huge)))
    small_header_long_file = gzip.compress(header + RAMP.tobytes("F") + b"\0" * (64 << 20))
    assert len(small_header_long_file) < 100_000
    _Counting.most = 0
    assert read_image(small_header_long_file).shape == (7, 6, 3)
    assert _Counting.most <= 352 + RAMP.nbytes, "the rest is never unpacked"
    monkeypatch.setattr(module, "MAX_VOLUME_BYTES", 500)
    with pytest.raises(ImageError, match="unpacks to more than"):
        read_image(gzip.compress(nifti(RAMP)))


class _Counting:
    """zlib's unpacker, noting the longest piece it was asked for and gave."""

    most = 0
    make = staticmethod(module.zlib.decompressobj)

    def __init__(self, bits: int) -> None:
        self.inner = self.make(bits)

    def decompress(self, data: bytes, limit: int) -> bytes:
        out = self.inner.decompress(data, limit)
        _Counting.most = max(_Counting.most, len(out))
        return out

    @property
    def unused_data(self) -> bytes:
        return self.inner.unused_data


def _patched(at: int, value: int) -> bytes:
    data = bytearray(nifti(RAMP))
    data[at] = value
    return bytes(data)


COLOURS = np.zeros((3, 3, 3), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
DEFECTS = {
    "complex": (nifti(RAMP.astype(np.complex64)), "no real numbers"),
    "colours": (nifti(COLOURS), "no real numbers"),
    "truncated": (nifti(RAMP)[:600], r"truncated \(600 of 1024 bytes\)"),
    "truncated gzip": (gzip.compress(nifti(RAMP), mtime=0)[:-200], "truncated"),
    "gzip of something else": (gzip.compress(b"text" * 500), "a gzip file that holds no NIfTI volume"),
    "header of a pair": (nifti(RAMP).replace(b"n+1\0", b"ni1\0"), "not an image"),
    "unknown type": (_patched(70, 99), "damaged"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_defects(defect: str, capfd: pytest.CaptureFixture[str]) -> None:
    data, reason = DEFECTS[defect]
    with pytest.raises(ImageError, match=reason) as caught:
        read_image(data, name="scan.nii")
    assert caught.value.message.startswith("scan.nii: ")
    assert capfd.readouterr() == ("", ""), "nibabel prints what it mends"


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.import_module", lambda name: builtins.__import__(f"no_such_{name}"))
    with pytest.raises(SettingsError, match="needs the package nibabel") as caught:
        read_image(nifti(RAMP))
    assert "everygroup[nifti]" in caught.value.fix


SAMPLES = [nifti(RAMP), gzip.compress(nifti(RAMP)), nifti(RAMP.astype(np.float32), kind=nib.Nifti2Image)]


@settings(max_examples=150)
@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=6), st.data())
def test_damaged_files_give_an_image_or_an_image_error(
    sample: bytes, flips: list[tuple[int, int]], data: st.DataObject
) -> None:
    damaged = bytearray(sample)
    for at, value in flips:
        damaged[at % len(damaged)] = value
    damaged = damaged[: data.draw(st.integers(1, len(damaged)))]
    try:
        assert read_image(bytes(damaged), image_size=8).shape == (8, 8, 3)
    except ImageError as error:
        assert error.message


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 347), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_headers_of_pairs(flips: list[tuple[int, int]]) -> None:
    holder = {k: nib.FileHolder(fileobj=io.BytesIO()) for k in ("header", "image")}
    nib.AnalyzeImage(RAMP, None).to_file_map(holder)
    header, voxels = (bytearray(holder[k].fileobj.getvalue()) for k in ("header", "image"))
    for at, value in flips:
        header[at] = value
    try:
        assert read_image(bytes(voxels), header=bytes(header), image_size=4).shape == (4, 4, 3)
    except ImageError as error:
        assert error.message
