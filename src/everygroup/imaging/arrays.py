"""Images stored as arrays: `data_00001.npz#slo_fundus` (numpy), `dataset.hdf5#image[17]` (HDF5) in a table.

A source hands such an array on as a PNG file of the same pixels, so that it is read, checked and resized by the one
path that all images take. No pickle is read.
"""

from __future__ import annotations

import io
import math
import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from everygroup.errors import ImageError, SettingsError

ARRAY_SUFFIXES = (".npz", ".npy", ".hdf5", ".h5")
MAX_ARRAY_BYTES = 1 << 30
# What numpy, zipfile and h5py raise on damaged files.
DAMAGED = (
    OSError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_MEMBER = re.compile(
    r"(?P<path>.+\.(?:npz|npy|hdf5|h5))(?:#(?P<key>[^#@\[\]]+)(?:\[(?P<index>\d+)\])?)?"
    r"(?:@(?P<low>-?[\d.]+):(?P<high>-?[\d.]+))?",
    re.IGNORECASE,
)
_FIX = "name it as FILE.npz#KEY (FILE.hdf5#KEY[17] for one of a stack); add @LOW:HIGH for one window for all images"


@dataclass(frozen=True)
class ArrayName:
    """Which array of which file an image is.

    Attributes
    ----------
    path : str
        The file.
    key : str
        Name of the array in it; empty for its only one.
    index : int or None
        Position in a stack of images, counted from 0.
    window : (float, float) or None
        Values that become black and white; needed where the array's own scale is not that of an image.
    """

    path: str
    key: str = ""
    index: int | None = None
    window: tuple[float, float] | None = None

    def at(self, path: str) -> str:
        """Return the name of the same array in another file."""
        key = f"#{self.key}" if self.key else ""
        key += "" if self.index is None else f"[{self.index}]"
        window = "" if self.window is None else f"@{self.window[0]!r}:{self.window[1]!r}"
        return f"{path}{key}{window}"


def array_name(name: str) -> ArrayName | None:
    """Read `folder/data_00001.npz#slo_fundus` or `...npz#rnflt@0:350`; None for any other image's name."""
    match = _MEMBER.fullmatch(name)
    if match is None:
        return None
    window = None if match["low"] is None else (_number(match["low"], name), _number(match["high"], name))
    if window is not None and window[0] >= window[1]:
        raise ImageError(f"{name}: the window {window[0]:g} to {window[1]:g} is empty.", fix=_FIX)
    index = None if match["index"] is None else int(match["index"])
    return ArrayName(match["path"], match["key"] or "", index, window)


def file_of(name: str) -> str:
    """Return the file in which an image lies: `data_1.npz` for `data_1.npz#slo_fundus`, any other name as it is."""
    array = array_name(name)
    return name if array is None else array.path


def array_as_png(file: Path | BinaryIO, name: ArrayName, *, label: str) -> bytes:
    """Return an array as an encoded image.

    Unsigned 8-bit (H, W), (H, W, 1) or (H, W, 3) and 16-bit (H, W) arrays stay as they are; with a window, any
    real (H, W) array is clipped to it and scaled to 8 bits, the same way for every image.

    Parameters
    ----------
    file : Path or binary file
        The npz, npy or HDF5 file.
    name : ArrayName
        The array, and its window.
    label : str
        What to call the image in messages.

    Raises
    ------
    ImageError
        For a file that is damaged or holds Python objects, a key that is not there, and an array that is no picture.
    SettingsError
        If h5py is not installed and the file is an HDF5 file.
    """
    array = _load(file, name, label)
    if name.window is not None:
        array = _windowed(array, name.window, label)
    pixels = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    grey = pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16)
    if not pixels.size or not (grey or (pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8)):
        raise ImageError(f"{label}: an array of {array.dtype}, shape {array.shape}, is no picture.", fix=_FIX)
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", compress_level=0)
    return out.getvalue()


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ImageError(f"{name}: {text!r} is no number.", fix=_FIX) from None


