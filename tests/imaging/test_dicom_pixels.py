"""Bits, padding and polarity of DICOM pixels against the formulae of PS3.3 C.7.5.1.1.2, C.11 and PS3.5 8.1.1."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from everygroup.errors import ImageError
from everygroup.imaging import read_image

from .dicom_files import dicom, encoded

RAMP = np.linspace(0, 4095, 64).round().astype(np.uint16).reshape(8, 8)
TWELVE = np.round(RAMP / 4095 * 255)


def grey(ds: Dataset, **options: Any) -> np.ndarray:
    return read_image(encoded(ds), **options)[..., 0].astype(int)


def with_high_bit(words: np.ndarray, stored: int, high: int, **tags: Any) -> Dataset:
    ds = dicom(words, BitsStored=stored, **tags)
    ds.HighBit = high
    return ds


def linear(x: np.ndarray, centre: float, width: float) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1, for an output of 0 to 255."""
    return np.round(255 * np.clip((x - (centre - 0.5)) / (width - 1) + 0.5, 0, 1))


# ---- bits -----------------------------------------------------------------------------------------------------------


@given(
    stored=st.integers(2, 16),
    shift=st.integers(0, 14),
    signed=st.booleans(),
    noise=st.integers(0, 2**16 - 1),
    rle=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_bits_beside_the_stored_ones_are_no_pixels(
    stored: int, shift: int, signed: bool, noise: int, rle: bool
) -> None:
    """Any place of the stored bits, any rubbish around them: the picture is that of clean pixels."""
    shift = min(shift, 16 - stored)
    low, high = (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if signed else (0, 2**stored - 1)
    values = np.linspace(low, high, 64).round().astype(np.int64).reshape(8, 8)
    mask = (2**stored - 1) << shift
    words = ((values << shift) & mask | (noise & ~mask & 0xFFFF)).astype(np.uint16)
    ds = dicom(words)
    if rle:  # all sixteen bits, as old devices wrote them
        ds.compress(RLELossless, generate_instance_uid=False)
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = stored, stored + shift - 1, int(signed)
    np.testing.assert_array_equal(grey(ds), np.round((values - low) / (high - low) * 255))


def test_old_overlays() -> None:
    ds = dicom((RAMP | 0x8000).astype(np.uint16), BitsStored=12)
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", 15)
    np.testing.assert_array_equal(grey(ds), TWELVE)
    ds[0x60000102].value = 11
    with pytest.raises(ImageError, match="an overlay lies in bits that are said to be pixels"):
        read_image(encoded(ds))
    ds.add_new(0x60003000, "OW", b"\0" * 8)  # an overlay with data of its own does not lie in the pixels
    np.testing.assert_array_equal(grey(ds), TWELVE)


@pytest.mark.parametrize(("low", "high", "signed"), [(0, 65535, 0), (0, 8191, 0), (-4000, 4000, 1), (-2049, 3000, 1)])
def test_pixels_of_more_bits_than_are_said_to_be_stored_are_refused(low: int, high: int, signed: int) -> None:
    values = np.linspace(low, high, 64 * 64).round().astype(np.int64).reshape(64, 64)
    words = (values & 0xFFFF).astype(np.uint16)
    with pytest.raises(ImageError, match="its pixels need more than the 12 bits that BitsStored tells of"):
        read_image(encoded(dicom(words, BitsStored=12, HighBit=11, PixelRepresentation=signed)))


def test_an_overlay_or_a_sign_above_the_stored_bits_is_no_pixel() -> None:
    values = np.linspace(0, 4095, 64 * 64).round().astype(np.uint16).reshape(64, 64)
    want = np.round(values / 4095 * 255)
    drawn = values.copy()
    drawn[20:30, 20:30] |= 0x1000  # right above the twelve bits
    drawn[5:60:3] |= 0x4000
    np.testing.assert_array_equal(grey(dicom(drawn, BitsStored=12, HighBit=11)), want)
    signed = (values.astype(np.int64) - 2048) & 0xFFFF
    tags = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1}
    for words in (signed, signed & 0x0FFF, np.where(values > 4000, 0x0800, signed & 0x0FFF)):
        grey(dicom(words.astype(np.uint16), **tags))


def test_layouts_that_cannot_be_read_are_told_apart() -> None:
    packed = dicom(RAMP)
    packed.BitsAllocated, packed.BitsStored, packed.HighBit = 12, 12, 11
    with pytest.raises(ImageError, match="packed into 12 bits each, a retired layout"):
        read_image(encoded(packed))
    for stored, high in ((12, 10), (12, 16), (17, 16)):
        with pytest.raises(ImageError, match="contradict each other"):
            read_image(encoded(with_high_bit(RAMP, stored, high)))
    bytes_of_words = dicom(RAMP)
    bytes_of_words.BitsAllocated = bytes_of_words.BitsStored = 8
    bytes_of_words.HighBit = 7
    bytes_of_words["PixelData"].VR = "OW"
    with pytest.raises(ImageError, match="at least twice the pixels that its tags tell of"):
        read_image(encoded(bytes_of_words))
    frames = dicom(np.stack([RAMP, RAMP]))
    del frames.NumberOfFrames
    with pytest.raises(ImageError, match="at least twice the pixels"):
        read_image(encoded(frames))
    lacking = dicom(RAMP)
    del lacking.PixelRepresentation, lacking.BitsStored
    with pytest.raises(ImageError, match="lacks BitsStored, PixelRepresentation"):
        read_image(encoded(lacking))
    colours = dicom(np.zeros((4, 4, 3), np.uint16), PhotometricInterpretation="RGB", BitsStored=12)
    colours.HighBit = 15
    with pytest.raises(ImageError, match="colours are laid out in a way that is not read"):
        read_image(encoded(colours))


def test_compressed_pixels_have_their_own_precision() -> None:
    stream = io.BytesIO()
    eight = (RAMP // 16).astype(np.uint8)
    Image.fromarray(np.kron(eight, np.ones((8, 8), np.uint8))).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
    ds = dicom(np.zeros((64, 64), np.uint8), syntax=JPEG2000Lossless)
    ds.PixelData = encapsulate([stream.getvalue()])
    ds["PixelData"].VR = "OB"
    np.testing.assert_array_equal(grey(ds)[::8, ::8], eight)
    ds.BitsStored, ds.HighBit = 6, 5
    with pytest.raises(ImageError, match="exceed the 6 bits of BitsStored"):
        read_image(encoded(ds))


def test_damaged_jpeg_ls_is_an_error() -> None:
    ds = dicom(RAMP, BitsStored=12, syntax=JPEGLSLossless)
    ds.PixelData = encapsulate([b"\xff\xd8\xff\xf7\x00\x0b\x0c\x00\x08\x00\x08\x01\x01\x11\x00\xff\xd9"])
    ds["PixelData"].VR = "OB"
    with pytest.raises(ImageError, match=r"JPEG-LS.* need another decoder|damaged"):
        read_image(encoded(ds))


# ---- padding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 2048, "WindowWidth": 4096}])
@pytest.mark.parametrize("padding", [0, 4095])
def test_padding_is_black(kind: str, window: dict[str, float], padding: int) -> None:
    around = np.where(RAMP < 500, padding, RAMP).astype(np.uint16)
    ds = dicom(around, BitsStored=12, PhotometricInterpretation=kind, PixelPaddingValue=padding, **window)
    bright = linear(around, 2048, 4096) if window else np.round(around / 4095 * 255)
    bright = 255 - bright if kind == "MONOCHROME1" else bright
    expected = np.where(around == padding, 0, bright)
    np.testing.assert_array_equal(grey(ds), expected)
    assert (expected == 0).sum() > 5 and len(np.unique(expected)) > 50


@pytest.mark.parametrize(("first", "last"), [(0, 700), (700, 0)])
def test_padding_may_be_a_range(first: int, last: int) -> None:
    ds = dicom(RAMP, BitsStored=12, PhotometricInterpretation="MONOCHROME1")
    ds.PixelPaddingValue, ds.PixelPaddingRangeLimit = first, last
    np.testing.assert_array_equal(grey(ds), np.where(RAMP <= 700, 0, 255 - TWELVE))


@pytest.mark.parametrize(("value", "vr"), [(-2000, "SS"), (63536, "US")])
def test_padding_of_signed_pixels_written_with_either_sign(value: int, vr: str) -> None:
    values = np.where(RAMP < 500, -2000, RAMP.astype(int) - 1024).astype(np.int16)
    window = {"WindowCenter": 40, "WindowWidth": 4000, "RescaleSlope": 1, "RescaleIntercept": 0}
    ds = dicom(values, PhotometricInterpretation="MONOCHROME1", **window)
    ds.add_new(0x00280120, vr, value)
    np.testing.assert_array_equal(grey(ds), np.where(values == -2000, 0, 255 - linear(values, 40, 4000)))


def test_padding_outside_the_stored_bits() -> None:
    words = np.where(RAMP < 500, 0xF830, RAMP).astype(np.uint16)  # -2000, where twelve bits without sign are stored
    ds = dicom(words, BitsStored=12, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0xF830)
    np.testing.assert_array_equal(grey(ds), np.where(RAMP < 500, 0, 255 - TWELVE))


def test_padding_alone_is_a_black_picture() -> None:
    ds = dicom(np.full((4, 4), 9, np.uint16), PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=9)
    assert not grey(ds).any()


# ---- polarity, windows, white pictures ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "shape", "inverted"),
    [
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", "INVERSE", True),  # as digital X-ray writes it: one inversion, not two
        ("MONOCHROME1", "", True),
    ],
)
def test_polarity(kind: str, shape: str, inverted: bool) -> None:
    ds = dicom(RAMP, BitsStored=12, PhotometricInterpretation=kind, PresentationLUTShape=shape)
    np.testing.assert_array_equal(grey(ds), 255 - TWELVE if inverted else TWELVE)


def test_a_linear_window_narrower_than_one_is_exact() -> None:
    ds = dicom(RAMP, RescaleSlope=0.0001, RescaleIntercept=0, WindowCenter=0.2, WindowWidth=0.4)
    np.testing.assert_allclose(grey(ds), 255 * np.clip((RAMP * 0.0001 - 0.2) / 0.4 + 0.5, 0, 1), atol=0.51)


@pytest.mark.parametrize(("kind", "centre"), [("MONOCHROME2", -9000), ("MONOCHROME1", 9000)])
def test_a_picture_that_comes_out_white_is_refused(kind: str, centre: float) -> None:
    window = {"WindowCenter": centre, "WindowWidth": 400, "PixelPaddingValue": 0}
    ds = dicom(RAMP, BitsStored=12, PhotometricInterpretation=kind, **window)
    with pytest.raises(ImageError, match="makes the whole picture white, though its values differ"):
        read_image(encoded(ds))
    constant = dicom(np.full_like(RAMP, 7), BitsStored=12, PhotometricInterpretation=kind, **window)
    assert (grey(constant) == 255).all(), "a picture of one value may be white"


def test_frames_are_read_one_by_one() -> None:
    ds = dicom(np.stack([RAMP, RAMP[::-1]]), BitsStored=12)
    np.testing.assert_array_equal(grey(ds, part="1"), TWELVE)
    np.testing.assert_array_equal(grey(ds, part="2"), TWELVE[::-1])
    with pytest.raises(ImageError, match="holds 2 frames"):
        read_image(encoded(ds))
