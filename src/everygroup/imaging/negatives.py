"""Groups or sites whose pictures are dark where the others are light: negatives, such as MONOCHROME1 as stored."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from everygroup.imaging.by_group import parts_of
from everygroup.mapped import take

_CELLS = 8
_MOST = 2000  # pictures that are looked at
_READ = 256
_LEAST = 10  # pictures of a group, and of the others, that are compared
_ALIKE = 0.6  # correlation from which on a picture shows the common form, or its negative
_COMMON = 0.8  # share of pictures that must do so; photographs of many things do not
_MOST_OTHERS = 0.1


def centre_and_border(images: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what of at most 2,000 pictures stays when they are mirrored: which of its parts are light.

    Parameters
    ----------
    images : uint8 (N, H, W, C)
    rows : (n,) the pictures that count.

    Returns
    -------
    forms : (m, 64), mean grey of 8 x 8 cells, averaged with both mirror images, of mean 0 and length 1; 0 for a picture
        of one grey.
    which : (m,) positions among `rows`.
    """
    which = np.arange(len(rows))
    if len(rows) > _MOST:
        which = np.sort(np.random.default_rng(0).choice(len(rows), _MOST, replace=False))
    height, width = images.shape[1:3]
    if min(height, width) < _CELLS:
        return np.zeros((0, _CELLS**2)), which[:0]
    tall, wide = height // _CELLS, width // _CELLS
    blocks = []
    for start in range(0, len(which), _READ):
        grey = take(images, rows[which[start : start + _READ]]).mean(axis=3, dtype=np.float32)
        cells = grey[:, : tall * _CELLS, : wide * _CELLS].reshape(-1, _CELLS, tall, _CELLS, wide).mean(axis=(2, 4))
        cells = cells + cells[:, :, ::-1]
        blocks.append((cells + cells[:, ::-1]).reshape(len(cells), -1).astype(np.float64))
    forms = np.concatenate([np.zeros((0, _CELLS**2)), *blocks])
    forms -= forms.mean(axis=1, keepdims=True)
    length = np.linalg.norm(forms, axis=1, keepdims=True)
    return np.divide(forms, length, out=np.zeros_like(forms), where=length > 1e-6), which


def negatives_by_group(forms: np.ndarray, which: np.ndarray, columns: Mapping[str, pd.Series]) -> list[str]:
    """Return a caution for each value of a column whose pictures are mostly negatives of the others.

    The common form is the first principal axis of the pictures; those that oppose it (correlation below -0.6) are
    negatives if fewer than those that show it, and nearly all pictures must do one or the other.

    Parameters
    ----------
    forms, which : from `centre_and_border`.
    columns : mapping of str to Series, n rows.
    """
    if len(forms) < 2 * _LEAST:
        return []
    axis = np.linalg.eigh(forms.T @ forms)[1][:, -1]
    alike = forms @ axis
    if np.mean(np.abs(alike) >= _ALIKE) < _COMMON:
        return []
    inverse = alike * (1 if np.median(alike) >= 0 else -1) <= -_ALIKE
    found = []
    for part in parts_of({c: v.iloc[which] for c, v in columns.items()}, len(forms)):
        n, others = int(part.inside.sum()), int(part.outside.sum())
        k, more = int(inverse[part.inside].sum()), int(inverse[part.outside].sum())
        if min(n, others) >= _LEAST and k > n / 2 and more <= _MOST_OTHERS * others:
            found.append(
                f"{f'All {n}' if k == n else f'{k} of {n}'} pictures of {part.name} are dark where the others are "
                f"light, {more} of {others} others: negatives (black and white exchanged), or another frame or view? "
                "Look at them, and bring all to one form before a model learns from it."
            )
    return found
