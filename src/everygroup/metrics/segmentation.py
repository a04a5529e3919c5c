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

from everygroup.metrics._grouped import groups_of, measure_family, record
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.families import Array, SumFamily, Sums
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.masks import Masks, mask_pairs, overlap_counts
from everygroup.metrics.means import Means
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import mean_defined, ratio_of

Overlap = Literal["dice", "iou"]


def overlap(counts: ArrayLike, name: Overlap, *, empty: float = 1.0) -> FloatArray:
    """Dice or IoU (...,) from pixel counts (..., 4) of `overlap_counts`; `empty` where both masks are empty."""
    c = np.asarray(counts, dtype=np.float64)
    inside, total = c[..., 0], c[..., 1] + c[..., 2]
    return ratio_of(2 * inside, total, empty) if name == "dice" else ratio_of(inside, total - inside, empty)


def image_overlap(counts: ArrayLike, name: Overlap, *, empty: float = 1.0) -> FloatArray:
    """Dice or IoU (n,) of every image from counts (n, K, 4): per class, then the mean over the defined classes."""
    return mean_defined(overlap(counts, name, empty=empty))


class Pooled(SumFamily):
    """Dice, IoU and pixel rates with the pixels of all images of a group counted together.

    Parameters
    ----------
    counts : (n, K, 4) of `overlap_counts`.
    empty : Dice and IoU where a group has images and no pixel in either mask.
    """

    metrics = ("dice_pooled", "iou_pooled", "pixel_tpr", "pixel_fpr")

    def __init__(self, counts: Array, *, empty: float = 1.0) -> None:
        self.n_classes, self.empty = counts.shape[1], empty
        # shares of the largest image keep the sums small
        self.features = counts.reshape(len(counts), -1) / counts[..., 3].max()

    def values(self, sums: Array) -> Sums:
        """Metrics (...) from sums (..., 4K): per class, then the mean over the defined ones."""
        c = sums.reshape(*sums.shape[:-1], self.n_classes, 4)
        none = c[..., 3] <= 0  # a group without an image
        each = {
            "dice_pooled": np.where(none, np.nan, overlap(c, "dice", empty=self.empty)),
            "iou_pooled": np.where(none, np.nan, overlap(c, "iou", empty=self.empty)),
            "pixel_tpr": ratio_of(c[..., 0], c[..., 1]),
            "pixel_fpr": ratio_of(c[..., 2] - c[..., 0], c[..., 3] - c[..., 1]),
        }
        return {m: mean_defined(v) for m, v in each.items()}


def mean_by_group(name: str, values: FloatArray, sensitive_features: ArrayLike | None) -> Measured:
    """Mean of the defined values (n,) overall and by group; `n_undefined` counts the samples left out as NaN."""
    undefined = int(np.isnan(values).sum())
    return measure_family(Means({name: values}), name, values.size, sensitive_features, undefined=undefined)


def _measure(
    name: Overlap,
    y_true: Masks,
    y_pred: Masks,
    sensitive_features: ArrayLike | None,
    classes: Sequence[int] | None,
    empty: float,
    pooled: bool,
) -> Measured:
    counts = overlap_counts(mask_pairs(y_true, y_pred, classes=classes))
    if pooled:
        return measure_family(Pooled(counts, empty=empty), f"{name}_pooled", len(counts), sensitive_features)
    return mean_by_group(name, image_overlap(counts, name, empty=empty), sensitive_features)


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
    return _measure("dice", y_true, y_pred, sensitive_features, classes, empty, pooled)


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
    return _measure("iou", y_true, y_pred, sensitive_features, classes, empty, pooled)


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
    counts = overlap_counts(mask_pairs(y_true, y_pred, classes=classes))
    return measure_family(Pooled(counts), "pixel_tpr", len(counts), sensitive_features)


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
    counts = overlap_counts(mask_pairs(y_true, y_pred, classes=classes))
    return measure_family(Pooled(counts), "pixel_fpr", len(counts), sensitive_features)


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


def dice_size_adjusted(
    y_true: Masks,
    y_pred: Masks,
    *,
    sensitive_features: ArrayLike,
    classes: Sequence[int] | None = None,
) -> Measured:
    """Mean Dice of every group at one common lesion size (analysis of covariance); any number, best 1.

    value - b (log size - mean log size), with b the slope of the value on log size within groups and the size that of
    the true pixels of all `classes` together. Small lesions have a lower Dice at the same boundary error, so a group
    with smaller lesions looks worse; what is left here is not explained by size. Adjusted means may leave [0, 1].
    `n_undefined` counts images left out: no lesion, or an undefined value. Parameters as in `dice`.

    Examples
    --------
    >>> true = [[[1, 1], [0, 0]], [[0, 0], [0, 1]]]
    >>> dice_size_adjusted(true, true, sensitive_features=["a", "b"]).gap
    0.0
    """
    counts = overlap_counts(mask_pairs(y_true, y_pred, classes=classes))
    group, _ = groups_of(sensitive_features, len(counts))
    values, _ = adjust_for_size(image_overlap(counts, "dice"), counts[..., 1].sum(axis=-1), group)
    return mean_by_group("dice_size_adjusted", values, sensitive_features)


METRICS: tuple[MetricInfo, ...] = (
    record("dice", "Dice", dice, source="Dice 1945"),
    record("iou", "IoU", iou, source="Jaccard 1912"),
    record("dice_pooled", "Dice (pixels pooled)", partial(dice, pooled=True), source="Dice 1945"),
    record("iou_pooled", "IoU (pixels pooled)", partial(iou, pooled=True), source="Jaccard 1912"),
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
