"""Masks of any number of images, 2-D or 3-D, with one or more classes: checked, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import PredictionsError
from everygroup.metrics._inputs import FloatArray

Masks = ArrayLike | Sequence[ArrayLike]
"""(n, H, W) or (n, D, H, W) labels in one array, or n arrays that may differ in size."""
MAX_CLASSES = 64


@dataclass(frozen=True)
class MaskPairs:
    """True and predicted masks of n images: integer labels, 0 the background; `classes` are the labels to measure."""

    true: tuple[NDArray[Any], ...]
    pred: tuple[NDArray[Any], ...]
    classes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.true)

    @property
    def n_dimensions(self) -> int:
        """2 or 3."""
        return int(self.true[0].ndim)


def mask_pairs(y_true: Masks, y_pred: Masks, *, classes: Sequence[int] | None = None) -> MaskPairs:
    """Check masks and bring them to integer labels.

    Parameters
    ----------
    y_true, y_pred : masks of the same images in the same order: bool, or integer labels with 0 as background.
    classes : labels to measure; every label but 0 that occurs when not given.

    Raises
    ------
    PredictionsError
        For different numbers of images, masks of different shape, values that are no labels (probabilities, NaN), or
        labels written differently in both. Names the image.
    """
    true, pred = _checked("y_true", y_true), _checked("y_pred", y_pred)
    if len(true) != len(pred):
        raise PredictionsError(
            f"There are {len(true)} true masks and {len(pred)} predicted ones.", fix="give one of each for every image"
        )
    for i, (a, b) in enumerate(zip(true, pred, strict=True)):
        if a.shape != b.shape:
            raise PredictionsError(
                f"Image {i}: the true mask has shape {a.shape}, the predicted one {b.shape}.",
                fix="resample the prediction to the grid of the true mask",
            )
        if a.ndim != true[0].ndim:
            raise PredictionsError(f"Image {i} has {a.ndim} dimensions, image 0 has {true[0].ndim}.")
    if classes is not None:
        wanted = tuple(int(c) for c in classes)
        if not wanted or len(set(wanted)) < len(wanted):
            raise PredictionsError(f"The classes {list(wanted)} are empty or not unique.", fix="name every label once")
        return MaskPairs(true, pred, wanted)
    labels = [{int(v) for m in masks for v in np.unique(m)} - {0} for masks in (true, pred)]
    found = sorted(labels[0] | labels[1])
    if len(labels[0]) == len(labels[1]) == 1 and labels[0] != labels[1]:
        raise PredictionsError(
            f"The only label of the true masks is {labels[0].pop()}, that of the predicted ones {labels[1].pop()}.",
            fix="write the same label in both, or give bool masks",
        )
    if len(found) > MAX_CLASSES:
        raise PredictionsError(
            f"The masks hold {len(found)} different labels.", fix="give class labels (0 is background), or `classes`"
        )
    return MaskPairs(true, pred, tuple(found) or (1,))


def _checked(word: str, masks: Masks) -> tuple[NDArray[Any], ...]:
    try:
        arrays = tuple(np.asarray(m) for m in masks)  # type: ignore[union-attr]
    except (TypeError, ValueError) as error:
        raise PredictionsError(f"{word} holds no masks.", fix="give (n, H, W) labels or a list of arrays") from error
    if not arrays:
        raise PredictionsError(f"{word} is empty.", fix="give at least one mask")
    out = []
    for i, mask in enumerate(arrays):
        if mask.ndim not in (2, 3) or not mask.size:
            raise PredictionsError(
                f"Image {i} of {word} has shape {mask.shape}.", fix="give one 2-D or 3-D mask per image"
            )
        if mask.dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                whole = np.isfinite(mask).all() and (mask == np.round(mask)).all()
            if not whole:
                raise PredictionsError(
                    f"Image {i} of {word} holds values that are no labels, such as {_first_odd(mask):g}.",
                    fix="threshold probabilities first; a mask has no NaN",
                )
            mask = mask.astype(np.int64)
        elif mask.dtype.kind not in "biu":
            raise PredictionsError(f"Image {i} of {word} has the type {mask.dtype}.", fix="give bool or integer labels")
        if mask.dtype.kind == "i" and mask.min() < 0:
            raise PredictionsError(f"Image {i} of {word} has the label {mask.min()}.", fix="use 0 for background")
        out.append(mask)
    return tuple(out)


def _first_odd(mask: NDArray[Any]) -> float:
    flat = mask.reshape(-1)
    return float(flat[np.flatnonzero(~np.isfinite(flat) | (flat != np.round(flat)))[0]])


def overlap_counts(pairs: MaskPairs) -> FloatArray:
    """Pixel counts (n, K, 4) of every image and class: intersection, true size, predicted size, all pixels."""
    out = np.empty((len(pairs), len(pairs.classes), 4))
    for i, (true, pred) in enumerate(zip(pairs.true, pairs.pred, strict=True)):
        for k, label in enumerate(pairs.classes):
            a, b = true == label, pred == label
            out[i, k] = np.count_nonzero(a & b), np.count_nonzero(a), np.count_nonzero(b), a.size
    return out
