"""The stored values of one frame of a DICOM file, and what of them is padding."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from everygroup.errors import ImageError
from everygroup.imaging._guard import extra_package
from everygroup.imaging._reference import Part

FIX = "replace or remove the file, or leave such rows out with --on-bad-image skip"
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")

_RLE = "1.2.840.10008.1.2.5"
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # SOF of JPEG (ITU T.81) and JPEG-LS (T.87)
_NEEDED = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
)
_OVERLAY_GROUPS = range(0x6000, 0x6020, 2)


@dataclass(frozen=True)
class Frame:
    """One frame, decoded.

    Attributes
    ----------
    index : int
        Counted from 0.
    values : ndarray of integers, (H, W) or (H, W, 3)
        Stored values of grey and palette frames; colours as RGB.
    low, high : int
        What the stored bits can hold.
    padding : ndarray of bool, (H, W)
        Pixels that are no part of the picture; of grey frames only.
    """

    index: int
    values: np.ndarray
    low: int
    high: int
    padding: np.ndarray


@dataclass(frozen=True)
class _Bits:
    """Where the stored bits lie in the allocated ones (PS3.5, 8.1.1)."""

    allocated: int
    stored: int
    shift: int
    signed: bool

    @property
    def low(self) -> int:
        return -(2 ** (self.stored - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        return 2 ** (self.stored - 1) - 1 if self.signed else 2**self.stored - 1

    def cut_out(self, words: np.ndarray) -> np.ndarray:
        """Words as allocated (unsigned) -> stored values; whatever the bits above and below hold is no pixel."""
        values = ((words >> self.shift) & (2**self.stored - 1)).astype(np.int64 if self.stored > 31 else np.int32)
        sign = 2 ** (self.stored - 1) if self.signed else 0
        return (values ^ sign) - sign


def one_frame(ds: Any, part: Part, label: str, max_pixels: int) -> Frame:
    """Check the header, then decode.

    Raises
    ------
    ImageError
        If there is no such frame, or its pixels cannot be read.
    """
    if "PixelData" not in ds:
        floats = "FloatPixelData" in ds or "DoubleFloatPixelData" in ds
        what = "floating-point pixels, whose scale is not known" if floats else "no pixels (a report or an index?)"
        raise ImageError(f"{label}: the DICOM file holds {what}.", fix=FIX)
    if lacking := [name for name in _NEEDED if ds.get(name) is None]:
        raise ImageError(f"{label}: the DICOM file lacks {', '.join(lacking)}.", fix=FIX)
    rows, columns = int(ds.Rows), int(ds.Columns)
    if rows < 1 or columns < 1:
        raise ImageError(f"{label}: the DICOM file holds no pixels ({columns} x {rows}).", fix=FIX)
    _check_size(columns, rows, label, max_pixels)
    n_frames = int(ds.get("NumberOfFrames") or 1)
    if part.number is None and n_frames > 1:
        raise ImageError(
            f"{label}: holds {n_frames} frames where one image is expected.",
            fix=f"name one in the table, as in scan.dcm#12 (1 to {n_frames})",
        )
    number = 1 if part.number is None else part.number
    if not 1 <= number <= n_frames:
        raise ImageError(f"{label}: there is no frame {number}.", fix=f"frames are counted from 1 to {n_frames}")
    bits = _bits(ds, label)
    _refuse_overlay_among_pixels(ds, bits, label)
    return _frame(ds, number - 1, _decode(ds, number - 1, n_frames, label, max_pixels), bits, label)


def _bits(ds: Any, label: str) -> _Bits:
    allocated, stored = int(ds.BitsAllocated), int(ds.BitsStored)
    if allocated not in (1, 8, 16, 32):
        raise ImageError(
            f"{label}: its pixels are packed into {allocated} bits each, a retired layout that is not read.", fix=FIX
        )
    high = stored - 1 if ds.get("HighBit") is None else int(ds.HighBit)
    if not 1 <= stored <= high + 1 <= allocated:
        raise ImageError(
            f"{label}: BitsAllocated {allocated}, BitsStored {stored} and HighBit {high} contradict each other.",
            fix=FIX,
        )
    signed = int(ds.PixelRepresentation) == 1
    return _Bits(allocated, stored, high + 1 - stored, signed)


def _refuse_overlay_among_pixels(ds: Any, bits: _Bits, label: str) -> None:
    """Refuse an overlay of old (PS3.3-2004, C.9.2) in bits that are said to be stored: neither can be told apart."""
    for group in _OVERLAY_GROUPS:
        allocated, at = (ds.get((group, element)) for element in (0x0100, 0x0102))
        if allocated is None or at is None or (group, 0x3000) in ds or int(allocated.value) != bits.allocated:
            continue
        if bits.allocated > 1 and bits.shift <= int(at.value) < bits.shift + bits.stored:
            raise ImageError(f"{label}: an overlay lies in bits that are said to be pixels, a retired layout.", fix=FIX)


def _frame(ds: Any, index: int, decoded: np.ndarray, bits: _Bits, label: str) -> Frame:
    if decoded.ndim != 2:
        if bits.shift:
            raise ImageError(f"{label}: the bits of its colours are laid out in a way that is not read.", fix=FIX)
        return Frame(index, decoded, bits.low, bits.high, np.zeros(decoded.shape[:2], dtype=bool))
    words = decoded.astype(np.uint32) & (2**bits.allocated - 1)
    if _is_jpeg(ds):  # has its own precision, and no bits around it
        values = decoded
        if values.min() < bits.low or values.max() > bits.high:
            raise ImageError(f"{label}: its compressed pixels exceed the {bits.stored} bits of BitsStored.", fix=FIX)
    else:
        values = bits.cut_out(words)
        _refuse_cut_off(words, values, bits, label)
    return Frame(index, values, bits.low, bits.high, _padding(ds, values, words, bits))


def _refuse_cut_off(words: np.ndarray, values: np.ndarray, bits: _Bits, label: str) -> None:
    """Refuse pixels that need more bits than are said to be stored: without the upper ones they would be garbled.

    Old overlays and rubbish lie in upper bits, too. Neighbours whose upper bits differ tell which: the upper bits are
    part of the pixel if neighbours are nearer to each other with them than without.
    """
    beside = words >> (bits.shift + bits.stored)
    if (beside == beside.flat[0]).all():
        return
    upper = words >> (bits.shift + bits.stored - bits.signed)  # with the sign, which such pixels run into
    sign = 2 ** (bits.allocated - 1) if bits.signed else 0
    whole = ((words.astype(np.int64) ^ sign) - sign) >> bits.shift
    steps = [
        np.abs(np.diff(v.astype(np.int64), axis=axis))[np.diff(upper.astype(np.int64), axis=axis) != 0].sum()
        for v in (whole, values)
        for axis in (0, 1)
    ]
    if sum(steps[:2]) < 0.5 * sum(steps[2:]):
        raise ImageError(
            f"{label}: its pixels need more than the {bits.stored} bits that BitsStored tells of.", fix=FIX
        )


def _is_jpeg(ds: Any) -> bool:
    syntax = ds.file_meta.TransferSyntaxUID
    return bool(syntax.is_encapsulated) and syntax != _RLE


def _padding(ds: Any, values: np.ndarray, words: np.ndarray, bits: _Bits) -> np.ndarray:
    """Tell which pixels are padding: those of one value, or between two (PS3.3, C.7.5.1.1.2).

    The value may be written as if it had the other sign, and may lie outside the stored bits.
    """
    value, limit = ds.get("PixelPaddingValue"), ds.get("PixelPaddingRangeLimit")
    if value is None:
        return np.zeros(values.shape, dtype=bool)
    ends = np.array([int(value), int(value if limit is None else limit)]) & (2**bits.allocated - 1)
    padding = np.isin(words, ends)
    sign = 2 ** (bits.allocated - 1) if bits.signed else 0
    first, last = sorted((ends ^ sign) - sign)
    return padding | ((values >= first) & (values <= last))


def _decode(ds: Any, frame: int, n_frames: int, label: str, max_pixels: int) -> np.ndarray:
    pixels = extra_package("pydicom.pixels", "dicom", "DICOM files")
    encaps = extra_package("pydicom.encaps", "dicom", "DICOM files")
    syntax = ds.file_meta.TransferSyntaxUID
    try:
        decoder = pixels.get_decoder(syntax)
    except NotImplementedError:
        raise ImageError(f"{label}: the compression of its pixels is not known.", fix=FIX) from None
    if syntax.is_encapsulated:
        encoded = encaps.get_frame(ds.PixelData, frame, number_of_frames=n_frames)
        if (size := _own_size(encoded)) is not None:  # the tags may belittle it
            _check_size(*size, label, max_pixels)
        if not decoder.is_available:
            raise ImageError(
                f"{label}: pixels compressed as {syntax.name} need another decoder.",
                fix="pip install python-gdcm, or pylibjpeg with its plug-ins, and run again",
            )
    else:
        _refuse_left_over(ds, n_frames, label)
    colour = str(ds.PhotometricInterpretation).strip() in COLOURS
    # pydicom leaves the high bit out of account when it masks, which makes black of shifted pixels.
    return np.asarray(pixels.pixel_array(ds, index=frame, correct_unused_bits=colour))


def _refuse_left_over(ds: Any, n_frames: int, label: str) -> None:
    """Refuse pixels of at least twice the length that the tags tell: what is cut out of them would be garbled."""
    n_bits = int(ds.Rows) * int(ds.Columns) * int(ds.SamplesPerPixel) * n_frames * int(ds.BitsAllocated)
    if len(ds.PixelData) >= max(2 * math.ceil(n_bits / 8), 4):
        raise ImageError(
            f"{label}: holds at least twice the pixels that its tags tell of (BitsAllocated or NumberOfFrames?).",
            fix=FIX,
        )


def _own_size(encoded: bytes) -> tuple[int, int] | None:
    """Width and height that a JPEG, JPEG-LS or JPEG 2000 picture gives itself; None for RLE, bounded by its length."""
    if encoded[:2] != b"\xff\xd8":
        try:
            with Image.open(io.BytesIO(encoded), formats=("JPEG2000",)) as picture:
                return picture.size
        except (OSError, SyntaxError, ValueError):
            return None
    at = 2
    while at + 9 <= len(encoded) and encoded[at] == 0xFF:
        if encoded[at + 1] in _FRAME_HEADERS:
            height, width = (int.from_bytes(encoded[k : k + 2], "big") for k in (at + 5, at + 7))
            return width, height
        at += 1 if encoded[at + 1] == 0xFF else 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    return None


def _check_size(width: int, height: int, label: str, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ImageError(
            f"{label}: {width} x {height} pixels are more than the limit of {max_pixels / 1e6:g} megapixels.",
            fix="make the image smaller, or leave such rows out with --on-bad-image skip",
        )