def _load(file: Path | BinaryIO, name: ArrayName, label: str) -> np.ndarray:
    """Read one array; nothing else of its file is unpacked."""
    try:
        if name.path.lower().endswith((".hdf5", ".h5")):
            return _read_hdf5(file, name, label)
        if name.path.lower().endswith(".npy"):
            return _picked(_read_npy(file.open("rb") if isinstance(file, Path) else file, label), name, label)
        with zipfile.ZipFile(file) as archive:
            held = {i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")}
            key = _key(name, held, label)
            if held[key].file_size > MAX_ARRAY_BYTES:
                raise ImageError(f"{label}: unpacks to more than {MAX_ARRAY_BYTES >> 20} MiB.")
            with archive.open(held[key]) as stream:
                return _picked(_read_npy(io.BytesIO(stream.read()), label), name, label)
    except DAMAGED as error:
        raise ImageError(f"{label}: cannot be read ({error}).", fix="copy or download the file again") from error


def _key(name: ArrayName, held: Iterable[str], label: str) -> str:
    """Return the key that is meant, which may go without saying where there is one array only."""
    keys = list(held)
    key = keys[0] if not name.key and len(keys) == 1 else name.key
    if key not in keys:
        asked = f"no array {key!r}" if key else "not one array, and none is named"
        raise ImageError(f"{label}: {asked}; it holds {', '.join(keys) or 'none'}.", fix=_FIX)
    return key


def _read_npy(stream: BinaryIO, label: str) -> np.ndarray:
    with stream:
        try:
            return np.lib.format.read_array(stream, allow_pickle=False)
        except ValueError as error:
            if "Object arrays" not in str(error):
                raise
            raise ImageError(
                f"{label}: holds Python objects (pickles), which can run code when read.",
                fix="save the array again as numbers",
            ) from error


def _read_hdf5(file: Path | BinaryIO, name: ArrayName, label: str) -> np.ndarray:
    with open_hdf5(file) as held:
        hard = [key for key in held if type(held.get(key, getlink=True)).__name__ == "HardLink"]  # in this file itself
        keys = [key for key in hard if hasattr(held[key], "shape")]
        stack = held[_key(name, keys, label)]
        if stack.dtype.kind not in "uifb":
            raise ImageError(f"{label}: an array of {stack.dtype} is no picture.", fix=_FIX)
        if name.index is not None and not (stack.ndim and name.index < stack.shape[0]):
            raise ImageError(f"{label}: there is no image {name.index} among {stack.shape[:1]}.", fix=_FIX)
        if stack.dtype.itemsize * math.prod(stack.shape[0 if name.index is None else 1 :]) > MAX_ARRAY_BYTES:
            raise ImageError(f"{label}: is larger than {MAX_ARRAY_BYTES >> 20} MiB.", fix=_FIX)
        return np.asarray(stack[()] if name.index is None else stack[name.index])


def open_hdf5(file: Path | BinaryIO) -> Any:
    """Open an HDF5 file for reading; it is closed by `with`.

    Raises
    ------
    SettingsError
        If h5py is not installed.
    OSError
        If it is no HDF5 file.
    """
    try:
        import h5py
    except ImportError as error:
        raise SettingsError(
            f"{file}: HDF5 files are read with h5py, which is not installed.", fix="pip install 'everygroup[hdf5]'"
        ) from error
    return h5py.File(file, "r")


def _picked(array: np.ndarray, name: ArrayName, label: str) -> np.ndarray:
    if name.index is None:
        return array
    if not array.ndim or name.index >= len(array):
        raise ImageError(f"{label}: there is no image {name.index} among {array.shape[:1]}.", fix=_FIX)
    return array[name.index]


def _windowed(array: np.ndarray, window: tuple[float, float], label: str) -> np.ndarray:
    if array.dtype.kind not in "uifb" or not np.isfinite(array).all():
        raise ImageError(f"{label}: holds values that are no finite numbers.", fix="mend or leave out the file")
    low, high = window
    scaled = (np.clip(array.astype(np.float64), low, high) - low) / (high - low)
    return np.round(scaled * 255).astype(np.uint8)
