"""One slice of a NIfTI or Analyze volume as RGB, in the same orientation and by the same rule for every volume."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np

from everygroup.errors import EverygroupError, ImageError
from everygroup.imaging._guard import extra_package
from everygroup.imaging._reference import Part

PERCENTILES = (1.0, 99.0)
MAX_VOLUME_BYTES = 1 << 30
MAX_VOXELS = 1 << 27  # 512 x 512 x 512

GZIP = b"\x1f\x8b"
_HEADER_BYTES = 540  # of NIfTI-2; NIfTI-1 and Analyze have 348
_FIX = "replace or remove the file, or leave such rows out with --on-bad-image skip"


def is_nifti(data: bytes) -> bool:
    """Tell whether a file, packed or not, begins as a NIfTI file with its voxels does."""
    head = _unpacked(data, _HEADER_BYTES) if data[:2] == GZIP else data[:_HEADER_BYTES]
    return _version(head) in (1, 2)


def read_nifti(data: bytes, part: Part, label: str, max_pixels: int, header: bytes | None = None) -> np.ndarray:
    """Cut one slice out of a volume.

    The volume is turned to RAS+ order first (axes to the patient's right, front and head), and the middle axial slice
    is taken unless `part` names another. In the picture the first of the two axes left runs to the right and the
    second upwards: an axial slice has the patient's front above and right side to the right. Voxels become pixels one
    to one. Black is the 1st and white the 99th percentile of the finite voxels of the whole volume (its least and
    largest value where these two are equal), so that all slices of a volume share one scale; NaN and infinite voxels
    are black.

    Parameters
    ----------
    data : bytes
        The file (.nii or .nii.gz), or the voxels of a pair (.img).
    part : Part
        Axis, position counted from 0 in RAS+ order, and volume of four-dimensional data.
    label : str
        What to call the file in messages.
    max_pixels : int
        Larger slices are refused before the voxels are unpacked.
    header : bytes, optional
        The header (.hdr) of a pair, NIfTI or Analyze.

    Returns
    -------
    ndarray of uint8, (H, W, 3)

    Raises
    ------
    ImageError
        If the file is damaged or too large, four-dimensional with no volume named, or not of real numbers.
    SettingsError
        If nibabel is not installed.

    References
    ----------
    Cox et al. A (sort of) new image data format standard: NIfTI-1. NeuroImage 2004.
    """
    array, _ = read_voxels(data, part, label, max_pixels, header)
    n = array.shape[part.axis]
    at = n // 2 if part.number is None else part.number
    if not 0 <= at < n:
        raise ImageError(f"{label}: there is no slice {at}.", fix=f"slices of axis {part.axis}: 0 to {n - 1}")
    low, high = grey_scale(array, label)
    grey = (np.rot90(array.take(at, axis=part.axis)).astype(float) - low) / (high - low)
    grey = np.round(255 * np.clip(np.where(np.isfinite(grey), grey, 0), 0, 1)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def read_voxels(
    data: bytes, part: Part, label: str, max_pixels: int, header: bytes | None = None
) -> tuple[np.ndarray, tuple[float, ...]]:
    """Return the voxels (x, y, z) in RAS+ order, as stored and scaled, and their spacing; else as `read_nifti`."""
    nib = extra_package("nibabel", "nifti", "NIfTI files")
    try:
        with np.errstate(all="ignore"):
            return _voxels(nib, data, part, label, max_pixels, header)
    except EverygroupError:
        raise
    except MemoryError:
        raise ImageError(f"{label}: the volume does not fit into memory.", fix=_FIX) from None
    except Exception as error:  # nibabel raises nearly every kind on damaged files
        raise ImageError(f"{label}: the volume is damaged ({type(error).__name__}).", fix=_FIX) from None


def _voxels(
    nib: Any, data: bytes, part: Part, label: str, max_pixels: int, header: bytes | None
) -> tuple[np.ndarray, tuple[float, ...]]:
    head = _unpacked(data if header is None else header, _HEADER_BYTES)
    kind = _class(nib, head, pair=header is not None)
    if kind is None:
        raise ImageError(f"{label}: not a NIfTI volume, or its header is damaged.", fix=_FIX)
    about = kind.header_class(head[: kind.header_class.template_dtype.itemsize], check=False)
    shape = tuple(int(n) for n in about.get_data_shape())
    needed = _check(shape, about.get_data_dtype(), part, label, max_pixels) + max(int(about.get_data_offset()), 0)
    if needed > MAX_VOLUME_BYTES:
        raise ImageError(f"{label}: unpacks to more than {MAX_VOLUME_BYTES >> 20} MiB.", fix=_FIX)
    voxels = _unpacked(data, needed)
    if len(voxels) < needed:
        raise ImageError(f"{label}: the volume is truncated ({len(voxels)} of {needed} bytes).", fix=_FIX)
    if header is None:
        image = kind.from_bytes(voxels)
    else:
        holders = {"header": head, "image": voxels, "mat": b""}  # SPM keeps an orientation in a Matlab file: not read
        image = kind.from_file_map({k: nib.FileHolder(fileobj=io.BytesIO(v)) for k, v in holders.items()})
    array = np.asanyarray(image.dataobj[..., part.volume or 0] if len(shape) == 4 else image.dataobj)
    array = array.reshape((*array.shape[:3], *[1] * (3 - array.ndim)))
    turn = nib.orientations.io_orientation(image.affine)
    spacing = np.ones(3)
    spacing[turn[:, 0].astype(int)] = np.linalg.norm(image.affine[:3, :3], axis=0)
    return nib.orientations.apply_orientation(array, turn), tuple(spacing.tolist())


def _check(shape: tuple[int, ...], dtype: np.dtype[Any], part: Part, label: str, max_pixels: int) -> int:
    """Check what the header says; return the bytes of the voxels."""
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise ImageError(f"{label}: a volume of shape {shape}.", fix="give volumes of three dimensions")
    if len(shape) == 4 and part.volume is None:
        raise ImageError(
            f"{label}: holds {shape[3]} volumes where one is expected.",
            fix="name one in the table, as in scan.nii.gz#volume=0",
        )
    if part.volume is not None and part.volume >= (shape[3] if len(shape) == 4 else 1):
        raise ImageError(f"{label}: there is no volume {part.volume}.", fix="volumes are counted from 0")
    if dtype.kind not in "iufb":
        raise ImageError(f"{label}: its voxels are no real numbers (colours or complex).", fix=_FIX)
    n_voxels = 1
    for n in shape:  # Python's integers do not overflow
        n_voxels *= n
    sides = sorted(shape[:3])
    if sides[-1] * sides[-2] > max_pixels or n_voxels > MAX_VOXELS:
        raise ImageError(
            f"{label}: {' x '.join(map(str, shape))} voxels are more than the limit of {MAX_VOXELS >> 20} x 2^20, or "
            f"{max_pixels / 1e6:g} megapixels a slice.",
            fix="make the volume smaller, or leave such rows out with --on-bad-image skip",
        )
    return n_voxels * dtype.itemsize


def grey_scale(array: np.ndarray, label: str) -> tuple[float, float]:
    """Return what becomes black and what white, see `read_nifti`."""
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array.ravel()
    if not finite.size:
        raise ImageError(f"{label}: no voxel is finite.", fix=_FIX)
    low, high = (float(q) for q in np.percentile(finite, PERCENTILES))
    if low == high:
        low, high = float(finite.min()), float(finite.max())
    return low, high if high > low else low + 1.0


def _class(nib: Any, head: bytes, *, pair: bool) -> Any:
    version = _version(head)
    if not pair:
        return {1: nib.Nifti1Image, 2: nib.Nifti2Image}.get(version)
    if version in (-1, -2):
        return nib.Nifti1Pair if version == -1 else nib.Nifti2Pair
    analyze = 348 in (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big"))
    return nib.Spm2AnalyzeImage if analyze and not version else None  # reads plain Analyze, SPM99 and SPM2 headers


def _version(head: bytes) -> int:
    """1 or 2 for NIfTI with its voxels, -1 or -2 for the header of a pair, 0 for anything else."""
    return {b"n+1\0": 1, b"ni1\0": -1}.get(head[344:348]) or {b"n+2\0": 2, b"ni2\0": -2}.get(head[4:8]) or 0


def _unpacked(data: bytes, limit: int) -> bytes:
    """Return at most `limit` bytes; never more is inflated, whatever a gzip file claims to hold."""
    if data[:2] != GZIP:
        return data[:limit]
    parts: list[bytes] = []
    while data[:2] == GZIP and limit > 0:  # several gzip members may follow each other
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            parts.append(unpacker.decompress(data, limit))
        except zlib.error:
            break
        limit -= len(parts[-1])
        data = unpacker.unused_data
    return b"".join(parts)
