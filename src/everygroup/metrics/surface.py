"""Distance between the outlines of masks: HD95 and boundary F1, in the unit of the spacing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import PredictionsError
from everygroup.metrics._inputs import FloatArray
from everygroup.metrics.define import Made, of_values
from everygroup.metrics.info import INF, MetricInfo
from everygroup.metrics.masks import MaskPairs, Masks, mask_pairs
from everygroup.metrics.means import Means
from everygroup.metrics.rates import mean_defined

DIAGONAL_SHARE = 0.0075
"""Tolerance of boundary F1 as a share of the image's diagonal (Csurka et al., BMVC 2013)."""

Bool = NDArray[np.bool_]


def image_outlines(
    pairs: MaskPairs,
    spacing: ArrayLike,
    *,
    percentile: float = 95.0,
    one_empty: float | None = None,
    tolerance: float | None = None,
    empty: tuple[float, float] = (0.0, 1.0),
) -> dict[str, FloatArray]:
    """'hd95' and 'boundary_f1' (n,) of every image: per class, then the mean over the defined classes.

    The distances between two outlines are found once for both. Parameters as in `hd95` and `boundary_f1`, `empty` for
    each of the two.

    Raises
    ------
    PredictionsError
        For a spacing that does not fit the masks, a percentile outside [0, 100] or a tolerance below 0.
    """
    steps = _spacing(spacing, pairs)
    if not 0 <= percentile <= 100:
        raise PredictionsError(f"The percentile {percentile:g} is not in [0, 100].", fix="95 is usual")
    if tolerance is not None and not (np.isfinite(tolerance) and tolerance >= 0):
        raise PredictionsError(f"The tolerance is {tolerance:g}.", fix="give a distance in the unit of the spacing")
    found = np.empty((2, len(pairs), len(pairs.classes)))
    for i, (true, pred) in enumerate(zip(pairs.true, pairs.pred, strict=True)):
        diagonal = float(np.sqrt((((np.asarray(true.shape) - 1) * steps[i]) ** 2).sum()))
        near = DIAGONAL_SHARE * diagonal if tolerance is None else tolerance
        for k, label in enumerate(pairs.classes):
            a, b = true == label, pred == label
            if not a.any() and not b.any():
                found[:, i, k] = empty
            elif not a.any() or not b.any():
                found[:, i, k] = diagonal if one_empty is None else one_empty, 0.0
            else:
                there = _between(a, b, steps[i])
                # a distance that is the tolerance but for rounding is within it
                recall, precision = (float((d <= near * (1 + 1e-12)).mean()) for d in there)
                f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
                found[:, i, k] = max(float(np.percentile(d, percentile)) for d in there), f1
    return dict(zip(("hd95", "boundary_f1"), mean_defined(found), strict=True))


@of_values("HD95", best="low", high=INF, source="Huttenlocher et al. 1993; larger of two directions")
def hd95(
    y_true: Masks,
    y_pred: Masks,
    spacing: ArrayLike,
    classes: Sequence[int] | None = None,
    percentile: float = 95.0,
    empty: float = 0.0,
    one_empty: float | None = None,
) -> Made:
    """95th percentile of the Hausdorff distance: max(P95 of d(a, B), P95 of d(b, A)); range [0, inf), best 0.

    a and b run over the outlines (pixels of a mask with a neighbour, along an axis, outside it); d is the distance to
    the nearest pixel of the other outline. The larger of the two directed percentiles is taken; code that pools both
    directions before taking the percentile gives smaller values.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, classes : as in `everygroup.metrics.segmentation`.
    spacing : size of a pixel along every axis, (2,) or (3,), or one such row per image; distances have its unit.
    percentile : 100 gives the Hausdorff distance itself.
    empty : value where both masks are empty; NaN leaves them out.
    one_empty : value where only one is empty: the diagonal of the image, the largest distance there could be, when not
        given; NaN leaves such images out, and so hides failures.

    References
    ----------
    Huttenlocher et al. 1993; the diagonal for a missed lesion as in the BraTS challenges.

    >>> true, pred = [[[1, 0, 0, 0]]], [[[0, 0, 0, 1]]]
    >>> hd95(true, pred, spacing=[1.0, 0.5]).value
    1.5
    """
    pairs = mask_pairs(y_true, y_pred, classes=classes)
    found = image_outlines(pairs, spacing, percentile=percentile, one_empty=one_empty, empty=(empty, 1.0))
    return Means(found), int(np.isnan(found["hd95"]).sum())


@of_values("Boundary F1", source="Csurka, Larlus and Perronnin, BMVC 2013")
def boundary_f1(
    y_true: Masks,
    y_pred: Masks,
    spacing: ArrayLike,
    classes: Sequence[int] | None = None,
    tolerance: float | None = None,
    empty: float = 1.0,
) -> Made:
    """F1 of outlines: 2 P R / (P + R); range [0, 1], best 1.

    P is the share of the predicted outline within `tolerance` of the true one, R the share of the true outline within
    it of the predicted one (Csurka, Larlus and Perronnin, What is a good evaluation measure for semantic
    segmentation?, BMVC 2013).

    Parameters
    ----------
    y_true, y_pred, spacing, sensitive_features, classes : as in `hd95`.
    tolerance : distance in the unit of the spacing; 0.75 % of the image's diagonal when not given.
    empty : value where both masks are empty; NaN leaves them out. Where one is empty the value is 0.

    >>> true, pred = [[[1, 1, 0, 0]]], [[[0, 1, 1, 0]]]
    >>> [boundary_f1(true, pred, spacing=[1, 1], tolerance=t).value for t in (0, 1)]
    [0.5, 1.0]
    """
    found = image_outlines(
        mask_pairs(y_true, y_pred, classes=classes), spacing, tolerance=tolerance, empty=(0.0, empty)
    )
    return Means(found), int(np.isnan(found["boundary_f1"]).sum())


def _spacing(spacing: ArrayLike, pairs: MaskPairs) -> FloatArray:
    """(n, d) pixel sizes."""
    try:
        steps = np.asarray(spacing, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PredictionsError("spacing is not numbers.", fix="give the pixel size along every axis") from error
    if steps.shape not in ((pairs.n_dimensions,), (len(pairs), pairs.n_dimensions)):
        raise PredictionsError(
            f"spacing has shape {steps.shape} for {len(pairs)} masks with {pairs.n_dimensions} dimensions.",
            fix="give the pixel size along every axis, for all images or one row per image",
        )
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise PredictionsError("spacing holds values that are not positive.", fix="give the pixel size, e.g. in mm")
    return np.broadcast_to(steps, (len(pairs), pairs.n_dimensions))


def _outline(mask: Bool) -> Bool:
    from scipy import ndimage

    return np.asarray(mask & ~ndimage.binary_erosion(mask))


def _between(a: Bool, b: Bool, steps: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distances of the outline of a to that of b, and the other way; neither mask is empty."""
    from scipy import ndimage

    # nothing outside the box around both masks matters; outside it both are empty, as erosion assumes
    box = tuple(
        slice(int(at.min()), int(at.max()) + 1)
        for at in (np.flatnonzero((a | b).any(axis=tuple(j for j in range(a.ndim) if j != i))) for i in range(a.ndim))
    )
    one, two = _outline(a[box]), _outline(b[box])
    to_two = ndimage.distance_transform_edt(~two, sampling=steps)
    to_one = ndimage.distance_transform_edt(~one, sampling=steps)
    return np.asarray(to_two[one]), np.asarray(to_one[two])


METRICS: tuple[MetricInfo, ...] = (hd95.info, boundary_f1.info)
"""Records of the metrics above."""
