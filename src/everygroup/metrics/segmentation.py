"""Overlap of masks by group: Dice, IoU, pixel rates, and Dice adjusted for the size of the lesion.

Per image first, then the mean over the images of a group, unless a name says 'pooled': then the pixels of all images
of a group are counted together, so that large lesions weigh more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import PredictionsError
from everygroup.metrics._grouped import groups_of, measure_rows, numbers, record
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.masks import Masks, mask_pairs, overlap_counts
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import mean_defined, ratio_of

Overlap = Literal["dice", "iou"]
PixelRate = Literal["pixel_tpr", "pixel_fpr"]
DICE_SOURCE = "Dice 1945"
IOU_SOURCE = "Jaccard 1912"


def overlap(counts: ArrayLike, name: Overlap, *, empty: float = 1.0) -> FloatArray:
    """Dice or IoU (...,) from pixel counts (..., 4) of `overlap_counts`; `empty` where both masks are empty."""
    c = np.asarray(counts, dtype=np.float64)
    inside, total = c[..., 0], c[..., 1] + c[..., 2]
    return ratio_of(2 * inside, total, empty) if name == "dice" else ratio_of(inside, total - inside, empty)


def pixel_rate_of(counts: ArrayLike, name: PixelRate) -> FloatArray:
    """True or false positive rate (...,) of pixels from counts (..., 4); 0/0 is undefined."""
    c = np.asarray(counts, dtype=np.float64)
    if name == "pixel_tpr":
        return ratio_of(c[..., 0], c[..., 1])
    return ratio_of(c[..., 2] - c[..., 0], c[..., 3] - c[..., 1])


def image_overlap(
    y_true: Masks, y_pred: Masks, *, name: Overlap = "dice", classes: Sequence[int] | None = None, empty: float = 1.0
) -> FloatArray:
    """Dice or IoU (n,) of every image: per class, then the mean over the defined classes.

    Examples
    --------
    >>> image_overlap([[[1, 1], [0, 0]]], [[[1, 0], [0, 0]]]).round(6).tolist()
    [0.666667]
    """
    return mean_defined(overlap(overlap_counts(mask_pairs(y_true, y_pred, classes=classes)), name, empty=empty))


def mean_by_group(values: FloatArray, sensitive_features: ArrayLike | None) -> Measured:
    """Mean of the defined values (n,) overall and by group; `n_undefined` counts the samples left out as NaN."""
    m = measure_rows(lambda rows: float(mean_defined(values[rows])), values.size, sensitive_features)
    return Measured(m.value, m.per_group, m.n_per_group, m.n, m.n_missing, int(np.isnan(values).sum()))


def _measure_overlap(
    name: Overlap,
    y_true: Masks,
    y_pred: Masks,
    sensitive_features: ArrayLike | None,
    classes: Sequence[int] | None,
    empty: float,
    pooled: bool,
) -> Measured:
    counts = overlap_counts(mask_pairs(y_true, y_pred, classes=classes))
    if not pooled:
        return mean_by_group(mean_defined(overlap(counts, name, empty=empty)), sensitive_features)

    def one(rows: IntArray) -> float:
        return float(mean_defined(overlap(counts[rows].sum(axis=0), name, empty=empty)))

    return measure_rows(one, len(counts), sensitive_features)


def dice(
    y_true: Masks,
    y_pred: Masks,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[int] | None = None,
    empty: float = 1.0,
    pooled: bool = False,
) -> Measured:
    """Dice coefficient: 2 abs(A and B) / (abs(A) + abs(B)); range [0, 1], best 1 (Dice 1945).

    Parameters
    ----------
    y_true, y_pred : (n, H, W) or (n, D, H, W) bool or integer labels (0 is background), or lists of n such masks,
        which may then differ in size between images. With several labels: per label, then the mean.
    sensitive_features : (n,) group of every image; missing ones belong to no group.
    classes : labels to measure; every label but 0 that occurs when not given.
    empty : value where both masks are empty: 1, or NaN to leave such images out (they are counted in `n_undefined`).
    pooled : count the pixels of all images together instead of taking the mean over images.

    Raises
    ------
    PredictionsError
        For masks that do not fit together or hold no labels; names the image.

    Examples
    --------
    >>> true = [[[1, 1], [0, 0]], [[0, 0], [0, 1]]]
    >>> pred = [[[1, 0], [0, 0]], [[0, 0], [0, 1]]]
    >>> measured = dice(true, pred, sensitive_features=["a", "b"])
    >>> round(measured.value, 6), round(measured.gap, 6)
    (0.833333, 0.333333)
    >>> round(dice(true, pred, pooled=True).value, 6)
    0.8
    """
    return _measure_overlap("dice", y_true, y_pred, sensitive_features, classes, empty, pooled)


def iou(
    y_true: Masks,
    y_pred: Masks,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[int] | None = None,
    empty: float = 1.0,
    pooled: bool = False,
) -> Measured:
    """Intersection over union: abs(A and B) / abs(A or B); range [0, 1], best 1 (Jaccard 1912).

    Parameters as in `dice`.

    Examples
    --------
    >>> iou([[[1, 1], [0, 0]]], [[[1, 0], [0, 0]]]).value
    0.5
    """
    return _measure_overlap("iou", y_true, y_pred, sensitive_features, classes, empty, pooled)


def _pixel_rate(
    name: PixelRate,
    y_true: Masks,
    y_pred: Masks,
    sensitive_features: ArrayLike | None,
    classes: Sequence[int] | None,
) -> Measured:
    counts = overlap_counts(mask_pairs(y_true, y_pred, classes=classes))

    def one(rows: IntArray) -> float:
        return float(mean_defined(pixel_rate_of(counts[rows].sum(axis=0), name)))

    return measure_rows(one, len(counts), sensitive_features)


def pixel_tpr(
    y_true: Masks,
    y_pred: Masks,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[int] | None = None,
) -> Measured:
    """Share of the lesion's pixels that were found, over all pixels of a group; range [0, 1], best 1.

    Its gap is equal opportunity of pixels; 0 for identical masks. Parameters as in `dice`; NaN without a lesion.

    Examples
    --------
    >>> pixel_tpr([[[1, 1], [0, 0]]], [[[1, 0], [1, 0]]]).value
    0.5
    """
    return _pixel_rate("pixel_tpr", y_true, y_pred, sensitive_features, classes)


def pixel_fpr(
    y_true: Masks,
    y_pred: Masks,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[int] | None = None,
) -> Measured:
    """Share of the other pixels that were marked, over all pixels of a group; range [0, 1], best 0.

    With `pixel_tpr` it gives the equalized odds of pixels. It shrinks with the background shown. Parameters as in
    `dice`.

    Examples
    --------
    >>> pixel_fpr([[[1, 1], [0, 0]]], [[[1, 0], [1, 0]]]).value
    0.5
    """
    return _pixel_rate("pixel_fpr", y_true, y_pred, sensitive_features, classes)


def adjust_for_size(values: FloatArray, size: FloatArray, group: IntArray) -> tuple[FloatArray, float]:
    """Take the linear effect of log size out of values.

    The slope is that within groups (one regression with an intercept for every group), so that a true difference
    between groups is not taken for one of size; values are moved to the mean log size of all used samples.

    Parameters
    ----------
    values : (n,) Dice, NaN where undefined; size : (n,) size of the true lesion, 0 where there is none.
    group : (n,) index, -1 missing (an intercept of its own).

    Returns
    -------
    adjusted (n,), NaN where size is 0 or the value undefined, and the slope per unit of natural-log size (NaN when
    sizes do not vary within a group: then nothing is adjusted).
    """
    used = np.flatnonzero((size > 0) & ~np.isnan(values))
    out = np.full(values.shape, np.nan)
    if not used.size:
        return out, float("nan")
    log_size, y = np.log(size[used]), values[used]
    _, at = np.unique(group[used], return_inverse=True)
    n = np.bincount(at)
    within = log_size - (np.bincount(at, weights=log_size) / n)[at]
    spread = float(within @ within)
    if spread <= 1e-12 * max(1.0, float(log_size @ log_size)):
        out[used] = y
        return out, float("nan")
    slope = float(within @ (y - y.mean())) / spread  # centred: equal values give a slope of exactly 0
    out[used] = y - slope * (log_size - log_size.mean())
    return out, slope


def size_adjusted(values: ArrayLike, size: ArrayLike, *, sensitive_features: ArrayLike) -> Measured:
    """Mean Dice (or another value per image) of every group at one common lesion size (analysis of covariance).

    value - b (log size - mean log size), with b the slope of the value on log size within groups. Small lesions have
    a lower Dice at the same boundary error, so a group with smaller lesions looks worse; what is left here is not
    explained by size. Adjusted means may leave [0, 1]. `n_undefined` counts images left out: no lesion, or an
    undefined value.

    Parameters
    ----------
    values : (n,) Dice of every image, NaN where undefined.
    size : (n,) size of the true lesion (pixels or mm^3), 0 where there is none.
    sensitive_features : (n,) group of every image.

    Examples
    --------
    >>> size = [10, 100, 100, 1000]
    >>> measured = size_adjusted([0.5, 0.7, 0.7, 0.9], size, sensitive_features=["a", "a", "b", "b"])
    >>> round(measured.gap, 12), round(measured.per_group["a"], 12)
    (0.0, 0.7)
    """
    dice_values = _values_with_nan("values", values)
    sizes = numbers("size", size, length=dice_values.size)
    if (sizes < 0).any():
        raise PredictionsError(f"Position {int((sizes < 0).argmax())} of size is negative.", fix="give pixel counts")
    group, _ = groups_of(sensitive_features, sizes.size)
    return mean_by_group(adjust_for_size(dice_values, sizes, group)[0], sensitive_features)


def dice_size_adjusted(
    y_true: Masks,
    y_pred: Masks,
    *,
    sensitive_features: ArrayLike,
    classes: Sequence[int] | None = None,
) -> Measured:
    """`size_adjusted` of the Dice of masks, by the number of true pixels of all `classes` together.

    Examples
    --------
    >>> true = [[[1, 1], [0, 0]], [[0, 0], [0, 1]]]
    >>> dice_size_adjusted(true, true, sensitive_features=["a", "b"]).gap
    0.0
    """
    counts = overlap_counts(mask_pairs(y_true, y_pred, classes=classes))
    values = mean_defined(overlap(counts, "dice"))
    return size_adjusted(values, counts[..., 1].sum(axis=-1), sensitive_features=sensitive_features)


def _values_with_nan(word: str, values: ArrayLike) -> FloatArray:
    """One number per sample, NaN where undefined."""
    array = np.asarray(values, dtype=np.float64)
    numbers(word, np.where(np.isnan(array), 0.0, array))
    return array


METRICS: tuple[MetricInfo, ...] = (
    record("dice", "Dice", dice, source=DICE_SOURCE),
    record("iou", "IoU", iou, source=IOU_SOURCE),
    record("dice_pooled", "Dice (pixels pooled)", partial(dice, pooled=True), source=DICE_SOURCE),
    record("iou_pooled", "IoU (pixels pooled)", partial(iou, pooled=True), source=IOU_SOURCE),
    record("pixel_tpr", "True positive rate of pixels", pixel_tpr),
    record("pixel_fpr", "False positive rate of pixels", pixel_fpr, optimum=0.0),
    record(
        "dice_size_adjusted",
        "Dice at the same lesion size",
        dice_size_adjusted,
        low=float("-inf"),
        high=float("inf"),
        optimum=1.0,
        null="label",
        source="analysis of covariance on log size",
    ),
)
"""Registry records of this file."""
