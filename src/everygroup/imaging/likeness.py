"""How alike two pictures are: a perceptual hash to find candidates, correlations of thumbnails to confirm them."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

HASH_SIDE, DETAIL_SIDE = 32, 64
MIN_SIDE = 16
"""Smaller pictures hold too little to tell a copy from another picture."""
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
_LOW = 8
_FINEST, _COARSEST, _NEIGHBOURHOOD, _NOISE = 0.7, 3.0, 4.0, 2.0

Float = NDArray[np.float32]


def luminance(images: np.ndarray) -> Float:
    """Return the luminance (n, H, W) in 0..255 of (n, H, W, C) uint8 images with one or three channels."""
    if images.shape[-1] == 1:
        return images[..., 0].astype(np.float32)
    return images[..., :3].astype(np.float32) @ _LUMINANCE


def thumbnails(images: np.ndarray, side: int) -> Float:
    """Return square grey thumbnails (n, side, side) in 0..255, each pixel the mean of the area it stands for."""
    grey = luminance(images)
    down, across = _areas(grey.shape[1], side), _areas(grey.shape[2], side)
    return np.asarray(down @ grey @ across.T, dtype=np.float32)


def perceptual_hash(grey: Float) -> NDArray[np.uint64]:
    """Return 64-bit perceptual hashes (n,) of thumbnails (n, 32, 32).

    The signs of the 8 x 8 lowest frequencies of the cosine transform against their median (without the mean): what
    survives another size, another compression, more light. After C. Zauner, Implementation and benchmarking of
    perceptual image hash functions, 2010.
    """
    from scipy.fft import dctn

    low = dctn(grey, axes=(1, 2), norm="ortho")[:, :_LOW, :_LOW].reshape(len(grey), _LOW * _LOW)
    bits = low > np.median(low[:, 1:], axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def hamming(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the number of different bits of hashes that broadcast against each other."""
    different = np.bitwise_xor(a, b)
    if hasattr(np, "bitwise_count"):  # numpy 2
        return np.asarray(np.bitwise_count(different), dtype=np.uint8)
    halves = np.ascontiguousarray(different)[..., None].view(np.uint16)
    return np.asarray(_bits_of_16()[halves].sum(axis=-1), dtype=np.uint8)


def standardised(values: np.ndarray) -> Float:
    """Return each row (n, ...) as a vector (n, d) of mean 0 and length 1, so that products are correlations."""
    flat = values.reshape(len(values), -1).astype(np.float32)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), dtype=np.float32)


def detail(grey: Float) -> Float:
    """Return what of thumbnails (n, side, side) is finer than shading and coarser than noise, at equal contrast.

    The difference of two blurs, divided by the local standard deviation: so that not the outline of an eye ground or of
    a chest decides, which all pictures of a set share, nor the grain of a compression, but vessels, hairs and spots.
    """
    from scipy.ndimage import gaussian_filter

    fine = gaussian_filter(grey, (0, _FINEST, _FINEST)) - gaussian_filter(grey, (0, _COARSEST, _COARSEST))
    local = np.sqrt(gaussian_filter(fine * fine, (0, _NEIGHBOURHOOD, _NEIGHBOURHOOD)))
    return np.asarray(fine / (local + _NOISE), dtype=np.float32)


@functools.cache
def _areas(n: int, side: int) -> Float:
    """(side, n) weights: row k averages the part of the line that its pixel covers; for n < side pixels repeat."""
    edges = np.linspace(0, n, side + 1)
    pixel = np.arange(n)
    covered = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    weights = np.clip(covered, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


@functools.cache
def _bits_of_16() -> NDArray[np.uint8]:
    return np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2), axis=1).sum(
        axis=1, dtype=np.uint8
    )
