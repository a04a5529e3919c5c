"""One frame of a DICOM file as RGB: the grey values through the file's own window, never through its own content."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

import numpy as np
from PIL import Image

from everygroup.errors import EverygroupError, ImageError
from everygroup.imaging._guard import decoder_guard, extra_package
from everygroup.imaging._reference import Part

MAGIC_AT, MAGIC = 128, b"DICM"
MAX_INFLATED = 1 << 30

_FIX = "replace or remove the file, or leave such rows out with --on-bad-image skip"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # SOF of JPEG (ITU T.81) and JPEG-LS (T.87)
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_GREYS = ("MONOCHROME1", "MONOCHROME2")
_PALETTE = "PALETTE COLOR"
_RESCALE = ("RescaleSlope", "RescaleIntercept")
_WINDOW = ("WindowCenter", "WindowWidth", "VOILUTFunction")


def is_dicom(data: bytes) -> bool:
    """Tell whether a file begins as DICOM files do."""
    return data[MAGIC_AT : MAGIC_AT + 4] == MAGIC


def read_dicom(data: bytes, part: Part, label: str, max_pixels: int) -> np.ndarray:
    """Decode one frame to RGB.

    Stored values pass the modality LUT (or rescale slope and intercept), then the first VOI LUT, or the first window
    where there is none. Without either, black is the least and white the largest value that the stored bits can hold,
    after rescaling: one rule for all files of a kind, whatever a picture shows, so that an outlier never decides its
    contrast. MONOCHROME1 is inverted. Colours of more than eight bits are divided by their range; palettes are applied.
    Overlays and the shape of pixels are not.

    Messages never quote the value of a tag, which may be a patient's name.

    Parameters
    ----------
    data : bytes
        The file.
    part : Part
        Its number is the frame, counted from 1 as the standard does.
    label : str
        What to call the file in messages.
    max_pixels : int
        Larger frames are refused before they are decoded.

    Returns
    -------
    ndarray of uint8, (Rows, Columns, 3)

    Raises
    ------
    ImageError
        If the file is damaged, holds no pixels or several frames of which none is named, or cannot be decoded.
    SettingsError
        If pydicom is not installed.

    References
    ----------
    DICOM PS3.3, C.7.6.3 (pixels), C.11.1 (modality LUT), C.11.2 (VOI LUT); PS3.5, 8 and A.4 (encoding).
    """
    pydicom = extra_package("pydicom", "dicom", "DICOM files")
    if part.text and not part.text.isdecimal():
        raise ImageError(f"{label}: #{part.text} names a slice of a volume.", fix="name a frame, as in scan.dcm#12")
    try:
        _refuse_bomb(io.BytesIO(data), label)
        ds = pydicom.dcmread(io.BytesIO(data))
        frame, values = _one_frame(ds, part, label, max_pixels)
        with np.errstate(all="ignore"):
            return _to_rgb(ds, frame, values, label)
    except EverygroupError:
        raise
    except MemoryError:
        raise ImageError(f"{label}: the image does not fit into memory.", fix=_FIX) from None
    except Exception as error:  # pydicom raises nearly every kind on damaged files; its text quotes their values
        raise ImageError(f"{label}: the DICOM file is damaged ({type(error).__name__}).", fix=_FIX) from None


def read_tags(stream: IO[bytes], keywords: Sequence[str], label: str) -> dict[str, Any]:
    """Read the values of these tags, and no pixels; tags that are lacking, empty or damaged are left out.

    Raises
    ------
    ImageError
        If the file as a whole cannot be read.
    SettingsError
        If pydicom is not installed.
    """
    pydicom = extra_package("pydicom", "dicom", "DICOM files")
    values: dict[str, Any] = {}
    with decoder_guard():
        try:
            _refuse_bomb(stream, label)
            stream.seek(0)
            ds = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(keywords))
        except ImageError:
            raise
        except Exception as error:  # as in read_dicom
            raise ImageError(f"{label}: the DICOM file is damaged ({type(error).__name__}).", fix=_FIX) from None
        for keyword in keywords:
            with suppress(Exception):  # one damaged tag does not harm the others
                value = ds.get(keyword)
                if value is not None and value != "":
                    values[keyword] = value
    return values


def _refuse_bomb(stream: IO[bytes], label: str) -> None:
    """Refuse a deflated data set that would fill the memory: pydicom unpacks it whole."""
    reader = extra_package("pydicom.filereader", "dicom", "DICOM files")
    stream.seek(MAGIC_AT + len(MAGIC))
    meta = reader.read_dataset(stream, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    if meta.get("TransferSyntaxUID") != _DEFLATED:
        return
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    unpacker.decompress(stream.read(), MAX_INFLATED)
    if unpacker.unconsumed_tail:
        raise ImageError(f"{label}: unpacks to more than {MAX_INFLATED >> 20} MiB.", fix=_FIX)


def _one_frame(ds: Any, part: Part, label: str, max_pixels: int) -> tuple[int, np.ndarray]:
    """Check the header, then decode: (index of the frame, stored values (H, W) or (H, W, 3))."""
    if "PixelData" not in ds:
        floats = "FloatPixelData" in ds or "DoubleFloatPixelData" in ds
        what = "floating-point pixels, whose scale is not known" if floats else "no pixels (a report or an index?)"
        raise ImageError(f"{label}: the DICOM file holds {what}.", fix=_FIX)
    rows, columns = int(ds.Rows), int(ds.Columns)
    if rows < 1 or columns < 1:
        raise ImageError(f"{label}: the DICOM file holds no pixels ({columns} x {rows}).", fix=_FIX)
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
    return number - 1, _decode(ds, number - 1, n_frames, label, max_pixels)


def _decode(ds: Any, frame: int, n_frames: int, label: str, max_pixels: int) -> np.ndarray:
    pixels = extra_package("pydicom.pixels", "dicom", "DICOM files")
    encaps = extra_package("pydicom.encaps", "dicom", "DICOM files")
    syntax = ds.file_meta.TransferSyntaxUID
    try:
        decoder = pixels.get_decoder(syntax)
    except NotImplementedError:
        raise ImageError(f"{label}: the compression of its pixels is not known.", fix=_FIX) from None
    if syntax.is_encapsulated:
        encoded = encaps.get_frame(ds.PixelData, frame, number_of_frames=n_frames)
        if (size := _own_size(encoded)) is not None:  # the tags may belittle it
            _check_size(*size, label, max_pixels)
        if not decoder.is_available:
            raise ImageError(
                f"{label}: pixels compressed as {syntax.name} need another decoder.",
                fix="pip install python-gdcm, or pylibjpeg with its plug-ins, and run again",
            )
    return np.asarray(pixels.pixel_array(ds, index=frame))


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


def _to_rgb(ds: Any, frame: int, values: np.ndarray, label: str) -> np.ndarray:
    kind = str(ds.PhotometricInterpretation).strip()
    if kind in _GREYS and values.ndim == 2:
        grey = _grey(ds, frame, values, label)
        return np.repeat((255 - grey if kind == "MONOCHROME1" else grey)[..., None], 3, axis=-1)
    if kind == _PALETTE and values.ndim == 2:
        return _through_palette(ds, values, label)
    if kind in _COLOURS and values.ndim == 3 and values.shape[2] == 3:
        if values.dtype == np.uint8:
            return values
        return _eight_bits(values / (2 ** int(ds.BitsStored) - 1))
    raise ImageError(f"{label}: the colours of the DICOM file are of a kind that is not read.", fix=_FIX)


def _eight_bits(brightness: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(brightness, 0, 1)).astype(np.uint8)


def _grey(ds: Any, frame: int, values: np.ndarray, label: str) -> np.ndarray:
    """Stored values -> grey, uint8."""
    signed, bits = int(ds.PixelRepresentation) == 1, int(ds.BitsStored)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    values = np.clip(values, low, high)  # bits above those stored may hold overlays
    if bits > 16:
        return _eight_bits(_brightness(ds, frame, values.astype(float), low, high, label))
    possible = _brightness(ds, frame, np.arange(low, high + 1, dtype=float), low, high, label)
    return _eight_bits(possible)[values.astype(np.int32) - low]


def _brightness(ds: Any, frame: int, x: np.ndarray, low: int, high: int, label: str) -> np.ndarray:
    """Stored values that may lie between low and high -> brightness, black 0 and white 1."""
    ends = np.array([low, high], dtype=float)
    slope, intercept = (_nested(ds, frame, "PixelValueTransformationSequence", name) for name in _RESCALE)
    if ds.get("ModalityLUTSequence"):
        x, top = _look_up(ds, ds.ModalityLUTSequence[0], x, signed=low < 0)
        ends = np.array([0.0, top])
    elif slope is not None and intercept is not None:
        x, ends = x * float(slope) + float(intercept), ends * float(slope) + float(intercept)
    if not np.isfinite(ends).all() or ends[0] == ends[1]:
        raise ImageError(f"{label}: the rescale slope and intercept are impossible.", fix=_FIX)
    if ds.get("VOILUTSequence"):
        x, top = _look_up(ds, ds.VOILUTSequence[0], x, signed=bool(ends.min() < 0))
        return x / top
    centre, width, function = (_nested(ds, frame, "FrameVOILUTSequence", name) for name in _WINDOW)
    centre, width = _first(centre), _first(width)
    if centre is None or width is None:
        return (x - ends.min()) / np.ptp(ends)
    return _window(x, float(centre), float(width), str(function or "LINEAR").strip().upper(), label)


def _window(x: np.ndarray, centre: float, width: float, function: str, label: str) -> np.ndarray:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3: black is 0 and white 1; what lies outside is clipped later."""
    least = 1 if function == "LINEAR" else 0
    if not np.isfinite([centre, width]).all() or width < least or width == 0:
        raise ImageError(f"{label}: the width of the window is impossible.", fix=_FIX)
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (x - centre) / width))
    if function == "LINEAR_EXACT":
        return (x - centre) / width + 0.5
    if width == 1:
        return (x > centre - 0.5).astype(float)
    return (x - (centre - 0.5)) / (width - 1) + 0.5


