"""Overlap of masks by group: Dice, IoU, pixel rates, and Dice adjusted for the size of the lesion.

Per image first, then the mean over the images of a group, unless a name says 'pooled': then the pixels of all images
of a group are counted together, so that large lesions weigh more. Every metric takes

- y_true, y_pred : (n, H, W) or (n, D, H, W) bool or integer labels (0 is background), or lists of n such masks, which
  may then differ in size between images; with several labels: per label, then the mean;
- sensitive_features : (n,) group of every image; missing ones belong to no group;
- classes : labels to measure; every label but 0 that occurs when not given;
- empty : value where both masks are empty: 1, or NaN to leave such images out (they are counted in `n_undefined`);

and raises `PredictionsError` for masks that do not fit together or hold no labels, which names the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from everygroup.metrics._grouped import groups_of, measure_family
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.define import Made, of_values
from everygroup.metrics.families import Array, SumFamily, Sums
from everygroup.metrics.info import INF, MetricInfo, record
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


def _image_means(name: Overlap, y_true: Masks, y_pred: Masks, classes: Sequence[int] | None, empty: float) -> Made:
    values = image_overlap(overlap_counts(mask_pairs(y_true, y_pred, classes=classes)), name, empty=empty)
    return Means({name: values}), int(np.isnan(values).sum())


def _pooled(y_true: Masks, y_pred: Masks, classes: Sequence[int] | None, empty: float = 1.0) -> Made:
    return Pooled(overlap_counts(mask_pairs(y_true, y_pred, classes=classes)), empty=empty)


@of_values("Dice", source="Dice 1945")
def dice(y_true: Masks, y_pred: Masks, classes: Sequence[int] | None = None, empty: float = 1.0) -> Made:
    """Dice coefficient: 2 abs(A and B) / (abs(A) + abs(B)), mean over images; range [0, 1], best 1 (Dice 1945).

    >>> true = [[[1, 1], [0, 0]], [[0, 0], [0, 1]]]
    >>> pred = [[[1, 0], [0, 0]], [[0, 0], [0, 1]]]
    >>> measured = dice(true, pred, sensitive_features=["a", "b"])
    >>> round(measured.value, 6), round(measured.gap, 6)
    (0.833333, 0.333333)
    """
    return _image_means("dice", y_true, y_pred, classes, empty)


@of_values("IoU", source="Jaccard 1912")
def iou(y_true: Masks, y_pred: Masks, classes: Sequence[int] | None = None, empty: float = 1.0) -> Made:
    """Intersection over union: abs(A and B) / abs(A or B), mean over images; range [0, 1], best 1 (Jaccard 1912).

    >>> iou([[[1, 1], [0, 0]]], [[[1, 0], [0, 0]]]).value
    0.5
    """
    return _image_means("iou", y_true, y_pred, classes, empty)


@of_values("Dice (pixels pooled)", source="Dice 1945")
def dice_pooled(y_true: Masks, y_pred: Masks, classes: Sequence[int] | None = None, empty: float = 1.0) -> Made:
    """`dice` with the pixels of all images of a group counted together.

    >>> dice_pooled([[[1, 1], [0, 0]], [[0, 0], [0, 1]]], [[[1, 0], [0, 0]], [[0, 0], [0, 1]]]).value
    0.8
    """
    return _pooled(y_true, y_pred, classes, empty)


@of_values("IoU (pixels pooled)", source="Jaccard 1912")
def iou_pooled(y_true: Masks, y_pred: Masks, classes: Sequence[int] | None = None, empty: float = 1.0) -> Made:
    """`iou` with the pixels of all images of a group counted together."""
    return _pooled(y_true, y_pred, classes, empty)


@of_values("True positive rate of pixels")
def pixel_tpr(y_true: Masks, y_pred: Masks, classes: Sequence[int] | None = None) -> Made:
    """Share of the lesion's pixels that were found, over all pixels of a group; range [0, 1], best 1.

    Its gap is equal opportunity of pixels; 0 for identical masks. NaN without a lesion.

    >>> pixel_tpr([[[1, 1], [0, 0]]], [[[1, 0], [1, 0]]]).value
    0.5
    """
    return _pooled(y_true, y_pred, classes)


@of_values("False positive rate of pixels", best="low")
def pixel_fpr(y_true: Masks, y_pred: Masks, classes: Sequence[int] | None = None) -> Made:
    """Share of the other pixels that were marked, over all pixels of a group; range [0, 1], best 0.

    With `pixel_tpr` it gives the equalized odds of pixels. It shrinks with the background shown.

    >>> pixel_fpr([[[1, 1], [0, 0]]], [[[1, 0], [1, 0]]]).value
    0.5
    """
    return _pooled(y_true, y_pred, classes)


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
    `n_undefined` counts images left out: no lesion, or an undefined value.

    >>> true = [[[1, 1], [0, 0]], [[0, 0], [0, 1]]]
    >>> dice_size_adjusted(true, true, sensitive_features=["a", "b"]).gap
    0.0
    """
    counts = overlap_counts(mask_pairs(y_true, y_pred, classes=classes))
    group, _ = groups_of(sensitive_features, len(counts))
    values, _ = adjust_for_size(image_overlap(counts, "dice"), counts[..., 1].sum(axis=-1), group)
    family, undefined = Means({"dice_size_adjusted": values}), int(np.isnan(values).sum())
    return measure_family(family, "dice_size_adjusted", values.size, sensitive_features, undefined=undefined)


METRICS: tuple[MetricInfo, ...] = (
    *(m.info for m in (dice, iou, dice_pooled, iou_pooled, pixel_tpr, pixel_fpr)),
    record(
        "dice_size_adjusted",
        "Dice at the same lesion size",
        dice_size_adjusted,
        low=-INF,
        high=INF,
        optimum=1.0,
        null="label",
        source="analysis of covariance on log size",
    ),
)
"""Records of the metrics above."""
