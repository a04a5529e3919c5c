"""One frame of a DICOM file as RGB: the grey values through the file's own window, never through its own content."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

import numpy as np

from everygroup.errors import EverygroupError, ImageError
from everygroup.imaging._dicom_brightness import to_rgb
from everygroup.imaging._dicom_pixels import FIX, one_frame
from everygroup.imaging._guard import decoder_guard, extra_package
from everygroup.imaging._reference import Part

MAGIC_AT, MAGIC = 128, b"DICM"
MAX_INFLATED = 1 << 30

_DEFLATED = "1.2.840.10008.1.2.1.99"


def is_dicom(data: bytes) -> bool:
    """Tell whether a file begins as DICOM files do."""
    return data[MAGIC_AT : MAGIC_AT + 4] == MAGIC


def read_dicom(data: bytes, part: Part, label: str, max_pixels: int) -> np.ndarray:
    """Decode one frame to RGB.

    Only the bits that are stored count: those above and below them, where files of old keep overlays, are masked.
    Stored values pass the modality LUT (or rescale slope and intercept), then the first VOI LUT, or the first window
    where there is none. Without either, black is the least and white the largest value that the stored bits can hold,
    after rescaling: one rule for all files of a kind, whatever a picture shows, so that an outlier never decides its
    contrast. A linear window narrower than 1, for which the standard has no formula, is read as LINEAR_EXACT.
    MONOCHROME1 and the presentation LUT shape INVERSE are inverted, once. Padding (one value, or a range) is black.
    Colours of more than eight bits are divided by their range; palettes are applied. Overlays and the shape of pixels
    are not.

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
        If the file is damaged, holds no pixels or several frames of which none is named, cannot be decoded, keeps its
        pixels in a way that is not read, or comes out white all over though its values differ.
    SettingsError
        If pydicom is not installed.

    References
    ----------
    DICOM PS3.3, C.7.5.1.1.2 (padding), C.7.6.3 (pixels), C.11.1 (modality LUT), C.11.2 (VOI LUT), C.11.6 (presentation
    LUT); PS3.5, 8 and A.4 (encoding).
    """
    pydicom = extra_package("pydicom", "dicom", "DICOM files")
    if part.text and not part.text.isdecimal():
        raise ImageError(f"{label}: #{part.text} names a slice of a volume.", fix="name a frame, as in scan.dcm#12")
    try:
        _refuse_bomb(io.BytesIO(data), label)
        ds = pydicom.dcmread(io.BytesIO(data))
        frame = one_frame(ds, part, label, max_pixels)
        with np.errstate(all="ignore"):
            return to_rgb(ds, frame, label)
    except EverygroupError:
        raise
    except MemoryError:
        raise ImageError(f"{label}: the image does not fit into memory.", fix=FIX) from None
    except Exception as error:  # pydicom raises nearly every kind on damaged files; its text quotes their values
        raise ImageError(f"{label}: the DICOM file is damaged ({type(error).__name__}).", fix=FIX) from None


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
            raise ImageError(f"{label}: the DICOM file is damaged ({type(error).__name__}).", fix=FIX) from None
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
        raise ImageError(f"{label}: unpacks to more than {MAX_INFLATED >> 20} MiB.", fix=FIX)
