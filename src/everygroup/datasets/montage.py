"""A picture of a simulated cohort: diagnoses in rows, skin types in columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from everygroup.datasets.simulated import SimulatedCohort
from everygroup.files import atomic_path

_ROMAN = ("I", "II", "III", "IV", "V", "VI")
_INK, _PALE = (38, 38, 42), (128, 128, 134)


def montage(simulated: SimulatedCohort, path: Path | str, *, tile: int | None = None, scale: int = 2) -> Path:
    """Write a montage of typical pictures, one for each diagnosis (row) and skin type (column).

    Each tile is the correctly labelled image whose look is nearest to the middle of its diagnosis' looks at its own
    tone; a cell without an image stays blank.

    Parameters
    ----------
    simulated : SimulatedCohort
        What to show.
    path : Path or str
        A .png (or any format pillow writes by its suffix); written atomically.
    tile : int, optional
        Side of a tile in points; by default 64, or the image size where that is larger.
    scale : int
        Pixels per point.

    Returns
    -------
    Path
        The path written.
    """
    from PIL import Image, ImageDraw, ImageFont

    cohort, truth = simulated.cohort, simulated.truth
    side = (tile or max(64, cohort.sample_shape[0] // scale)) * scale
    gap, left, top = 5 * scale, 82 * scale, 46 * scale
    size = (left + 6 * (side + gap) + 12 * scale, top + len(cohort.classes) * (side + gap) + 12 * scale)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    words, small = ImageFont.load_default(12 * scale), ImageFont.load_default(10 * scale)
    corners = Image.new("L", (4 * side, 4 * side), 0)  # drawn large, then shrunk: smooth corners
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, 4 * side - 1, 4 * side - 1), radius=24 * scale, fill=255)
    corners = corners.resize((side, side), Image.Resampling.BOX)

    for name, first in (("light", 0), ("dark", 3)):
        x0, x1 = left + first * (side + gap), left + (first + 3) * (side + gap) - gap
        draw.text(((x0 + x1) / 2, 11 * scale), name, font=small, fill=_PALE, anchor="mm")
        draw.line((x0, 20 * scale, x1, 20 * scale), fill=_PALE, width=max(1, scale // 2))
    for column, name in enumerate(_ROMAN):
        draw.text((left + column * (side + gap) + side / 2, 33 * scale), name, font=words, fill=_INK, anchor="mm")

    skin_type = np.floor(truth["tone"].to_numpy() * 6).astype(int)
    distance = _from_typical(simulated)
    for row, diagnosis in enumerate(cohort.classes):
        y = top + row * (side + gap)
        draw.text((left - 9 * scale, y + side / 2), diagnosis, font=words, fill=_INK, anchor="rm")
        for column in range(6):
            here = (truth["clean_label"].to_numpy() == diagnosis) & (skin_type == column)
            candidates = np.flatnonzero(here & ~truth["mislabelled"].to_numpy())
            if len(candidates):
                best = candidates[np.argmin(distance[candidates])]
                picture = Image.fromarray(cohort.batch(np.array([best]))[0])
                picture = picture.resize((side, side), Image.Resampling.LANCZOS)
                sheet.paste(picture, (left + column * (side + gap), y), corners)
    with atomic_path(path) as temporary:
        sheet.save(temporary)
    return Path(path)


def _from_typical(simulated: SimulatedCohort) -> np.ndarray:
    """Angle between each look and the middle of its diagnosis' looks at its tone, in radians, (n,)."""
    truth, classes = simulated.truth, simulated.cohort.classes
    y = truth["clean_label"].map({name: k for k, name in enumerate(classes)}).to_numpy(float)
    middle = -np.pi / 4 + 2 * np.pi * y / len(classes) + truth["rotation"].to_numpy()
    offset = truth["appearance_angle"].to_numpy() - middle
    return np.abs((offset + np.pi) % (2 * np.pi) - np.pi)
