"""Skin tone from pixels: the individual typology angle (ITA) by published procedures, each under its own name.

==================  ==================================================================  ==============================
procedure           what is measured                                                    source
==================  ==================================================================  ==============================
`whole_image`       mean L*, b* of all pixels within one standard deviation of the mean Groh et al. 2021 ('no mask')
`ycbcr_mask`        the same over the pixels that pass a skin rule in RGB and YCbCr     Groh et al., CVPR-W 2021
`border_patches`    eight patches at the border, the lightest counts                    Bevan, Atapour-Abarghouei 2022
`skin_median`       median angle of skin pixels outside the central disc                ours
==================  ==================================================================  ==============================

The three published ones follow their authors' code, but on images prepared at one size; `border_patches` without the
removal of hair before it. Kinyanjui et al. (MICCAI 2020) segment the lesion with a trained network and measure what
is left; `skin_median` does so without a network, by leaving out the centre, where lesions are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.check.colour import lab, skin_mask, typology_angle
from everygroup.cohort import Cohort
from everygroup.errors import CohortError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """Lower bounds of the angle, lightest category first; what lies at or below the last is the last category.

    Attributes
    ----------
    name, source : str
    bounds : k - 1 angles in degrees, falling.
    categories : k names.
    closed : whether an angle equal to the first bound still belongs to the first category.
    """

    name: str
    bounds: tuple[float, ...]
    categories: tuple[str, ...]
    source: str
    closed: bool = False


_TYPES = ("1", "2", "3", "4", "5", "6")
_EIGHT = ("very light", "light 2", "light 1", "intermediate 2", "intermediate 1", "tan 2", "tan 1", "dark")
THRESHOLDS: dict[str, Thresholds] = {
    t.name: t
    for t in (
        Thresholds(
            "del_bino",
            (55, 41, 28, 10, -30),
            ("very light", "light", "intermediate", "tan", "brown", "dark"),
            "Chardon et al. 1991; Del Bino, Bernerd, Br J Dermatol 2013",
        ),
        Thresholds("kinyanjui_eight", (55, 48, 41, 34.5, 28, 19, 10), _EIGHT, "Kinyanjui et al., MICCAI 2020"),
        Thresholds("kinyanjui", (55, 41, 28, 19, 10), _TYPES, "Kinyanjui et al. as six types, in Groh et al. 2021"),
        Thresholds("groh", (45, 28, 17, 5, -20), _TYPES, "Groh et al. 2021, chosen on Fitzpatrick17k", closed=True),
    )
}
"""Published tables from angles to categories. None is a measurement of the Fitzpatrick type, which is about burning."""

_READ = 64
# Bevan and Atapour-Abarghouei: top left corners (row, column) of patches of 20 pixels in images of 256 pixels.
_PATCHES = ((230, 115), (5, 115), (115, 5), (115, 230), (216, 216), (216, 20), (20, 20), (20, 216))
_PATCH, _OF = 20, 256
_CENTRE = 0.3  # radius of the central disc as a share of the side
_MIN_PIXELS = 25


def whole_image(rgb: np.ndarray) -> Array:
    """Angles (n,) of (n, H, W, 3): mean L* and b* of all pixels, each within one standard deviation of its mean."""
    return _central(rgb, np.ones(rgb.shape[:3], dtype=bool))


def ycbcr_mask(rgb: np.ndarray) -> Array:
    """Angles (n,) as `whole_image`, over the pixels that pass `skin_mask`; undefined with fewer than 25 of them."""
    return _central(rgb, skin_mask(rgb))


def border_patches(rgb: np.ndarray) -> Array:
    """Angles (n,): the largest (lightest) of eight patches at the border, each from its mean L* and b*."""
    height, width = rgb.shape[1:3]
    angles = []
    for top, left in _PATCHES:
        rows = slice(
            round(top * height / _OF), max(round((top + _PATCH) * height / _OF), round(top * height / _OF) + 1)
        )
        columns = slice(
            round(left * width / _OF), max(round((left + _PATCH) * width / _OF), round(left * width / _OF) + 1)
        )
        mean = lab(rgb[:, rows, columns]).mean(axis=(1, 2))
        angles.append(typology_angle(mean[:, 0], mean[:, 2]))
    return np.fmax.reduce(np.stack(angles))


def skin_median(rgb: np.ndarray) -> Array:
    """Angles (n,): median over the skin pixels outside the central disc; undefined with fewer than 25 of them."""
    height, width = rgb.shape[1:3]
    y, x = np.mgrid[:height, :width]
    away = np.hypot((y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5) > _CENTRE
    mask = skin_mask(rgb) & away
    colours = lab(rgb)
    angles = np.where(mask, typology_angle(colours[..., 0], colours[..., 2]), np.nan).reshape(len(rgb), -1)
    out = np.full(len(rgb), np.nan)
    enough = np.isfinite(angles).sum(axis=1) >= _MIN_PIXELS
    out[enough] = np.nanmedian(angles[enough], axis=1) if enough.any() else out[enough]
    return out


PROCEDURES: dict[str, Callable[[np.ndarray], Array]] = {
    "whole_image": whole_image,
    "ycbcr_mask": ycbcr_mask,
    "border_patches": border_patches,
    "skin_median": skin_median,
}


def skin_tone(cohort: Cohort, procedure: str = "ycbcr_mask") -> Array:
    """Return the individual typology angle in degrees of every image, (n,); NaN where it is undefined.

    Large is light: about 55 and more very light, below -30 dark. Undefined where too few pixels look like skin, or
    the colour is bluish. The angle depends on light, camera and exposure as much as on skin.

    Raises
    ------
    CohortError
        For an unknown procedure, or images without colour.
    """
    measure = PROCEDURES.get(procedure)
    if measure is None:
        raise CohortError(f"There is no procedure {procedure!r}.", fix=f"use one of {', '.join(PROCEDURES)}")
    if cohort.images.dtype != np.uint8 or cohort.images.ndim != 4 or cohort.images.shape[-1] != 3:
        raise CohortError(
            "Skin tone is measured on 8-bit colour pictures.", fix="leave it out for grey images and for vectors"
        )
    parts = [measure(cohort.batch(slice(k, k + _READ))) for k in range(0, len(cohort), _READ)]
    return np.concatenate(parts) if parts else np.empty(0)


def categorise(angles: np.ndarray, thresholds: str = "kinyanjui") -> NDArray[np.int64]:
    """Return the category of each angle by a published table: 1 for the lightest, and so on; 0 where undefined.

    Raises
    ------
    CohortError
        For an unknown table.

    Examples
    --------
    >>> categorise(np.array([60.0, 41.0, 10.0, np.nan])).tolist()
    [1, 3, 6, 0]
    """
    table = THRESHOLDS.get(thresholds)
    if table is None:
        raise CohortError(f"There are no thresholds {thresholds!r}.", fix=f"use one of {', '.join(THRESHOLDS)}")
    angles = np.asarray(angles, dtype=float)
    below = angles[:, None] <= np.asarray(table.bounds)
    if table.closed:
        below[:, 0] = angles < table.bounds[0]
    return np.where(np.isfinite(angles), below.sum(axis=1) + 1, 0)


def with_skin_tone(cohort: Cohort, procedure: str = "ycbcr_mask", thresholds: str = "kinyanjui") -> Cohort:
    """Return the cohort with two more columns: `ita_<procedure>` and `ita_<procedure>_<thresholds>`.

    The category is empty where the angle is undefined. Group by it with
    `Cohort.from_table(cohort.images, cohort.table, group=..., rows=cohort.rows, ...)`.
    """
    angles = skin_tone(cohort, procedure)
    names = THRESHOLDS[thresholds].categories if thresholds in THRESHOLDS else ()
    index = categorise(angles, thresholds)
    changed = cohort.where(np.arange(len(cohort)))
    changed.table = changed.table.copy()
    changed.table[f"ita_{procedure}"] = angles
    changed.table[f"ita_{procedure}_{thresholds}"] = pd.Series(
        [names[k - 1] if k else None for k in index], dtype=object
    )
    return changed


def _central(rgb: np.ndarray, mask: NDArray[np.bool_]) -> Array:
    """Angles of mean L* and mean b*, each over the masked pixels within one standard deviation of their mean."""
    colours = lab(rgb)
    means = []
    for channel in (0, 2):
        values = np.where(mask, colours[..., channel], np.nan).reshape(len(rgb), -1).astype(np.float64)
        n = np.isfinite(values).sum(axis=1)
        values[n < _MIN_PIXELS] = 0.0  # undefined below; no warnings about empty means here
        centre, spread = np.nanmean(values, axis=1)[:, None], np.nanstd(values, axis=1)[:, None] + 1e-6
        near = np.abs(values - centre) <= spread
        mean = np.where(near, values, 0).sum(axis=1) / np.maximum(near.sum(axis=1), 1)
        means.append(np.where(n < _MIN_PIXELS, np.nan, mean))
    return typology_angle(means[0], means[1])