def _nested(ds: Any, frame: int, sequence: str, name: str) -> Any:
    """Find a tag of the image, of this frame, or of all frames, as enhanced files keep them."""
    groups = []
    if per_frame := ds.get("PerFrameFunctionalGroupsSequence"):
        groups.append(per_frame[frame])
    if shared := ds.get("SharedFunctionalGroupsSequence"):
        groups.append(shared[0])
    for group in groups:
        if (items := group.get(sequence)) and items[0].get(name) is not None:
            return items[0].get(name)
    return ds.get(name)


def _first(value: Any) -> Any:
    """Return the first of several values, None for an empty tag."""
    if value is None or isinstance(value, (str, int, float)):
        return value or (value if value == 0 else None)
    return value[0] if len(value) else None


def _look_up(ds: Any, item: Any, x: np.ndarray, *, signed: bool) -> tuple[np.ndarray, float]:
    """Pass values through a lookup table: (values, largest value its bits can hold)."""
    n, first, bits = _descriptor(item.LUTDescriptor, signed=signed)
    if isinstance(item.LUTData, bytes):
        table = np.frombuffer(item.LUTData, _word(ds), count=n)
    else:
        table = np.atleast_1d(np.asarray(item.LUTData))[:n]
    at = np.clip(np.floor(x) - first, 0, len(table) - 1).astype(np.intp)
    return np.clip(table[at].astype(float), 0, 2**bits - 1), float(2**bits - 1)


