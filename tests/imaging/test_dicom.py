"""DICOM frames: every kind of pixel against pydicom's own processing or a closed form, and every defect."""

from __future__ import annotations

import builtins
import io
import logging
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi, apply_windowing
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from everygroup.errors import ImageError, SettingsError
from everygroup.imaging import dicom as module
from everygroup.imaging import read_image

from .dicom_files import dicom, encoded, lookup

CT = np.linspace(-1000, 2000, 12 * 16).astype(np.int16).reshape(12, 16)
X_RAY = np.linspace(0, 4095, 12 * 16).astype(np.uint16).reshape(12, 16)
RGB = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def grey(ds: Dataset, **options: Any) -> np.ndarray:
    rgb = read_image(encoded(ds), **options)
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb[..., 0], rgb[..., 2])
    return rgb[..., 0]


def as_pydicom(ds: Dataset, low: float, high: float) -> np.ndarray:
    """What pydicom's own modality and window functions give, whose output spans low to high."""
    out = apply_windowing(apply_modality_lut(ds.pixel_array, ds), ds)
    return np.round(255 * (out - low) / (high - low)).astype(np.uint8)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(40, 400), (-600.5, 1500), (0, 20)])
def test_window_is_that_of_pydicom(function: str, centre: float, width: float) -> None:
    ds = dicom(CT, WindowCenter=centre, WindowWidth=width, VOILUTFunction=function)
    expected = as_pydicom(ds, -(2**15), 2**15 - 1)
    different = np.abs(grey(ds).astype(int) - expected)
    assert different.max() <= 1 and (different > 0).mean() < 0.02, "but for a rounded half"
    assert len(np.unique(expected)) > 1


def test_rescale_comes_before_the_window() -> None:
    ds = dicom(X_RAY, BitsStored=12, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=500, WindowWidth=3000)
    np.testing.assert_array_equal(grey(ds), as_pydicom(ds, -1024, 4095 * 2 - 1024))


def test_the_first_of_several_windows() -> None:
    one = dicom(CT, WindowCenter=40, WindowWidth=400)
    two = dicom(CT, WindowCenter=[40, -600], WindowWidth=[400, 1500])
    np.testing.assert_array_equal(grey(two), grey(one))


