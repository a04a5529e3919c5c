"""A whole NIfTI or Analyze volume as a cube of voxels, by the same orientation and rule for every volume."""

from __future__ import annotations

import numpy as np

from everygroup.errors import ImageError
from everygroup.imaging._guard import decoder_guard
from everygroup.imaging._reference import read_part
from everygroup.imaging.masks import structures
from everygroup.imaging.nifti import grey_scale, is_nifti, read_voxels
from everygroup.reading import Resize

_FIX = "replace or remove the file, or leave such rows out with --on-bad-image skip"


def read_volume(
    data: bytes,
    *,
    image_size: int,
    resize: Resize = "crop",
    max_pixels: int = 100_000_000,
    name: str = "the volume",
    part: str = "",
    header: bytes | None = None,
    as_mask: bool = False,
) -> np.ndarray:
    """Decode a volume and resample it to a cube.

    Slice [k] of the result is an axial slice as `everygroup.imaging.nifti.read_nifti` shows it (patient's front above,
    right side to the right); slices go from the feet to the head. Lengths are physical (the voxels' spacing counts):
    "crop" takes the central cube, whose side is the shortest of the three, "pad" keeps the whole volume on black,
    "stretch" brings every axis to the side on its own, whatever the spacing.

    Every axis is resampled linearly, over as wide a window as a new voxel is when it shrinks. Black and white are the
    1st and 99th percentiles of the finite voxels, as for slices; voxels that are not finite are black. A mask takes the
    nearest voxel, and its values are kept.

    Parameters
    ----------
    data : bytes
        The file (.nii or .nii.gz), or the voxels of a pair (.img).
    image_size : int
        Side of the cube, in voxels.
    resize : {"crop", "pad", "stretch"}
    max_pixels : int
        Volumes with larger slices are refused before the voxels are unpacked.
    name : str
        What to call the file in messages.
    part : str
        ``"volume=0"`` names one of four-dimensional data.
    header : bytes, optional
        The header (.hdr) of a pair.
    as_mask : bool
        Whether the voxels are structures, by the rule of `everygroup.imaging.masks.read_mask`.

    Returns
    -------
    ndarray of uint8, (S, S, S, 1); of a mask (S, S, S)

    Raises
    ------
    ImageError
        If it is no volume, damaged or too large, or its voxels are no structures.
    SettingsError
        If nibabel is not installed.
    """
    which = read_part(part, name)
    if header is None and not is_nifti(data):
        raise ImageError(f"{name}: not a NIfTI volume.", fix=_FIX)
    if which.number is not None:
        raise ImageError(f"{name}: a slice is named where the whole volume is read.", fix="leave #... out")
    with decoder_guard():
        array, spacing = read_voxels(data, which, name, max_pixels, header)
    array = array.transpose(2, 1, 0)[:, ::-1]
    boxes = _boxes(array.shape, spacing[::-1], resize)
    if as_mask:
        return _nearest(structures(array.reshape(len(array), -1), name).reshape(array.shape), boxes, image_size)
    low, high = grey_scale(array, name)
    grey = np.nan_to_num((array.astype(np.float32) - low) / (high - low), nan=0.0, posinf=0.0, neginf=0.0).clip(0, 1)
    for axis, (start, stop) in enumerate(boxes):
        weights = _weights(grey.shape[axis], start, stop, image_size)
        grey = np.moveaxis(np.tensordot(weights, grey, (1, axis)), 0, axis)
    return np.round(255 * grey.clip(0, 1)).astype(np.uint8)[..., None]


def _boxes(shape: tuple[int, ...], spacing: tuple[float, ...], resize: Resize) -> list[tuple[float, float]]:
    """Return what part of each axis the cube shows, from edge to edge in voxels; beyond the volume it is black."""
    lengths = np.array(shape) * spacing
    side = {"crop": lengths.min(), "pad": lengths.max()}.get(resize)
    half = np.array(shape) / 2 if side is None else side / np.array(spacing) / 2
    return [(float(n / 2 - h), float(n / 2 + h)) for n, h in zip(shape, half, strict=True)]


def _centres(start: float, stop: float, n: int) -> np.ndarray:
    """Middles of n new voxels between two edges, in the coordinates of the old, whose middles are 0.5, 1.5, ..."""
    return start + (np.arange(n) + 0.5) * (stop - start) / n


def _weights(n_old: int, start: float, stop: float, n_new: int) -> np.ndarray:
    """(n_new, n_old) weights of linear interpolation, triangles as wide as a new voxel; rows sum to 1, or 0 outside."""
    width = max(1.0, (stop - start) / n_new)
    middles = _centres(start, stop, n_new)
    inside = (middles > 0) & (middles < n_old)
    distance = np.abs(middles[:, None] - (np.arange(n_old) + 0.5))
    weights = np.clip(1 - distance / width, 0, None) * inside[:, None]
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(weights, total, where=total > 0, out=np.zeros_like(weights)), dtype=np.float32)


def _nearest(mask: np.ndarray, boxes: list[tuple[float, float]], size: int) -> np.ndarray:
    cube = mask
    for axis, (start, stop) in enumerate(boxes):
        place = np.floor(_centres(start, stop, size)).astype(int)
        cube = cube.take(place.clip(0, mask.shape[axis] - 1), axis)
        np.moveaxis(cube, axis, 0)[(place < 0) | (place >= mask.shape[axis])] = 0
    return np.ascontiguousarray(cube.astype(np.uint8))
