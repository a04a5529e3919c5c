"""Paint box of the simulated cohort: smooth noise, skin colours, colour conversion.

All functions work on blocks of images as float32 arrays of shape (b, S, S) and treat every image on its own, so a
picture does not depend on the block it was painted in.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]

# Individual typology angle (degrees) at the edges of the six skin types (Chardon 1991; Del Bino and Bernerd 2013),
# with the b* (yellowness) and a* (redness) that measured skin has there. Lightness follows from ITA and b*:
# ITA = atan((L* - 50) / b*).
_TONE_EDGES = np.linspace(0.0, 1.0, 7)
_ITA = np.array([66.0, 55.0, 41.0, 28.0, 10.0, -30.0, -55.0])
_B = np.array([15.5, 18.5, 20.5, 22.0, 22.5, 19.0, 14.5])
_A = np.array([9.5, 10.5, 11.5, 12.0, 13.0, 13.0, 10.0])


def skin_lab(tone: npt.NDArray[np.float64]) -> Float:
    """CIELAB colour of skin at each tone (0 lightest, 1 darkest), shape (n, 3)."""
    b = np.interp(tone, _TONE_EDGES, _B)
    lightness = 50.0 + b * np.tan(np.deg2rad(np.interp(tone, _TONE_EDGES, _ITA)))
    return np.stack([lightness, np.interp(tone, _TONE_EDGES, _A), b], axis=-1).astype(np.float32)


class Streams:
    """Independent random streams by name.

    Each kind of noise field has its own stream and consumes it image after image, so the same image gets the same
    noise whatever the block size.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._made: dict[str, np.random.Generator] = {}

    def __getitem__(self, name: str) -> np.random.Generator:
        if name not in self._made:
            self._made[name] = np.random.default_rng([self._seed, *name.encode()])
        return self._made[name]

    def field(self, name: str, count: int, size: int, cells: int) -> Float:
        """Smooth unit-variance noise of shape (count, size, size) that varies over ``cells`` cells per side."""
        weights = _spline(size, cells)
        coarse = self[name].standard_normal((count, cells + 3, cells + 3), dtype=np.float32)
        # one small product per image: np.matmul loops over the block, so rounding is the same for every block size
        return np.matmul(np.matmul(weights, coarse), weights.T)


@lru_cache(maxsize=64)
def _spline(size: int, cells: int) -> Float:
    """Cubic B-spline weights (size, cells + 3), rows scaled to unit norm so that noise keeps unit variance."""
    at = (np.arange(size) + 0.5) / size * cells
    start = np.floor(at).astype(np.int64)
    t = at - start
    basis = np.stack(
        [(1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6], axis=1
    )
    weights = np.zeros((size, cells + 3))
    weights[np.arange(size)[:, None], start[:, None] + np.arange(4)] = basis
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return weights.astype(np.float32)


def lab_to_srgb(lightness: Float, a: Float, b: Float) -> Float:
    """CIELAB (D65) to sRGB in [0, 1], clipped; inputs of shape (...), output (..., 3)."""
    fy = (np.clip(lightness, np.float32(0), np.float32(100)) + 16) / 116
    x, y, z = (0.95047 * _unlab(fy + a / 500), _unlab(fy), 1.08883 * _unlab(fy - b / 200))
    linear = np.stack(
        [
            3.2404542 * x - 1.5371385 * y - 0.4985314 * z,
            -0.9692660 * x + 1.8760108 * y + 0.0415560 * z,
            0.0556434 * x - 0.2040259 * y + 1.0572252 * z,
        ],
        axis=-1,
    )
    return _GAMMA[np.clip(linear * (len(_GAMMA) - 1), 0, len(_GAMMA) - 1).astype(np.int32)]


def _unlab(f: npt.NDArray[np.floating]) -> Float:
    return np.where(f > 6 / 29, f * f * f, (f - 4 / 29) * np.float32(3 * (6 / 29) ** 2)).astype(np.float32)


def _gamma_table(entries: int = 16384) -> Float:
    """The sRGB transfer curve as a table: a power per pixel would be a third of the whole painting time."""
    linear = np.linspace(0, 1, entries)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return curve.astype(np.float32)


_GAMMA = _gamma_table()


def smoothstep(x: npt.NDArray[np.floating]) -> Float:
    """0 below 0, 1 above 1, a cubic in between."""
    t = np.clip(x, 0, 1).astype(np.float32, copy=False)
    return t * t * (3 - 2 * t)


def grid(size: int) -> tuple[Float, Float]:
    """Pixel centres on [-1, 1] x [-1, 1], each of shape (1, size, size)."""
    at = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
    return at[None, None, :] * np.ones((1, size, 1), np.float32), at[None, :, None] * np.ones((1, 1, size), np.float32)
