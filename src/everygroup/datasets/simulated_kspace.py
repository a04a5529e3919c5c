"""Simulated undersampled k-space: images to be reconstructed, of two hospitals of which one measures fewer lines.

Phantoms of ellipses, as Shepp and Logan's (IEEE Transactions on Nuclear Science 21, 1974), every one different; sampled
by lines as fastMRI's are (Zbontar et al., arXiv 1811.08839): all of a centre, and others at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError

HOSPITALS = ("A", "B")
_BLOCK = 64
_TISSUES = 7


@dataclass(frozen=True)
class SimulatedKSpace:
    """A simulated cohort of undersampled images and the truth about it.

    Attributes
    ----------
    cohort : Cohort
        n uint8 images (n, S, S, 1), zero-filled; the target "image", `cohort.truth` the images of all lines; groups by
        `hospital`. Its table holds image_id, patient_id, hospital, sex, age and full (the undegraded image's name).
    truth : DataFrame, n rows
        `image_id`, `acceleration`, `lines` (measured, of S) and `lost`: the share of the image's energy in the lines
        that were not measured. By Parseval's theorem that is the NMSE of the zero-filled complex image before noise;
        that of its modulus, which is the picture, is not larger.
    settings : dict
        The arguments it was made with; JSON-able.
    """

    cohort: Cohort
    truth: pd.DataFrame
    settings: dict[str, Any]


def undersampled(
    n: int = 1000,
    *,
    image_size: int = 64,
    seed: int = 0,
    acceleration: Sequence[float] = (3.0, 6.0),
    centre: float = 0.08,
    fractions: Sequence[float] = (0.75, 0.25),
    noise: float = 0.005,
) -> SimulatedKSpace:
    """Simulate images whose k-space was measured in part.

    Parameters
    ----------
    n : int
        Number of images, one a patient.
    image_size : int
        Side in pixels, 16 to 512.
    seed : int
        The same seed gives the same bytes.
    acceleration : (float, float)
        Of the lines of k-space hospital A, and B, measure one in so many, 1 to 20. Equal: no difference of groups.
    centre : float
        Share of the lines, the lowest frequencies, that both measure completely.
    fractions : (float, float)
        Shares of the hospitals' images; rescaled to sum 1.
    noise : float
        Standard deviation of the measurement's noise, in real and imaginary part, of pixels in 0..1.

    Raises
    ------
    SettingsError
        If an argument is outside its range.
    """
    settings = {**locals(), "acceleration": list(acceleration), "fractions": list(fractions)}
    shares, rates = np.asarray(fractions, float), np.asarray(acceleration, float)
    if n < 10 or not 16 <= image_size <= 512 or seed < 0 or not 0 <= noise <= 1 or not 0 < centre < 1:
        raise SettingsError(f"Impossible settings: {settings}.", fix="n >= 10, image_size 16 to 512, seed >= 0")
    if shares.shape != (2,) or shares.min() <= 0 or rates.shape != (2,) or rates.min() < 1 or rates.max() > 20:
        raise SettingsError(f"Impossible settings: {settings}.", fix="two shares above 0, two accelerations 1 to 20")
    if (1 / rates < centre).any():
        raise SettingsError(f"centre = {centre} is more than 1 line in {rates.max():g}.", fix="lower either of them")
    who, what, where, hiss = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4))
    hospital = who.permutation((np.arange(n) >= round(n * shares[0] / shares.sum())).astype(int))
    full = np.empty((n, image_size, image_size, 1), np.uint8)
    seen, lost, lines = np.empty_like(full), np.empty(n), np.empty(n, int)
    for start in range(0, n, _BLOCK):
        part = slice(start, min(start + _BLOCK, n))
        image = np.round(255 * _phantoms(part.stop - start, image_size, what)) / 255
        kept = _lines(rates[hospital[part]], image_size, centre, where)
        spectrum = np.fft.fftshift(np.fft.fft2(image, norm="ortho"), axes=-1)
        energy = np.square(np.abs(spectrum)).sum(axis=1)
        lost[part] = 1 - (energy * kept).sum(axis=1) / energy.sum(axis=1)
        lines[part] = kept.sum(axis=1)
        hissing = hiss.standard_normal((2, *image.shape))
        measured = (spectrum + noise * (hissing[0] + 1j * hissing[1])) * kept[:, None, :]
        zero_filled = np.abs(np.fft.ifft2(np.fft.ifftshift(measured, axes=-1), norm="ortho"))
        full[part, ..., 0] = np.round(255 * image)
        seen[part, ..., 0] = np.round(255 * np.clip(zero_filled, 0, 1))
    ids = [f"k{i:06d}" for i in range(n)]
    table = pd.DataFrame(
        {
            "image_id": ids,
            "patient_id": [f"p{i:06d}" for i in range(n)],
            "hospital": np.array(HOSPITALS)[hospital],
            "sex": np.where(who.random(n) < 0.5, "female", "male"),
            "age": who.integers(20, 85, n),
            "full": [f"{i}_full" for i in ids],
        }
    )
    cohort = Cohort.from_table(
        seen,
        table,
        label="full",
        group="hospital",
        id_column="image_id",
        split_by="patient_id",
        groups=HOSPITALS,
        provenance={
            "name": "simulated undersampled k-space",
            "source": "everygroup.datasets.simulate('image')",
            "simulated": True,
            "image_size": image_size,
            "licence": "none needed: no picture of a person",
            "settings": settings,
        },
        target="image",
        truth=full,
    )
    told = pd.DataFrame({"image_id": ids, "acceleration": rates[hospital], "lines": lines, "lost": lost})
    return SimulatedKSpace(cohort, told, settings)


def _phantoms(n: int, size: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draw heads, (n, S, S) in [0, 1]: a bright rim, grey within, and ellipses of other tissue in it."""
    line = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = line[None, None, :], line[None, :, None]
    draw = rng.random((n, _TISSUES + 1, 6))[..., None, None]
    head = 0.62 + 0.2 * draw[:, 0, 0], 0.72 + 0.2 * draw[:, 0, 1]
    turn = 0.6 * (draw[:, 0, 2] - 0.5)
    edge = 3 / size
    inside = _ellipse(x, y, 0, 0, *head, turn, edge)
    brain = _ellipse(x, y, 0, 0, head[0] - 0.08, head[1] - 0.08, turn, edge)
    image = 0.95 * (inside - brain) + (0.3 + 0.2 * draw[:, 0, 3]) * brain
    for k in range(1, _TISSUES + 1):
        cx, cy, a, b, angle, grey = (draw[:, k, j] for j in range(6))
        there = _ellipse(
            x, y, 0.8 * (cx - 0.5), 1.0 * (cy - 0.5), 0.04 + 0.22 * a, 0.04 + 0.22 * b, np.pi * angle, edge
        )
        image = image + there * brain * (0.7 * grey - 0.3)
    return np.asarray(np.clip(image * (1 - 0.15 * draw[:, 0, 4] * x), 0, 1))


def _ellipse(x: Any, y: Any, cx: Any, cy: Any, a: Any, b: Any, angle: Any, edge: float) -> npt.NDArray[np.float64]:
    u = (np.cos(angle) * (x - cx) + np.sin(angle) * (y - cy)) / a
    v = (np.cos(angle) * (y - cy) - np.sin(angle) * (x - cx)) / b
    return np.asarray(np.clip(0.5 + (1 - np.hypot(u, v)) * np.minimum(a, b) / edge, 0, 1))


def _lines(rates: np.ndarray, size: int, centre: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Choose the lines measured of every image, (n, S): the centre, and of the others as many as the rate leaves."""
    distance = np.abs(np.arange(size) - size // 2)
    middle = distance < max(1, round(centre * size)) / 2
    order = np.where(middle, -1.0, rng.random((len(rates), size))).argsort(axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(size), order.shape), axis=1)
    n_lines = np.maximum(np.round(size / rates), middle.sum()).astype(int)
    return np.asarray(rank < n_lines[:, None])
