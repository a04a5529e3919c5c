"""Lesions of the simulated cohort: outline, colour and inner structure from a point in the appearance plane.

The plane has two axes: pigment (u; red to brown-black) and structure (v; smooth and round to irregular and rough).
Its four corners are four stylised looks, and everything between them is a blend:

    u < 0, v < 0  red, round, with lacunae            (the typical look of 'vascular' on the lightest skin)
    u > 0, v < 0  brown, round, with a pigment network (naevus)
    u > 0, v > 0  black and blue, ragged, patchy       (melanoma)
    u < 0, v > 0  ochre, warty, with cysts and pores   (keratosis)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from everygroup.datasets._simulated_paint import Float, Streams, grid, smoothstep

# target colour of each corner: lightness relative to the skin's, added a* (red) and b* (yellow)
_CORNERS = ("vascular", "naevus", "melanoma", "keratosis")
_LIGHTNESS = np.array([0.66, 0.54, 0.36, 0.76], np.float32)
_RED = np.array([25.0, 6.0, 2.0, 4.0], np.float32)
_YELLOW = np.array([1.0, 6.0, -9.0, 12.0], np.float32)
_BORDER = np.array([0.04, 0.05, 0.28, 0.13], np.float32)  # how ragged the outline is
_SOFT = np.array([0.13, 0.26, 0.10, 0.09], np.float32)  # how slowly the lesion fades into skin
_RELIEF = np.array([0.8, 0.35, 0.3, 1.0], np.float32)  # how far it stands up from the skin
_HARMONICS = 6


@dataclass(frozen=True)
class Lesion:
    """A block of painted lesions; every array has shape (b, S, S)."""

    mask: npt.NDArray[np.bool_]
    cover: Float
    lightness: Float
    a: Float
    b: Float
    flush: Float

    def only(self, there: npt.NDArray[np.bool_]) -> Lesion:
        """Return the block with lesions only where there are some, (b,): bare skin elsewhere."""
        here = there[:, None, None]
        return replace(self, mask=self.mask & here, cover=self.cover * here, flush=self.flush * here)


def paint(u: Float, v: Float, skin: Float, size: int, streams: Streams) -> Lesion:
    """Paint one lesion for each appearance point.

    Parameters
    ----------
    u, v
        Appearance coordinates, shape (b,), within the unit disc.
    skin
        CIELAB colour of the skin around, shape (b, 3).
    size
        Side of the pictures in pixels.
    streams
        Sources of randomness.

    Returns
    -------
    Lesion
        Its outline, its opacity over skin, its colours where opaque, and the reddening of the skin around it.
    """
    corner = _corner_shares(u, v)
    depth, light = _outline(corner @ _BORDER, size, streams)
    count = len(u)
    softness = (corner @ _SOFT) * np.exp(0.2 * streams["softness"].standard_normal(count, dtype=np.float32))
    softness = np.maximum(softness, 4.0 / size)[:, None, None]
    cover = smoothstep(0.5 + depth / softness)
    lightness, a, b = _colour(corner, depth, skin, size, streams)
    lightness += _relief(cover, (corner @ _RELIEF), light, size) * (0.35 + skin[:, 0] / 100)[:, None, None]
    flush = corner[:, 0, None, None] * np.exp(-np.square(np.minimum(depth, 0) / 0.22)) * (1 - cover)
    return Lesion(depth > 0, cover, lightness, a, b, flush)


def _corner_shares(u: Float, v: Float) -> Float:
    """Bilinear shares of the four corners at each appearance point, shape (b, 4), rows sum to 1."""
    p, q = np.clip(0.5 + 0.6 * u, 0, 1), np.clip(0.5 + 0.6 * v, 0, 1)
    return np.stack([(1 - p) * (1 - q), p * (1 - q), p * q, (1 - p) * q], axis=-1).astype(np.float32)


def _outline(border: Float, size: int, streams: Streams) -> tuple[Float, Float]:
    """Depth inside the lesion (1 at the middle, 0 at the edge, negative outside) and the direction of the light."""
    count = len(border)
    draw = streams["outline"].random((count, 8 + 2 * _HARMONICS), dtype=np.float32)
    x, y = grid(size)
    turn = 2 * np.pi * draw[:, 0, None, None]
    dx, dy = x - 0.26 * (draw[:, 1, None, None] - 0.5), y - 0.26 * (draw[:, 2, None, None] - 0.5)
    ragged = border[:, None, None]
    across = np.cos(turn) * dx + np.sin(turn) * dy
    along = (np.cos(turn) * dy - np.sin(turn) * dx) / (0.72 + 0.26 * draw[:, 3, None, None])
    across += (0.015 + 0.30 * ragged) * streams.field("warp_x", count, size, 4)
    along += (0.015 + 0.30 * ragged) * streams.field("warp_y", count, size, 4)
    radius = np.hypot(across, along) + np.float32(1e-4)
    c1, s1 = across / radius, along / radius
    ck, sk = c1, s1
    edge = np.ones_like(radius)
    for k in range(2, _HARMONICS + 2):  # cos(k theta), sin(k theta) by rotation: no trigonometry per pixel
        ck, sk = ck * c1 - sk * s1, sk * c1 + ck * s1
        gain = 2 * ragged * np.float32(1.25 / k**0.8)
        edge += gain * ((draw[:, 2 * k + 4, None, None] - 0.5) * ck + (draw[:, 2 * k + 5, None, None] - 0.5) * sk)
    reach = (0.44 + 0.20 * draw[:, 4, None, None]) * np.maximum(edge, np.float32(0.45))
    light = 2 * np.pi * (0.55 + 0.2 * draw[:, 5])
    return 1 - radius / reach, light


def _colour(corner: Float, depth: Float, skin: Float, size: int, streams: Streams) -> tuple[Float, Float, Float]:
    """CIELAB colours inside the lesion: the blended base colour and each corner's own structure."""
    count = len(corner)
    jitter = streams["colour"].standard_normal((count, 4), dtype=np.float32)
    share = [corner[:, k, None, None] for k in range(4)]
    base = skin[:, 0] * (corner @ _LIGHTNESS) + 2.0 * jitter[:, 0]
    # blood shows less through dark skin; the rest of the palette is relative to the skin and needs no correction
    red = (corner @ _RED) * (0.60 + 0.40 * np.clip(skin[:, 0] / 60, 0, 1))
    lightness = np.broadcast_to(base[:, None, None], depth.shape).copy()
    a = np.broadcast_to((skin[:, 1] + red + 1.8 * jitter[:, 1])[:, None, None], depth.shape).copy()
    b = np.broadcast_to((skin[:, 2] + corner @ _YELLOW + 1.8 * jitter[:, 2])[:, None, None], depth.shape).copy()

    coarse, patch = (streams.field(name, count, size, 5) for name in ("coarse", "patch"))
    middle = streams.field("middle", count, size, 10)
    fine = streams.field("fine", count, size, min(32, size // 2))
    tone = (skin[:, 0] / 65)[:, None, None]  # contrast in proportion to the light there is
    lightness += tone * 1.5 * coarse

    vascular, naevus, melanoma, keratosis = share
    lacuna = smoothstep(0.5 + 0.5 * middle + 0.12 * fine) * vascular
    lightness -= tone * 13 * lacuna
    a += 7 * lacuna
    b -= 7 * lacuna

    net = _network(coarse, patch, size, streams, count) * smoothstep(1.6 * depth + 0.25)
    lightness -= tone * (10 * naevus + 5 * melanoma) * net * (0.75 + 0.25 * patch)
    lightness -= tone * naevus * (8 * smoothstep(depth) + 2.5 * middle)

    clot = np.tanh(1.3 * coarse + 0.5 * middle)
    lightness -= tone * 9 * melanoma * clot
    b += melanoma * (3 - 5 * clot)
    a += melanoma * 6 * np.tanh(1.2 * (middle - coarse))
    veil = smoothstep(0.7 * (patch + 0.25 * middle - 0.55)) * melanoma * smoothstep(2.5 * depth)
    lightness += veil * (0.60 * skin[:, 0, None, None] - lightness) * 0.8
    a -= veil * (a + 1) * 0.8
    b -= veil * (b + 5) * 0.8

    ridge = 1 - np.minimum(np.abs(middle + 0.2 * fine) * 1.8, 1)
    lightness -= tone * keratosis * (10 * ridge + 4 * coarse)
    a += 4 * keratosis * ridge
    pore = smoothstep(0.9 * (fine - 0.9)) * keratosis
    cyst = smoothstep(0.9 * (-fine - 1.1)) * keratosis
    lightness += tone * (18 * cyst - 20 * pore)
    b -= 6 * cyst
    return np.maximum(lightness, 3), a, b


def _network(warp_x: Float, warp_y: Float, size: int, streams: Streams, count: int) -> Float:
    """A honeycomb of dark lines (1 on a line, 0 in a hole); fades out where the picture is too small to hold it."""
    period = 0.125
    visible = np.clip((period * size / 2 - 1.5) / 2.5, 0.25, 1)
    draw = streams["network"].random((count, 2), dtype=np.float32)[..., None, None]
    x, y = grid(size)
    x, y = x + 0.045 * warp_x, y + 0.045 * warp_y
    turn, total = 2 * np.pi * draw[:, 0], np.zeros(warp_x.shape, np.float32)
    frequency = 2 * np.pi / (period * (0.9 + 0.25 * draw[:, 1]))
    for k in range(3):
        angle = turn + np.float32(2 * np.pi / 3 * k)
        total += np.cos(frequency * (np.cos(angle) * x + np.sin(angle) * y))
    return np.float32(visible) * smoothstep((0.75 - total) / 1.5)


def _relief(cover: Float, height: Float, light: Float, size: int) -> Float:
    """Light and shade on the lesion's rim, as added lightness."""
    slope = np.zeros_like(cover)
    run = np.float32(size / 24)
    slope[:, :, 1:-1] += np.cos(light)[:, None, None] * (cover[:, :, 2:] - cover[:, :, :-2])
    slope[:, 1:-1] += np.sin(light)[:, None, None] * (cover[:, 2:] - cover[:, :-2])
    return np.clip(slope * run, -1, 1) * 9 * height[:, None, None]
