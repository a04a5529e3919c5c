"""Dice by location: where in the image a model serves one group worse than another."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from everygroup.errors import PredictionsError
from everygroup.metrics._grouped import groups_of
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.masks import Masks, mask_pairs
from everygroup.metrics.rates import ratio_of
from everygroup.statistics import (
    cluster_index,
    majority,
    percentile_interval,
    permutation_p,
    permutation_units,
    permuted_blocks,
    replicate_blocks,
)

POINTWISE = 0.05
"""Locations whose gap has a smaller pointwise p form the spatial clusters."""


@dataclass(frozen=True)
class DiceByLocation:
    """Dice of every group at L locations, and the gap at each with its permutation p.

    Attributes
    ----------
    locations : (L,) label of the region, or the index of the block along every axis, as text ('2,0').
    groups : G names.
    dice : (G, L) pixels of a group's images pooled; NaN where no image of the group has or predicts a lesion.
    low, high : (G, L) 95 % interval, patients of the group resampled; NaN for a group of one patient.
    n : (G, L) images of the group with true or predicted lesion there.
    gap : (L,) largest minus smallest Dice of the groups; NaN where one is undefined.
    p : (L,) permutation p of the gap at this location alone.
    p_corrected : (L,) p corrected for all locations: against the largest standardised gap of every shuffle (max-T).
    p_cluster : (L,) p of the connected blocks with p <= 0.05 that this block belongs to, by their mass (sum of
        standardised gaps) against the heaviest such cluster of every shuffle; NaN elsewhere, and for label maps.
    shape : number of blocks along every axis; empty for label maps.
    n_missing : images without a group.
    """

    locations: tuple[str, ...]
    groups: tuple[Hashable, ...]
    dice: FloatArray
    low: FloatArray
    high: FloatArray
    n: IntArray
    gap: FloatArray
    p: FloatArray
    p_corrected: FloatArray
    p_cluster: FloatArray
    shape: tuple[int, ...]
    n_missing: int


def dice_by_location(
    y_true: Masks,
    y_pred: Masks,
    *,
    sensitive_features: ArrayLike,
    blocks: int | Sequence[int] | None = None,
    regions: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    classes: Sequence[int] | None = None,
    n_perm: int = 1000,
    seed: int = 0,
) -> DiceByLocation:
    """Dice of every group at every location of a common grid, and whether the groups differ there by more than chance.

    At a location the pixels of all images of a group are counted together (and all `classes` as one lesion each), since
    most single images are empty there. Images must be aligned: all of one shape, e.g. registered brain scans.

    The null shuffles groups between patients (`cluster`). Looking at many locations finds gaps by chance:
    `p_corrected` holds the family-wise error over all locations, `p_cluster` over spatial clusters of blocks.

    Parameters
    ----------
    y_true, y_pred : (n, H, W) or (n, D, H, W) bool or integer labels, 0 the background.
    sensitive_features : (n,) group of every image; missing ones are left out.
    blocks : edge length of the blocks in pixels, one number or one per axis; at the far edges blocks may be smaller.
    regions : or a label map (H, W) or (D, H, W) of regions, 0 being no region.
    cluster : (n,) patient of every image.
    classes : labels to measure; every label but 0 when not given.
    n_perm, seed : shuffles of the null, and replicates of the intervals.

    Raises
    ------
    PredictionsError
        For images of different shape, a map that does not fit, or neither or both of `blocks` and `regions`.

    References
    ----------
    Idea: Ioannou et al., demographic bias in brain MRI segmentation, FAIMI 2022. Max-T: Westfall and Young 1993;
    cluster mass: Bullmore et al. 1999.

    >>> true = np.ones((8, 2, 4), dtype=int)
    >>> pred = true.copy()
    >>> pred[4:, :, 2:] = 0  # the second group's right half is missed
    >>> found = dice_by_location(true, pred, sensitive_features=["a"] * 4 + ["b"] * 4, blocks=2, n_perm=50)
    >>> found.locations, found.gap.tolist()
    (('0,0', '0,1'), [0.0, 1.0])
    """
    pairs = mask_pairs(y_true, y_pred, classes=classes)
    shape = pairs.true[0].shape
    for i, mask in enumerate(pairs.true):
        if mask.shape != shape:
            raise PredictionsError(
                f"Image {i} has shape {mask.shape}, image 0 {shape}.", fix="align all images to one grid first"
            )
    place, names, grid = _places(shape, blocks, regions)
    group, groups = groups_of(sensitive_features, len(pairs))
    if cluster is not None and np.shape(cluster) != (len(pairs),):
        raise PredictionsError(f"cluster has shape {np.shape(cluster)} for {len(pairs)} images.", fix="give one each")
    if n_perm < 1:
        raise PredictionsError(f"{n_perm} shuffles.", fix="give at least 1")
    counts = _counts(pairs.true, pairs.pred, pairs.classes, place, len(names))
    known = np.flatnonzero(group >= 0)
    inside, n_groups = group[known], len(groups)
    sums = np.stack([counts[known][inside == g].sum(axis=0) for g in range(n_groups)]) if n_groups else counts[:0]
    touched = (counts[known][..., 1] > 0).astype(np.int64)
    n = np.stack([touched[inside == g].sum(axis=0) for g in range(n_groups)]) if n_groups else touched[:0]
    dice = _dice(sums)
    undefined = np.full(len(names), np.nan)
    gap = dice.max(axis=0) - dice.min(axis=0) if n_groups > 1 else undefined
    patient = cluster_index(np.arange(len(pairs)) if cluster is None else np.asarray(cluster))[known]
    low, high = _limits(counts[known], inside, patient, n_groups, n_perm, seed)
    p = corrected = clustered = undefined
    if n_groups > 1:
        null = _null(counts[known], inside, patient, n_groups, n_perm, seed)
        p = np.asarray(permutation_p(gap, null))
        standard, null_standard = _standardised(gap, null)
        heaviest = np.fmax.reduce(null_standard, axis=1, initial=-np.inf)
        corrected = np.where(np.isnan(gap), np.nan, permutation_p(standard, heaviest[:, None]))
        if grid:
            clustered = _cluster_p(p, standard, null, null_standard, grid)
    return DiceByLocation(
        names, tuple(groups), dice, low, high, n, gap, p, corrected, clustered, grid, int((group < 0).sum())
    )


def _places(
    shape: tuple[int, ...], blocks: int | Sequence[int] | None, regions: ArrayLike | None
) -> tuple[IntArray, tuple[str, ...], tuple[int, ...]]:
    """Location (pixels,) of every pixel, -1 for none; names; blocks along every axis."""
    if (blocks is None) == (regions is None):
        raise PredictionsError("Dice by location needs blocks or regions.", fix="give exactly one of them")
    if regions is not None:
        labels = np.asarray(regions)
        if labels.shape != shape or labels.dtype.kind not in "iu":
            raise PredictionsError(
                f"The map of regions has shape {labels.shape} and type {labels.dtype}; the images have shape {shape}.",
                fix="give integer labels on the grid of the images",
            )
        found = np.unique(labels[labels != 0])
        if not found.size:
            raise PredictionsError("The map of regions holds no region.", fix="label regions 1, 2, ...")
        flat = labels.reshape(-1)
        place = np.where(flat != 0, np.searchsorted(found, flat), -1)
        return place.astype(np.int64), tuple(str(v) for v in found.tolist()), ()
    edges = np.asarray(blocks)
    edges = np.broadcast_to(edges, (len(shape),)) if edges.ndim == 0 else edges
    if edges.shape != (len(shape),) or edges.dtype.kind not in "iu" or (edges < 1).any():
        raise PredictionsError(
            f"The blocks are {blocks} for images of shape {shape}.", fix="give one edge length, or one for every axis"
        )
    grid = tuple(-(-size // int(edge)) for size, edge in zip(shape, edges, strict=True))
    index = [np.arange(size) // int(edge) for size, edge in zip(shape, edges, strict=True)]
    place = np.ravel_multi_index(tuple(np.meshgrid(*index, indexing="ij")), grid).reshape(-1)
    return place.astype(np.int64), tuple(",".join(map(str, at)) for at in np.ndindex(*grid)), grid


def _counts(
    true: Sequence[NDArray[Any]],
    pred: Sequence[NDArray[Any]],
    classes: Sequence[int],
    place: IntArray,
    n_places: int,
) -> FloatArray:
    """(n, L, 2): intersection, and true plus predicted size, of every image at every location."""
    out = np.zeros((len(true), n_places, 2))
    inside = np.flatnonzero(place >= 0)
    at = place[inside]
    for i, (a, b) in enumerate(zip(true, pred, strict=True)):
        flat_a, flat_b = a.reshape(-1)[inside], b.reshape(-1)[inside]
        for label in classes:
            here, there = flat_a == label, flat_b == label
            out[i, :, 0] += np.bincount(at[here & there], minlength=n_places)
            out[i, :, 1] += np.bincount(at[here], minlength=n_places) + np.bincount(at[there], minlength=n_places)
    return out


def _dice(sums: FloatArray) -> FloatArray:
    return ratio_of(2 * sums[..., 0], sums[..., 1])


def _limits(
    counts: FloatArray, group: IntArray, patient: IntArray, n_groups: int, n_boot: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Percentile intervals (G, L) of the pooled Dice of every group, its patients resampled."""
    shape = (n_groups, counts.shape[1])
    low, high = np.full(shape, np.nan), np.full(shape, np.nan)
    for g in range(n_groups):
        rows = np.flatnonzero(group == g)
        own = cluster_index(patient[rows])
        n_patients = int(own.max()) + 1
        if n_patients < 2:
            continue
        by_patient = np.zeros((n_patients, *counts.shape[1:]))
        np.add.at(by_patient, own, counts[rows])
        flat = by_patient.reshape(n_patients, -1)
        blocks = replicate_blocks(np.zeros(n_patients, dtype=np.int64), n_boot, seed=seed, n_rows=flat.shape[1])
        drawn = np.concatenate(
            [_dice(np.asarray(block.T @ flat, dtype=np.float64).reshape(-1, *counts.shape[1:])) for block in blocks]
        )
        low[g], high[g] = percentile_interval(drawn)
    return low, high