def test_without_window_the_stored_bits_are_the_scale() -> None:
    ds = dicom(X_RAY, BitsStored=12)
    np.testing.assert_array_equal(grey(ds), np.round(X_RAY / 4095 * 255))
    dim = dicom(X_RAY // 8, BitsStored=12)
    assert grey(dim).max() == 32, "a dark picture stays dark"
    np.testing.assert_array_equal(grey(dicom(CT)), np.round((CT + 32768.0) / 65535 * 255))
    turned = dicom(X_RAY, BitsStored=12, RescaleSlope=-1, RescaleIntercept=4095)
    np.testing.assert_array_equal(grey(turned), np.round(255 - X_RAY / 4095 * 255))


def test_an_outlier_does_not_change_the_rest() -> None:
    spoilt = X_RAY.copy()
    spoilt[0, 0] = 65535  # above the twelve bits stored
    np.testing.assert_array_equal(grey(dicom(spoilt, BitsStored=12))[1:], grey(dicom(X_RAY, BitsStored=12))[1:])


def test_monochrome1_is_inverted() -> None:
    tags = {"BitsStored": 12, "WindowCenter": 2000, "WindowWidth": 3000}
    np.testing.assert_array_equal(
        grey(dicom(X_RAY, PhotometricInterpretation="MONOCHROME1", **tags)), 255 - grey(dicom(X_RAY, **tags))
    )


def test_lookup_tables_are_those_of_pydicom() -> None:
    curve = (np.sqrt(np.linspace(0, 1, 4096)) * 4095).astype(np.uint16)
    ds = dicom(X_RAY, BitsStored=12, ModalityLUTSequence=[lookup(0, curve, 16)])
    np.testing.assert_array_equal(grey(ds), np.round(apply_modality_lut(ds.pixel_array, ds) / 65535 * 255))
    ds = dicom(X_RAY, BitsStored=12, VOILUTSequence=[lookup(100, curve[:3000], 12)], WindowCenter=1, WindowWidth=2)
    np.testing.assert_array_equal(grey(ds), np.round(apply_voi(ds.pixel_array, ds) / 4095 * 255))
    ds = dicom(CT, VOILUTSequence=[lookup(-1000, curve[:3001], 12)])
    np.testing.assert_array_equal(grey(ds), np.round(curve[CT + 1000] / 4095 * 255))


def test_eight_bit_entries_of_a_long_table() -> None:
    curve = (np.linspace(0, 1, 4096) * 255).astype(np.uint16)
    ds = dicom(X_RAY, BitsStored=12, VOILUTSequence=[lookup(0, curve, 8)])
    np.testing.assert_array_equal(grey(ds), curve[X_RAY])


def test_colours_and_planes() -> None:
    np.testing.assert_array_equal(read_image(encoded(dicom(RGB, PhotometricInterpretation="RGB"))), RGB)
    planes = dicom(RGB, PhotometricInterpretation="RGB", PlanarConfiguration=1)
    planes.PixelData = np.ascontiguousarray(RGB.transpose(2, 0, 1)).tobytes()
    np.testing.assert_array_equal(read_image(encoded(planes)), RGB)
    ycbcr = np.asarray(Image.fromarray(RGB).convert("YCbCr"))
    got = read_image(encoded(dicom(ycbcr, PhotometricInterpretation="YBR_FULL")))
    assert np.abs(got.astype(int) - RGB).max() <= 3  # rounded twice


def test_palette() -> None:
    index = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)
    tags = {}
    for k, colour in enumerate(("Red", "Green", "Blue")):
        table = np.random.default_rng(k).integers(0, 1 << 16, 180).astype("<u2")
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [180, 5, 16]
        tags[f"{colour}PaletteColorLookupTableData"] = table.tobytes()
    ds = dicom(index, PhotometricInterpretation="PALETTE COLOR", **tags)
    np.testing.assert_array_equal(read_image(encoded(ds)), np.round(apply_color_lut(index, ds) / 65535 * 255))
    del ds.RedPaletteColorLookupTableData
    with pytest.raises(ImageError, match="palette is of a kind that is not read"):
        read_image(encoded(ds))


def compressed(syntax: str, pixels: np.ndarray = RGB[..., 0]) -> Dataset:
    ds = dicom(pixels)
    if syntax in (RLELossless, ImplicitVRLittleEndian):
        if syntax == RLELossless:
            ds.compress(RLELossless, generate_instance_uid=False)
        else:
            ds.file_meta.TransferSyntaxUID = syntax
        return ds
    stream = io.BytesIO()
    kind = "JPEG" if syntax == JPEGBaseline8Bit else "JPEG2000"
    options = {"quality": 100} if kind == "JPEG" else {"no_jp2": True, "irreversible": False}
    Image.fromarray(pixels).save(stream, kind, **options)
    ds.PixelData = encapsulate([stream.getvalue()])
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, RLELossless, JPEGBaseline8Bit, JPEG2000Lossless])
def test_usual_compressions(syntax: str) -> None:
    wrong = np.abs(grey(compressed(syntax)).astype(int) - RGB[..., 0])
    assert wrong.max() <= (3 if syntax == JPEGBaseline8Bit else 0)


def test_deflated_and_big_endian() -> None:
    for syntax in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian):
        ds = dicom(X_RAY.byteswap() if syntax == ExplicitVRBigEndian else X_RAY, syntax=syntax, BitsStored=12)
        np.testing.assert_array_equal(grey(ds), np.round(X_RAY / 4095 * 255))


