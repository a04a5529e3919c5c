"""Pictures of the simulated cohort: skin, lesion, hair and camera put together, block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from everygroup.datasets import _simulated_lesion as lesion
from everygroup.datasets._simulated_paint import Float, Streams, grid, lab_to_srgb, skin_lab

BLOCK = 32
"""Images painted together: small enough for the processor's cache. The pictures do not depend on it."""
_MAX_HAIRS = 12


@dataclass(frozen=True)
class Subjects:
    """What there is to photograph: one row per image, each array of shape (n,); `lesion`: whether there is one."""

    tone: npt.NDArray[np.float64]
    u: Float
    v: Float
    age: npt.NDArray[np.float64]
    undertone: Float
    hairy: npt.NDArray[np.bool_]
    lesion: npt.NDArray[np.bool_]


def photograph(
    subjects: Subjects, size: int, acquisition_noise: float, seed: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Paint every subject.

    Returns
    -------
    images
        (n, size, size, 3) uint8.
    masks
        (n, size, size) bool, True on the lesion (hair over it does not count as skin).
    """
    n = len(subjects.tone)
    images, masks = np.empty((n, size, size, 3), np.uint8), np.empty((n, size, size), np.bool_)
    streams = Streams(seed)
    for start in range(0, n, BLOCK):
        part = slice(start, min(start + BLOCK, n))
        images[part], masks[part] = _block(subjects, part, size, float(acquisition_noise), streams)
    return images, masks


def _block(
    subjects: Subjects, part: slice, size: int, acquisition_noise: float, streams: Streams
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    skin = skin_lab(subjects.tone[part]) + subjects.undertone[part, None] * np.array([0.0, 1.3, -1.8], np.float32)
    spot = lesion.paint(subjects.u[part], subjects.v[part], skin, size, streams).only(subjects.lesion[part])
    lightness, a, b = _skin(skin, size, streams)
    a += 7 * spot.flush
    lightness -= 2 * spot.flush
    lightness += spot.cover * (spot.lightness + 0.5 * (lightness - skin[:, 0, None, None]) - lightness)
    a += spot.cover * (spot.a - a)
    b += spot.cover * (spot.b - b)
    _hair(lightness, a, b, subjects, part, streams)
    picture = lab_to_srgb(lightness, a, b)
    return _camera(picture, acquisition_noise, streams), spot.mask


def _skin(skin: Float, size: int, streams: Streams) -> tuple[Float, Float, Float]:
    """Bare skin in CIELAB: its mean colour with blotches, furrows and pores, under uneven light."""
    count = len(skin)
    draw = streams["light"].random((count, 3), dtype=np.float32)[..., None, None]
    x, y = grid(size)
    angle = 2 * np.pi * draw[:, 0]
    light = (1 + 4 * draw[:, 1]) * (np.cos(angle) * x + np.sin(angle) * y) + streams.field("shade", count, size, 3)
    blotch = streams.field("blotch", count, size, 7)
    furrow = streams.field("furrow", count, size, min(15, size // 2))
    pores = streams.field("pores", count, size, size // 2)
    relative = (skin[:, 0] / 65)[:, None, None]
    line = np.maximum(1 - np.abs(furrow) * 3.5, 0)
    lightness = skin[:, 0, None, None] + relative * (light + 0.8 * blotch - 2.6 * line + 0.9 * pores)
    a = skin[:, 1, None, None] + 0.9 * blotch + 0.7 * line
    b = skin[:, 2, None, None] - 0.5 * blotch
    freckles = np.maximum(furrow - 1.55, 0) * np.where(draw[:, 2] > 0.6, np.float32(1), np.float32(0))
    return lightness - 7 * relative * freckles, a + 3 * freckles, b + 5 * freckles


def _hair(lightness: Float, a: Float, b: Float, subjects: Subjects, part: slice, streams: Streams) -> None:
    """Draw up to twelve curved hairs over the hairy subjects, in place."""
    size = lightness.shape[-1]
    hairy = subjects.hairy[part]
    draw = streams["hair"].random((len(hairy), _MAX_HAIRS + 1, 6), dtype=np.float32)
    which = np.flatnonzero(hairy)
    if not len(which):
        return
    draw = draw[which]
    x, y = grid(size)
    many = 2 + draw[:, _MAX_HAIRS, 0] * (_MAX_HAIRS - 2)
    combed = np.pi * draw[:, _MAX_HAIRS, 1]  # hairs of one patch lie roughly the same way
    cover = np.zeros((len(which), size, size), np.float32)
    for k in range(_MAX_HAIRS):
        start, bend, off, length, width, turn = (draw[:, k, j, None, None] for j in range(6))
        angle = combed[:, None, None] + 0.9 * (turn - 0.5)
        along = np.cos(angle) * x + np.sin(angle) * y - 1.2 * (start - 0.5)
        curve = 1.1 * (bend - 0.5)
        across = np.cos(angle) * y - np.sin(angle) * x - 2.0 * (off - 0.5) - curve * along * along
        distance = np.abs(across) / np.sqrt(1 + np.square(2 * curve * along)) * (size / 2)  # in pixels
        thick = (0.10 + 0.35 * width) * max(size / 64, 0.7)
        strand = np.clip(thick + 0.6 - distance, 0, 1) * np.clip((0.5 + 0.7 * length - np.abs(along)) * 6, 0, 1)
        strand *= (k < many)[:, None, None]
        cover = np.maximum(cover, strand)
    cover *= 0.85
    grey = np.clip((subjects.age[part][which] - 60) / 40, 0, 1) * draw[:, _MAX_HAIRS, 2]
    fair = np.clip(0.5 - subjects.tone[part][which], 0, 0.5) * draw[:, _MAX_HAIRS, 3]
    strands = (11 + 50 * grey + 60 * fair, 4 + 6 * fair, 6 + 30 * fair - 4 * grey)
    for channel, colour in zip((lightness, a, b), strands, strict=True):
        channel[which] += cover * (colour.astype(np.float32)[:, None, None] - channel[which])


def _camera(picture: Float, noise: float, streams: Streams) -> npt.NDArray[np.uint8]:
    """Exposure, colour cast, vignette, blur and sensor noise, all in proportion to ``noise``; then 8 bits."""
    count, size = picture.shape[:2]
    draw = streams["camera"].standard_normal((count, 5), dtype=np.float32)
    gain = np.exp(noise * (0.07 * draw[:, :1] + 0.05 * draw[:, 1:4]))
    picture *= gain[:, None, None, :]
    x, y = grid(size)
    edge = np.square(np.maximum(x * x + y * y - 0.5, 0))[..., None]
    picture *= 1 - (0.05 + 0.25 * noise) * edge * np.float32(0.5)
    blur = np.clip(noise * (0.4 + 0.5 * draw[:, 4]), 0, 1)[:, None, None, None]
    picture += blur * (_soften(picture) - picture)
    grain = streams["grain"].standard_normal(picture.shape, dtype=np.float32)
    picture += 0.05 * noise * np.exp(0.4 * draw[:, 0])[:, None, None, None] * grain
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _soften(picture: Float) -> Float:
    """Binomial 1-2-1 blur along both axes; the outermost pixels keep their value along their axis."""
    soft = picture.copy()
    soft[:, 1:-1] = 0.25 * picture[:, :-2] + 0.5 * picture[:, 1:-1] + 0.25 * picture[:, 2:]
    out = soft.copy()
    out[:, :, 1:-1] = 0.25 * soft[:, :, :-2] + 0.5 * soft[:, :, 1:-1] + 0.25 * soft[:, :, 2:]
    return out