def _null(counts: FloatArray, group: IntArray, patient: IntArray, n_groups: int, n_perm: int, seed: int) -> FloatArray:
    """Gaps (R, L) under groups shuffled between patients."""
    unit = permutation_units(patient, group)
    labels = majority(unit, group, n_groups)
    rows, flat = np.arange(unit.size), counts.reshape(len(counts), -1)
    gather = sparse.csr_matrix((np.ones(unit.size), (unit, rows)), shape=(labels.size, unit.size))
    by_unit = np.asarray(gather @ flat)
    gaps = []
    free = np.zeros(labels.size, dtype=np.int64)
    for block in permuted_blocks(labels, free, n_perm, seed=seed, n_rows=max(labels.size, flat.shape[1] * n_groups)):
        sums = [((block == g).T.astype(np.float64) @ by_unit).reshape(-1, *counts.shape[1:]) for g in range(n_groups)]
        dice = _dice(np.stack(sums))
        gaps.append(dice.max(axis=0) - dice.min(axis=0))
    return np.concatenate(gaps)


def _standardised(gap: FloatArray, null: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Observed and null gaps in standard deviations of the null, so that rare locations do not rule the maximum."""
    defined = ~np.isnan(null)
    count = np.maximum(defined.sum(axis=0), 1)
    mean = np.where(defined, null, 0.0).sum(axis=0) / count
    deviation = np.sqrt(np.where(defined, (null - mean) ** 2, 0.0).sum(axis=0) / count)
    # a location at which no shuffle differs shows nothing
    scale = np.where(deviation > 1e-12, deviation, np.inf)
    return (gap - mean) / scale, (null - mean) / scale


def _cluster_p(
    p: FloatArray, standard: FloatArray, null: FloatArray, null_standard: FloatArray, grid: tuple[int, ...]
) -> FloatArray:
    """p (L,) of the cluster of connected blocks that a block belongs to, by mass; NaN outside clusters."""
    from scipy import ndimage

    shuffles = len(null)
    # the rank of a shuffle among the shuffles plays the part of the observed p
    order = np.sort(np.where(np.isnan(null), -np.inf, null), axis=0)
    limit = order[max(0, int(np.ceil((1 - POINTWISE) * shuffles)) - 1)]
    high = (null > limit + 1e-12) & ~np.isnan(null)
    apart = ndimage.generate_binary_structure(len(grid) + 1, 1)
    apart[0] = apart[-1] = False  # blocks of different shuffles do not touch
    found, n_found = ndimage.label(high.reshape(shuffles, *grid), structure=apart)
    heaviest = np.zeros(shuffles)
    if n_found:
        mass = ndimage.sum_labels(np.nan_to_num(null_standard).reshape(found.shape), found, np.arange(1, n_found + 1))
        owner = ndimage.maximum(
            np.broadcast_to(np.arange(shuffles).reshape(-1, *[1] * len(grid)), found.shape),
            found,
            np.arange(1, n_found + 1),
        ).astype(np.int64)
        np.maximum.at(heaviest, owner, mass)
    out = np.full(p.size, np.nan)
    seen, n_seen = ndimage.label((np.nan_to_num(p, nan=1.0) <= POINTWISE).reshape(grid))
    for c in range(1, n_seen + 1):
        members = np.flatnonzero(seen.reshape(-1) == c)
        out[members] = permutation_p(float(standard[members].sum()), heaviest)
    return out
