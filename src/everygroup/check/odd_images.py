"""Images that stand out before anything is learnt: blank ones, very dark or bright ones, originals of another size."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from everygroup.cohort import Cohort
from everygroup.imaging.likeness import luminance
from everygroup.imaging.pixel_scale import scale_of_cohort

FLAT = 1.0
"""Standard deviation of the luminance (0..255) below which an image is blank."""
FAR = 3.0
"""Interquartile ranges beyond the quartiles from which on a value is far out (Tukey 1977)."""
_MOST_ENLARGED = 0.01
_READ = 256
_WIDTH = re.compile(r"(width|cols|columns)$", re.IGNORECASE)
_HEIGHTS = {"width": "height", "cols": "rows", "columns": "rows"}
_SHOWN = 3
_COLUMNS = ["id", "what", "value", "usual_low", "usual_high"]


def brightness(cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation (n,) of each image's luminance in 0..255; undefined for other than pixels."""
    mean, spread = np.full(len(cohort), np.nan), np.full(len(cohort), np.nan)
    if cohort.images.dtype != np.uint8:
        return mean, spread
    for first in range(0, len(cohort), _READ):
        part = slice(first, first + _READ)
        grey = luminance(cohort.batch(part))
        pixels = tuple(range(1, grey.ndim))  # of volumes three axes
        mean[part], spread[part] = grey.mean(axis=pixels), grey.std(axis=pixels)
    return mean, spread


def far_out(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Return which values lie over 3 interquartile ranges beyond the quartiles, and these two fences.

    Undefined values are never far out; where half of the values are equal nothing is, since any other would be.
    """
    known = values[np.isfinite(values)]
    if len(known) < 8:
        return np.zeros(len(values), dtype=bool), float("nan"), float("nan")
    q1, q3 = np.quantile(known, [0.25, 0.75])
    if q1 == q3:
        return np.zeros(len(values), dtype=bool), float("nan"), float("nan")
    low, high = float(q1 - FAR * (q3 - q1)), float(q3 + FAR * (q3 - q1))
    return (values < low) | (values > high), low, high


def odd_images(cohort: Cohort) -> tuple[pd.DataFrame, list[str]]:
    """Find blank images, outliers of brightness and of the original size, and groups on another scale of pixels.

    Sizes are read from the table where it has columns such as `width` and `height` or `orig_width` and `orig_height`
    that vary; area and aspect ratio are judged on a logarithmic scale.

    Returns
    -------
    table : DataFrame
        id, what ("blank", "brightness", "area", "aspect ratio"), value, usual_low, usual_high (the fences).
    warnings : list of str
    """
    rows: list[tuple] = []
    found = scale_of_cohort(cohort)
    mean, spread = brightness(cohort)
    blank = spread < FLAT
    _note(cohort, blank, "blank", spread, (FLAT, float("nan")), rows)
    if blank.any():
        found.append(f"{_count(blank)} blank, one colour throughout{_named(cohort, blank)}.")
    odd, low, high = far_out(np.where(blank, np.nan, mean))
    _note(cohort, odd, "brightness", mean, (low, high), rows)
    if odd.any():
        found.append(
            f"{_count(odd)} far darker or brighter than the others (mean luminance outside {low:.0f} to "
            f"{high:.0f}){_named(cohort, odd)}."
        )
    for width, height in size_columns(cohort.table):
        w, h = (pd.to_numeric(cohort.table[c], errors="coerce").to_numpy(float) for c in (width, height))
        w, h = (np.where(side > 0, side, np.nan) for side in (w, h))
        with np.errstate(invalid="ignore"):
            for what, value in (("area", w * h), ("aspect ratio", w / h)):
                odd, low, high = far_out(np.log(value))
                _note(cohort, odd, what, value, (float(np.exp(low)), float(np.exp(high))), rows)
                if odd.any():
                    found.append(
                        f"{_count(odd)} far from the others in the original's {what} ({width}, {height})"
                        f"{_named(cohort, odd)}: size can tell about camera, clinic and label."
                    )
            small = np.minimum(w, h) < min(cohort.sample_shape[:2])
        if len(cohort.sample_shape) > 1 and small.mean() > _MOST_ENLARGED:
            found.append(
                f"{_count(small, 'was', 'were')} smaller than they are stored ({width}, {height} below "
                f"{min(cohort.sample_shape[:2])} pixels) and enlarged: their blur can tell about the source."
            )
    return pd.DataFrame(rows, columns=_COLUMNS), found


def size_columns(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the pairs of columns that hold widths and heights which vary."""
    found = []
    names = {str(c).lower(): str(c) for c in table.columns}
    for column in names.values():
        match = _WIDTH.search(column)
        if match is None:
            continue
        height = names.get(column[: match.start()].lower() + _HEIGHTS[match.group().lower()])
        if height is None:
            continue
        sizes = table[[column, height]].apply(pd.to_numeric, errors="coerce").dropna()
        if len(sizes.drop_duplicates()) > 1:
            found.append((column, height))
    return found


def _note(
    cohort: Cohort, odd: np.ndarray, what: str, value: np.ndarray, usual: tuple[float, float], rows: list[tuple]
) -> None:
    rows += [(str(cohort.ids[i]), what, float(value[i]), *usual) for i in np.flatnonzero(odd)]


def _count(odd: np.ndarray, one: str = "is", several: str = "are") -> str:
    n = int(odd.sum())
    return f"1 image {one}" if n == 1 else f"{n} images {several}"


def _named(cohort: Cohort, odd: np.ndarray) -> str:
    ids = cohort.ids[odd]
    return f" ({', '.join(ids[:_SHOWN])}{', ...' if len(ids) > _SHOWN else ''})"