def _through_palette(ds: Any, values: np.ndarray, label: str) -> np.ndarray:
    if "RedPaletteColorLookupTableData" not in ds:
        raise ImageError(f"{label}: its palette is of a kind that is not read (segmented or supplemental).", fix=_FIX)
    n, first, bits = _descriptor(ds.RedPaletteColorLookupTableDescriptor, signed=int(ds.PixelRepresentation) == 1)
    at = np.clip(values.astype(np.int64) - first, 0, n - 1)
    channels = []
    for colour in ("Red", "Green", "Blue"):
        data = ds[f"{colour}PaletteColorLookupTableData"].value
        wide = len(data) >= 2 * n  # eight-bit entries may be packed, or stand in words
        table = np.frombuffer(data, _word(ds) if wide else np.uint8, count=n)
        channels.append(_eight_bits(table / (2**bits - 1))[at])
    return np.stack(channels, axis=-1)


def _descriptor(value: Any, *, signed: bool) -> tuple[int, int, int]:
    """Entries, first value mapped and bits of a lookup table; 0 entries stand for 65536."""
    n, first, bits = (int(v) for v in value)
    if not 1 <= bits <= 16:
        raise ValueError("bits of a lookup table")
    return n or 1 << 16, first - (1 << 16) if signed and first >= 1 << 15 else first, bits


def _word(ds: Any) -> np.dtype[Any]:
    return np.dtype(">u2" if ds.file_meta.TransferSyntaxUID == _BIG_ENDIAN else "<u2")
