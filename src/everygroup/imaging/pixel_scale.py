"""Pictures on another scale than the others: nearly black ones, and groups or sites that use fewer of the levels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import hypergeom, rankdata

from everygroup.cohort import Cohort
from everygroup.imaging.by_group import Part, parts_of, with_groups
from everygroup.imaging.negatives import centre_and_border, negatives_by_group
from everygroup.mapped import take

DARK = 32
"""A picture without a pixel of this level, an eighth of full scale, is nearly black."""
DIMMER = 0.4
"""Ratio of median greatest levels that makes another scale; two bits less give 0.25, dark skin 0.5."""
SEPARATE = 0.95
"""Share of pairs in the same order from which on greatest levels tell a group from the others."""
_ALPHA = 0.001
_MANY = 0.05  # share of nearly black pictures that is told of without a group; fewer are odd images
_LEAST = 10  # pictures of a group, and of the others, that are compared
_READ = 256
_OVERSHOOT = 1.25  # of resampling, by which a level may exceed the file's own


def greatest_levels(images: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Return the greatest level of each picture, 0..255, (n,), of uint8 (N, H, W, C); `rows` selects some of them."""
    rows = np.arange(len(images)) if rows is None else rows
    blocks = [take(images, rows[i : i + _READ]).max(axis=(1, 2, 3)) for i in range(0, len(rows), _READ)]
    return np.concatenate([np.zeros(0, np.uint8), *blocks])


def scale_of_cohort(cohort: Cohort) -> list[str]:
    """Return cautions about the pixel scale of a cohort's pictures, by group, label and any column that may be a site.

    Float samples, which are taken as they are, have none, nor have volumes, whose scale is their own.
    """
    columns = with_groups(cohort.table, cohort.rule.name, cohort.groups, cohort.group)
    return scale_of_images(cohort.images, columns, cohort.rows)


def scale_of_images(images: np.ndarray, columns: Mapping[str, pd.Series], rows: np.ndarray | None = None) -> list[str]:
    """Return cautions about pictures, uint8 (N, H, W, C), by the columns of their n rows; of volumes there are none."""
    if images.dtype != np.uint8 or images.ndim != 4:
        return []
    rows = np.arange(len(images)) if rows is None else rows
    found = scale_by_group(greatest_levels(images, rows), columns)
    return found + negatives_by_group(*centre_and_border(images, rows), columns)


def scale_by_group(greatest: np.ndarray, columns: Mapping[str, pd.Series]) -> list[str]:
    """Return cautions about pictures that are nearly black, or on another scale in one group.

    A group is named for nearly black pictures where it has more of them than chance gives (hypergeometric tail below
    .001, Bonferroni), by the column that tells them best; and for its scale where the greatest level of its pictures
    is below 0.4 times that of the others (medians) and smaller in 95 of 100 pairs.

    Parameters
    ----------
    greatest : ndarray, (n,)
        Greatest level of each picture, from `greatest_levels`.
    columns : mapping of str to Series, n rows
        Columns with 2 to 50 values are compared, one value against the others.
    """
    n, dark = len(greatest), greatest < DARK
    if not n:
        return []
    if dark.all():
        return [f"All {n} pictures are nearly black ({_probably(greatest)}"]
    parts = parts_of(columns, n)
    dimmer = [part for part in parts if _is_dimmer(part, greatest)]
    rest = dark & ~np.any([part.inside for part in dimmer], axis=0) if dimmer else dark
    found = _dark_parts(rest, greatest, parts)
    if rest.mean() >= _MANY and not found:
        found = [f"{rest.sum()} of {n} pictures are nearly black ({_probably(greatest[rest])}"]
    return found + [_scale_told(part, greatest) for part in dimmer]


def _dark_parts(dark: np.ndarray, greatest: np.ndarray, parts: list[Part]) -> list[str]:
    told: list[tuple[float, str, str]] = []
    for part in parts:
        n, others = int(part.inside.sum()), int(part.outside.sum())
        k, more = int(dark[part.inside].sum()), int(dark[part.outside].sum())
        p = float(hypergeom.sf(k - 1, n + others, k + more, n)) if k else 1.0
        if p * len(parts) < _ALPHA:
            text = f"{f'All {n}' if k == n else f'{k} of {n}'} pictures of {part.name} are nearly black, "
            text += f"{more} of {others} others ({_probably(greatest[part.inside & dark])}"
            told.append((p, part.column, text))
    best = min(told, default=None, key=lambda row: row[0])
    return [] if best is None else [text for _, column, text in told if column == best[1]]


def _is_dimmer(part: Part, greatest: np.ndarray) -> bool:
    """Tell whether a part is on a darker scale; one that is nearly black is told of as such."""
    if min(part.inside.sum(), part.outside.sum()) < _LEAST:
        return False
    low, high = np.median(greatest[part.inside]), np.median(greatest[part.outside])
    return bool(DARK <= low < DIMMER * high and _order(greatest, part.outside, part.inside) >= SEPARATE)


def _scale_told(part: Part, greatest: np.ndarray) -> str:
    low, high = np.median(greatest[part.inside]), np.median(greatest[part.outside])
    return (
        f"Pictures of {part.name} are on a darker scale: their brightest pixel is {low:.0f} of 255 "
        f"(n = {part.inside.sum()}), that of the others {high:.0f} (n = {part.outside.sum()}; medians). Fewer bits, "
        "or another window? Bring all to one scale before a model learns from it."
    )


def _order(values: np.ndarray, one: np.ndarray, rest: np.ndarray) -> float:
    """Share of pairs in which the one is greater; ties count half (Mann and Whitney 1947)."""
    both = np.concatenate([values[one], values[rest]])
    n, m = int(one.sum()), int(rest.sum())
    return float((rankdata(both)[:n].sum() - n * (n + 1) / 2) / (n * m))


def _probably(greatest: np.ndarray) -> str:
    """The brightest pixel, and how many bits of sixteen would make it."""
    top = int(greatest.max())
    bits = next(b for b in (8, 10, 12, 14) if top <= _OVERSHOOT * (2**b - 1) / 257)
    return (
        f"brightest pixel {top} of 255). If their files have 16 bits, which count to 65535, these are probably "
        f"{bits}-bit values: multiply all of these files by {2 ** (16 - bits)} and prepare them again."
    )
