"""Stored values -> brightness: modality LUT, VOI LUT or window, presentation LUT shape, palettes (PS3.3, C.11)."""

from __future__ import annotations

from typing import Any

import numpy as np

from everygroup.errors import ImageError
from everygroup.imaging._dicom_pixels import COLOURS, FIX, Frame

_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_GREYS = ("MONOCHROME1", "MONOCHROME2")
_PALETTE = "PALETTE COLOR"
_RESCALE = ("RescaleSlope", "RescaleIntercept")
_WINDOW = ("WindowCenter", "WindowWidth", "VOILUTFunction")


def to_rgb(ds: Any, frame: Frame, label: str) -> np.ndarray:
    """Return the picture, uint8 (H, W, 3).

    Raises
    ------
    ImageError
        For colours, windows and rescaling that cannot be read, and for a picture that comes out white all over.
    """
    kind, values = str(ds.PhotometricInterpretation).strip(), frame.values
    if kind in _GREYS and values.ndim == 2:
        return np.repeat(_grey(ds, frame, kind, label)[..., None], 3, axis=-1)
    if kind == _PALETTE and values.ndim == 2:
        return _through_palette(ds, values, label)
    if kind in COLOURS and values.ndim == 3 and values.shape[2] == 3:
        if values.dtype == np.uint8 and frame.high == 255:
            return values
        return _eight_bits(values / frame.high)
    raise ImageError(f"{label}: the colours of the DICOM file are of a kind that is not read.", fix=FIX)


def _eight_bits(brightness: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(brightness, 0, 1)).astype(np.uint8)


def _grey(ds: Any, frame: Frame, kind: str, label: str) -> np.ndarray:
    """Stored values -> grey, uint8."""
    values, low, high = frame.values, frame.low, frame.high
    if high - low > 65535:
        grey = _eight_bits(_brightness(ds, frame, values.astype(float), label))
    else:
        possible = _brightness(ds, frame, np.arange(low, high + 1, dtype=float), label)
        grey = _eight_bits(possible)[values.astype(np.int32) - low]
    # A MONOCHROME1 file may say INVERSE as well (PS3.3, C.8.11.3): both mean the same inversion.
    if kind == "MONOCHROME1" or str(ds.get("PresentationLUTShape") or "").strip().upper() == "INVERSE":
        grey = 255 - grey
    shown = ~frame.padding
    if shown.any() and (grey[shown] == 255).all() and np.ptp(values[shown]):
        raise ImageError(
            f"{label}: its window or lookup table makes the whole picture white, though its values differ.", fix=FIX
        )
    return np.where(shown, grey, 0).astype(np.uint8)


def _brightness(ds: Any, frame: Frame, x: np.ndarray, label: str) -> np.ndarray:
    """Stored values -> brightness, black 0 and white 1."""
    ends = np.array([frame.low, frame.high], dtype=float)
    slope, intercept = (_nested(ds, frame.index, "PixelValueTransformationSequence", name) for name in _RESCALE)
    if ds.get("ModalityLUTSequence"):
        x, top = _look_up(ds, ds.ModalityLUTSequence[0], x, signed=frame.low < 0)
        ends = np.array([0.0, top])
    elif slope is not None and intercept is not None:
        x, ends = x * float(slope) + float(intercept), ends * float(slope) + float(intercept)
    if not np.isfinite(ends).all() or ends[0] == ends[1]:
        raise ImageError(f"{label}: the rescale slope and intercept are impossible.", fix=FIX)
    if ds.get("VOILUTSequence"):
        x, top = _look_up(ds, ds.VOILUTSequence[0], x, signed=bool(ends.min() < 0))
        return x / top
    centre, width, function = (_nested(ds, frame.index, "FrameVOILUTSequence", name) for name in _WINDOW)
    centre, width = _first(centre), _first(width)
    if centre is None or width is None:
        return (x - ends.min()) / np.ptp(ends)
    return _window(x, float(centre), float(width), str(function or "LINEAR").strip().upper(), label)


def _window(x: np.ndarray, centre: float, width: float, function: str, label: str) -> np.ndarray:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3: black is 0 and white 1; what lies outside is clipped later."""
    if not np.isfinite([centre, width]).all() or width <= 0:
        raise ImageError(f"{label}: the width of the window is impossible.", fix=FIX)
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (x - centre) / width))
    if function == "LINEAR_EXACT" or width < 1:  # LINEAR has no width below 1; scaled PET files write it all the same
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
        raise ImageError(f"{label}: its palette is of a kind that is not read (segmented or supplemental).", fix=FIX)
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