def test_frames_are_named(tmp_path: Path) -> None:
    frames = np.stack([X_RAY, X_RAY[::-1], X_RAY[:, ::-1]])
    ds = dicom(frames, BitsStored=12)
    with pytest.raises(ImageError, match="holds 3 frames") as caught:
        read_image(encoded(ds), name="scan.dcm")
    assert "scan.dcm#12 (1 to 3)" in caught.value.fix
    (tmp_path / "scan").write_bytes(encoded(ds))
    for number, frame in enumerate(frames, start=1):
        expected = np.round(frame / 4095 * 255)
        np.testing.assert_array_equal(read_image(tmp_path / f"scan#{number}")[..., 0], expected)
    for number in (0, 4):
        with pytest.raises(ImageError, match=f"no frame {number}"):
            read_image(encoded(ds), part=str(number))
    with pytest.raises(ImageError, match="names a slice"):
        read_image(encoded(ds), part="axis=1")
    with pytest.raises(ImageError, match="one picture, of which #3"):
        stream = io.BytesIO()
        Image.fromarray(RGB).save(stream, "PNG")
        read_image(stream.getvalue(), part="3")


def test_enhanced_files_keep_a_window_for_every_frame() -> None:
    def group(centre: float) -> Dataset:
        item, window, rescale = Dataset(), Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = centre, 400
        rescale.RescaleSlope, rescale.RescaleIntercept = 1, -1024
        item.FrameVOILUTSequence, item.PixelValueTransformationSequence = [window], [rescale]
        return item

    ds = dicom(np.stack([X_RAY, X_RAY]), BitsStored=12, PerFrameFunctionalGroupsSequence=[group(40), group(900)])
    for number, centre in ((1, 40), (2, 900)):
        flat = dicom(X_RAY, BitsStored=12, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=centre, WindowWidth=400)
        np.testing.assert_array_equal(grey(ds, part=str(number)), grey(flat))


@pytest.mark.parametrize("policy", ["crop", "pad", "stretch"])
def test_resize_policies(policy: Any) -> None:
    white = dicom(np.full((4, 8), 255, np.uint8))
    got = grey(white, image_size=8, resize=policy)
    assert got.shape == (8, 8)
    assert ((got == 0).all(axis=1)).sum() == (4 if policy == "pad" else 0)


def test_huge_frames_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = dicom(X_RAY)
    ds.Rows, ds.Columns = 30000, 30000
    monkeypatch.setattr("pydicom.pixels.pixel_array", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="30000 x 30000 pixels are more than the limit of 100 megapixels"):
        read_image(encoded(ds))
    large = compressed(JPEGBaseline8Bit, np.zeros((300, 400), np.uint8))
    large.Rows, large.Columns = 10, 10  # the tags belittle what is inside
    with pytest.raises(ImageError, match="400 x 300 pixels are more"):
        read_image(encoded(large), max_pixels=10_000)
    for syntax, marker in ((JPEGLosslessSV1, 0xC3), (JPEGLSLossless, 0xF7)):
        ds = dicom(X_RAY, syntax=syntax)
        header = b"\xff\xd8\xff\xe0\0\4ab\xff\xff" + bytes([marker]) + struct.pack(">HBHHB", 11, 16, 40000, 50000, 1)
        ds.PixelData = encapsulate([header + b"\0" * 20])
        ds["PixelData"].VR = "OB"
        with pytest.raises(ImageError, match="50000 x 40000 pixels are more"):
            read_image(encoded(ds))
    large = compressed(JPEG2000Lossless, np.zeros((300, 400), np.uint8))
    large.Rows, large.Columns = 10, 10
    with pytest.raises(ImageError, match="400 x 300 pixels are more"):
        read_image(encoded(large), max_pixels=10_000)


def test_a_deflated_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_INFLATED", 1 << 20)
    data = encoded(dicom(np.zeros((1200, 1200), np.uint8), syntax=DeflatedExplicitVRLittleEndian))
    assert len(data) < 10_000
    with pytest.raises(ImageError, match="unpacks to more than 1 MiB"):
        read_image(data)
    with pytest.raises(ImageError, match="unpacks to more than 1 MiB"):
        module.read_tags(io.BytesIO(data), ["Rows"], "scan")
    lying = bytearray(data + zlib.compress(b"small")[2:-4])  # the header gives another length than it has
    lying[140:144] = (len(data) - 144).to_bytes(4, "little")
    with pytest.raises(ImageError, match="unpacks to more than 1 MiB"):
        read_image(bytes(lying))


