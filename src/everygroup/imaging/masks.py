"""Decode one mask: which structure is where, kept exact through every change of size."""

from __future__ import annotations

import numpy as np
from PIL import Image

from everygroup.errors import ImageError
from everygroup.imaging.read import DEFAULT_MAX_PIXELS, decode, resize_image
from everygroup.reading import Resize

MAX_STRUCTURES = 50
"""Larger pixel values are grey values, not structures (but for 255 alone, which is 1)."""
_BINARY = ({0, 1}, {0, 255}, {0, 65535})
_FIX = "write 0 for the background and 1, 2, ... for structures, or 0 and 255; without compression that changes pixels"


def read_mask(
    data: bytes,
    *,
    image_size: int | None = None,
    resize: Resize = "crop",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    name: str = "the mask",
    part: str = "",
    header: bytes | None = None,
) -> np.ndarray:
    """Decode a mask's file, by `everygroup.imaging.read.decode`.

    Of a palette the indices count, not the colours. A mask that holds only 0 and 255 (or 65535) holds one structure.
    It becomes a square as images do, without mixing pixels (nearest neighbour).

    Returns
    -------
    ndarray of uint8, (S, S) or (H, W)
        0 the background, k the k-th structure.

    Raises
    ------
    ImageError
        As `read_image`; and for colours, and grey values that are no structures.
    """
    picture = decode(data, name, part=part, header=header, max_pixels=max_pixels, as_stored=True)
    mask = Image.fromarray(structures(np.asarray(picture), name))
    return np.asarray(mask if image_size is None else resize_image(mask, image_size, resize, Image.Resampling.NEAREST))


def structures(pixels: np.ndarray, label: str) -> np.ndarray:
    """Return which structure each pixel (H, W), or pixel of a picture (H, W, C), belongs to, by `read_mask`'s rule."""
    if pixels.ndim == 3:
        colours = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1]
        if (colours != colours[..., :1]).any():
            raise ImageError(f"{label}: a mask in colours.", fix=_FIX)
        pixels = colours[..., 0]
    values = np.unique(pixels)
    if any(set(values.tolist()) <= two for two in _BINARY):
        return (pixels > 0).astype(np.uint8)
    if values[0] < 0 or values[-1] > MAX_STRUCTURES or (values % 1).any():
        shown = ", ".join(f"{v:g}" for v in values[:5]) + (", ..." if len(values) > 5 else "")
        raise ImageError(
            f"{label}: the grey values {shown} up to {values[-1]:g} are no structures of a mask.", fix=_FIX
        )
    return pixels.astype(np.uint8)