def _grey_planes() -> Dataset:
    ds = dicom(RGB, PhotometricInterpretation="RGB")
    ds.PhotometricInterpretation = "MONOCHROME2"
    return ds


FLOATS = dicom(None, Rows=1, Columns=1, FloatPixelData=b"\0" * 4)
DEFECTS = {
    "no pixels": (dicom(None), "holds no pixels"),
    "floats": (FLOATS, "floating-point pixels"),
    "no width": (dicom(CT, WindowCenter=1, WindowWidth=0), "width of the window"),
    "no slope": (dicom(CT, RescaleSlope=0, RescaleIntercept=1), "rescale slope"),
    "HSV": (dicom(RGB[..., 0], PhotometricInterpretation="HSV"), r"damaged|colours of the DICOM file"),
    "grey in three planes": (_grey_planes(), r"damaged|colours of the DICOM file"),
    "lossless JPEG": (compressed(JPEGLosslessSV1), "JPEG Lossless.* need another decoder"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_defects(defect: str) -> None:
    ds, reason = DEFECTS[defect]
    with pytest.raises(ImageError, match=reason) as caught:
        read_image(encoded(ds), name="scan")
    assert caught.value.message.startswith("scan: ")
    assert caught.value.fix


def test_messages_and_logs_never_quote_a_tag(caplog: pytest.LogCaptureFixture) -> None:
    data = encoded(dicom(CT, WindowCenter="12345", WindowWidth="67890", PatientName="Secret^Name"))
    data = data.replace(b"12345 ", b"Secret").replace(b"67890 ", b"Secret")
    assert b"\0Secret" in data
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError) as caught:
            read_image(data)
    assert "Secret" not in str(caught.value) + caplog.text
    assert caught.value.__cause__ is None


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__
    monkeypatch.setattr(
        "importlib.import_module", lambda name: real("no_such_package_at_all") if name == "pydicom" else real(name)
    )
    with pytest.raises(SettingsError, match="needs the package pydicom") as caught:
        read_image(encoded(dicom(CT)))
    assert "everygroup[dicom]" in caught.value.fix


SAMPLES = [
    encoded(dicom(CT, RescaleSlope=1, RescaleIntercept=-5, WindowCenter=[40, 1], WindowWidth=[400, 2])),
    encoded(dicom(RGB, PhotometricInterpretation="RGB")),
    encoded(compressed(JPEGBaseline8Bit)),
    encoded(compressed(RLELossless)),
    encoded(dicom(X_RAY, syntax=DeflatedExplicitVRLittleEndian)),
    encoded(dicom(X_RAY, VOILUTSequence=[lookup(0, np.arange(256, dtype=np.uint16), 8)])),
]


@settings(max_examples=150)
@given(
    st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(132, 5000), st.integers(0, 255)), max_size=6), st.data()
)
def test_damaged_files_give_an_image_or_an_image_error(
    sample: bytes, flips: list[tuple[int, int]], data: st.DataObject
) -> None:
    damaged = bytearray(sample)
    for at, value in flips:
        damaged[132 + (at - 132) % (len(damaged) - 132)] = value
    damaged = damaged[: data.draw(st.integers(132, len(damaged)))]
    try:
        assert read_image(bytes(damaged), image_size=8).shape == (8, 8, 3)
    except ImageError as error:
        assert error.message


@pytest.mark.parametrize("sample", range(len(SAMPLES)))
def test_truncated_pixels_are_an_error(sample: int) -> None:
    """However much of the pixels is lacking, no picture is made of the rest."""
    data = SAMPLES[sample]
    for keep in (len(data) // 4, len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(ImageError):
            read_image(data[:keep])


def test_zlib_noise_after_the_deflated_header() -> None:
    start = SAMPLES[4].index(b"1.2.840.10008.1.2.1.99")
    with pytest.raises(ImageError, match="damaged"):
        read_image(SAMPLES[4][: start + 400] + zlib.compress(b"noise" * 50))
    assert pydicom.dcmread(io.BytesIO(SAMPLES[4])).Rows == 12
