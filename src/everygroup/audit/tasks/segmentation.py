"""Audit of segmentation, from masks or from scores measured before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from everygroup.audit.partition import Partition
from everygroup.audit.result import Audit
from everygroup.audit.tasks.common import Features, MakeFamilies, Options, audit_task, rows_of
from everygroup.errors import PredictionsError
from everygroup.metrics._grouped import numbers
from everygroup.metrics.families import Array, Family, Index, SumFamily, Sums
from everygroup.metrics.location import dice_by_location
from everygroup.metrics.masks import MaskPairs, Masks, mask_pairs, overlap_counts
from everygroup.metrics.means import Means
from everygroup.metrics.rates import mean_defined
from everygroup.metrics.segmentation import METRICS, adjust_for_size, overlap, pixel_rate_of
from everygroup.metrics.surface import METRICS as OUTLINES
from everygroup.metrics.surface import image_boundary_f1, image_hd95

PER_IMAGE = ("dice", "iou", "hd95", "boundary_f1", "pixel_tpr", "pixel_fpr")
ADJUSTED = "dice_size_adjusted"
SIZE_BINS = 10


class Pooled(SumFamily):
    """Dice, IoU and pixel rates with the pixels of all images of a group counted together: (n, K, 4) counts."""

    metrics = ("dice_pooled", "iou_pooled", "pixel_tpr", "pixel_fpr")

    def __init__(self, counts: Array) -> None:
        self.n_classes = counts.shape[1]
        # shares of the largest image keep the sums small
        self.features = counts.reshape(len(counts), -1) / counts[..., 3].max()

    def values(self, sums: Array) -> Sums:
        """Metrics (...) from sums (..., 4K): per class, then the mean over the defined ones."""
        c = sums.reshape(*sums.shape[:-1], self.n_classes, 4)
        none = c[..., 3] <= 0  # a group without an image
        each = {
            "dice_pooled": np.where(none, np.nan, overlap(c, "dice")),
            "iou_pooled": np.where(none, np.nan, overlap(c, "iou")),
            "pixel_tpr": pixel_rate_of(c, "pixel_tpr"),
            "pixel_fpr": pixel_rate_of(c, "pixel_fpr"),
        }
        return {m: mean_defined(v) for m, v in each.items()}


def audit_segmentation(
    scores: Mapping[str, ArrayLike] | None = None,
    masks: tuple[Masks, Masks] | None = None,
    *,
    sensitive_features: Features,
    cluster: ArrayLike | None = None,
    baseline: Mapping[str, ArrayLike] | Masks | None = None,
    spacing: ArrayLike | None = None,
    classes: Sequence[int] | None = None,
    empty: float = 1.0,
    tolerance: float | None = None,
    size: ArrayLike | None = None,
    blocks: int | Sequence[int] | None = None,
    regions: ArrayLike | None = None,
    **options: Unpack[Options],
) -> Audit:
    """Measure a segmentation in every group, from masks or from scores per image that were measured before.

    From masks: Dice and IoU per image and pooled, rates of pixels, HD95 and boundary F1 with `spacing`, and Dice at one
    common lesion size (`dice_size_adjusted`). With several classes the Dice of each is in `Audit.cells`. With `blocks`
    or `regions` also Dice by location in `Audit.cells` (label 'at 2,0'), and a flag for every location at which the
    groups differ by more than chance.

    The slope of the size adjustment is taken as given: where groups differ much in lesion size, the interval of the
    adjusted gap is a little too narrow. Its null shuffles groups among lesions of similar size.

    Parameters
    ----------
    scores : (n,) values per image by metric: 'dice', 'iou', 'hd95', 'boundary_f1', 'pixel_tpr', 'pixel_fpr'; NaN where
        undefined, such as for an empty mask.
    masks : (true, predicted), each (n, H, W), (n, D, H, W) or a list of n masks; give this or `scores`.
    sensitive_features : attribute columns by name, or one sequence.
    cluster : (n,) patient of every image.
    baseline : of another model on the same images: the same scores, or its predicted masks; gives `Audit.comparison`.
    spacing : size of a pixel along every axis, for HD95 and boundary F1.
    classes, empty, tolerance : as in `everygroup.metrics.segmentation.dice` and `everygroup.metrics.surface`.
    size : (n,) size of the true lesion, with `scores`; from the masks otherwise.
    blocks, regions : as in `everygroup.metrics.location.dice_by_location`.
    **options : of `everygroup.audit.audit`: n_boot, seed, min_n, attributes, stratify, interval, intersections,
        data_set, method, run_seed.

    Raises
    ------
    PredictionsError
        For masks or scores that do not fit together, unknown or impossible scores; names image or position.

    Examples
    --------
    >>> dice = {"dice": [0.75, 0.75] * 10 + [0.5, 0.5] * 10}
    >>> result = audit_segmentation(dice, sensitive_features={"sex": ["f"] * 20 + ["m"] * 20}, n_boot=99)
    >>> result.value("sex", "gap", "dice")
    0.25
    """
    if (scores is None) == (masks is None):
        raise PredictionsError("Give scores or masks, and not both.", fix="audit_segmentation(masks=(true, predicted))")
    ours = _from_scores(scores, size) if scores is not None else _from_masks(masks, classes, empty, spacing, tolerance)
    samples = rows_of(ours.n, sensitive_features, cluster)
    theirs = None
    if baseline is not None:
        theirs = _other(baseline, ours, scores is not None, empty, spacing, tolerance)
    located: Callable[[Partition, Index], list[dict[str, Any]]] | None = None
    flags: list[str] = []
    if blocks is not None or regions is not None:
        pairs = ours.pairs
        if pairs is None:
            raise PredictionsError("Dice by location needs masks.", fix="give masks=(true, predicted)")
        n_perm, seed = options.get("n_boot", 1000), options.get("seed", 0)

        def located(part: Partition, patient: Index) -> list[dict[str, Any]]:
            group = np.where(np.isin(part.slot, part.comparable), part.slot, -1)
            found = dice_by_location(
                pairs.true,
                pairs.pred,
                sensitive_features=group,
                blocks=blocks,
                regions=regions,
                cluster=patient,
                classes=pairs.classes,
                n_perm=n_perm,
                seed=seed,
            )
            flags.extend(_location_flags(part, found.locations, found.gap, found.p_corrected))
            return [
                {
                    "attribute": part.attribute,
                    "label": f"at {place}",
                    "group": part.names[int(str(name))],
                    "metric": "dice_pooled",
                    "value": float(found.dice[g, j]),
                    "low": float(found.low[g, j]),
                    "high": float(found.high[g, j]),
                    "n": int(found.n[g, j]),
                }
                for j, place in enumerate(found.locations)
                for g, name in enumerate(found.groups)
            ]

    result = audit_task(
        samples,
        ours.families,
        headline=ours.headline,
        baseline=None if theirs is None else theirs.families,
        label=ours.size_bin,
        parts_of=ours.per_class,
        cells=located,
        crossed=ours.crossed,
        flags=ours.flags,
        settings={"task": "segmentation", **ours.settings},
        options=options,
    )
    return replace(result, flags=(*result.flags, *flags))


class _Source:
    """Values per image by metric, pooled counts if there are masks, sizes of the true lesion if known."""

    def __init__(
        self,
        values: dict[str, Array],
        *,
        size: Array | None = None,
        pairs: MaskPairs | None = None,
        counts: Array | None = None,
        empty: float = 1.0,
    ) -> None:
        self.values, self.size, self.pairs, self.counts = values, size, pairs, counts
        self.n = len(next(iter(values.values())))
        self.headline = "dice" if "dice" in values else next(iter(values))
        self.flags = [
            f"{name} is undefined in {int(np.isnan(v).sum())} of {self.n} images; they are left out of its means."
            for name, v in values.items()
            if np.isnan(v).any()
        ]
        self.settings: dict[str, Any] = {}
        self.per_class: dict[str, tuple[Index, MakeFamilies]] = {}
        if pairs is not None and counts is not None:
            self.settings = {"classes": list(pairs.classes), "empty": None if np.isnan(empty) else empty}
            everything = np.arange(self.n)
            each = overlap(counts, "dice", empty=empty)
            if len(pairs.classes) > 1:
                self.per_class = {
                    f"class {label}": (everything, _constant([Means({"dice": each[:, k]})]))
                    for k, label in enumerate(pairs.classes)
                }

    @property
    def size_bin(self) -> Index | None:
        """(n,) equally full bin of the lesion size, within which the null of the adjusted Dice shuffles groups.

        Groups whose lesions differ in size stay so in every shuffle: an error in the slope moves the null as well.
        """
        if self.size is None:
            return None
        edges = np.unique(np.quantile(self.size, np.arange(1, SIZE_BINS) / SIZE_BINS))
        return np.searchsorted(edges, self.size, side="left").astype(np.int64)

    def families(self, part: Partition) -> list[Family]:
        """Families for one attribute: the size adjustment has its groups."""
        values = dict(self.values)
        if self.size is not None and "dice" in values:
            values[ADJUSTED] = adjust_for_size(values["dice"], self.size, part.group_index())[0]
        made: list[Family] = [Means(values)]
        return made if self.counts is None else [*made, Pooled(self.counts)]

    @property
    def crossed(self) -> list[SumFamily]:
        """Families for subgroups of several attributes; the size adjustment is left out, it needs the groups of one."""
        made: list[SumFamily] = [Means(self.values)]
        return made if self.counts is None else [*made, Pooled(self.counts)]


def _constant(made: list[Family]) -> MakeFamilies:
    return lambda part: made


def _from_scores(scores: Mapping[str, ArrayLike], size: ArrayLike | None) -> _Source:
    if not isinstance(scores, Mapping) or not scores:
        raise PredictionsError("There are no scores.", fix="give a mapping such as {'dice': [...]}")
    records = {i.name: i for i in (*METRICS, *OUTLINES)}
    values: dict[str, Array] = {}
    n: int | None = None
    for name, given in scores.items():
        if name not in PER_IMAGE:
            raise PredictionsError(f"Unknown score {name!r}.", fix=f"choose among {', '.join(PER_IMAGE)}")
        values[name] = _with_nan(name, given, n)
        n = values[name].size
        info = records[name]
        wrong = (values[name] < info.low) | (values[name] > info.high)
        if wrong.any():
            at = int(wrong.argmax())
            raise PredictionsError(
                f"Position {at} of {name} is {values[name][at]:g}, outside [{info.low:g}, {info.high:g}].",
                fix="give one value per image on this scale",
            )
    sizes = None if size is None else numbers("size", size, length=n)
    if sizes is not None and (sizes < 0).any():
        raise PredictionsError(f"Position {int((sizes < 0).argmax())} of size is negative.", fix="give pixel counts")
    return _Source(values, size=sizes)


def _with_nan(name: str, given: ArrayLike, n: int | None) -> Array:
    """One number per image, NaN where undefined."""
    try:
        array = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PredictionsError(f"{name} holds values that are not numbers.", fix="give one number per image") from error
    numbers(name, np.where(np.isnan(array), 0.0, array), length=n)
    return array


def _from_masks(
    masks: tuple[Masks, Masks] | None,
    classes: Sequence[int] | None,
    empty: float,
    spacing: ArrayLike | None,
    tolerance: float | None,
) -> _Source:
    if not isinstance(masks, (tuple, list)) or len(masks) != 2:
        raise PredictionsError("masks is not (true, predicted).", fix="give two sets of masks of the same images")
    pairs = mask_pairs(masks[0], masks[1], classes=classes)
    counts = overlap_counts(pairs)
    values = {name: mean_defined(overlap(counts, name, empty=empty)) for name in ("dice", "iou")}
    if spacing is not None:
        true, pred, same = pairs.true, pairs.pred, pairs.classes
        undefined = float("nan") if np.isnan(empty) else None
        values["hd95"] = image_hd95(
            true, pred, spacing=spacing, classes=same, empty=0.0 if undefined is None else undefined
        )
        values["boundary_f1"] = image_boundary_f1(
            true, pred, spacing=spacing, classes=same, tolerance=tolerance, empty=empty
        )
    return _Source(values, size=counts[..., 1].sum(axis=-1), pairs=pairs, counts=counts, empty=empty)


def _other(
    baseline: Mapping[str, ArrayLike] | Masks,
    ours: _Source,
    scored: bool,
    empty: float,
    spacing: ArrayLike | None,
    tolerance: float | None,
) -> _Source:
    """The baseline in the form of the method."""
    if scored != isinstance(baseline, Mapping):
        raise PredictionsError(
            "The baseline and the model are of different kinds.",
            fix="give scores for both, or predicted masks for both",
        )
    if isinstance(baseline, Mapping):
        other = _from_scores(baseline, ours.size)
        if set(other.values) != set(ours.values) or other.n != ours.n:
            raise PredictionsError(
                f"The baseline has {', '.join(other.values)} of {other.n} images, the model {', '.join(ours.values)} "
                f"of {ours.n}.",
                fix="give the same scores of the same images",
            )
        other.values = {name: other.values[name] for name in ours.values}
        return other
    assert ours.pairs is not None
    return _from_masks((ours.pairs.true, baseline), ours.pairs.classes, empty, spacing, tolerance)


def _location_flags(part: Partition, places: Sequence[str], gap: Array, p: Array) -> list[str]:
    found = [j for j in np.argsort(-np.nan_to_num(gap)) if p[j] <= 0.05]
    if not found:
        return []
    shown = ", ".join(f"{places[j]} ({gap[j]:.3f}, corrected p = {p[j]:.3f})" for j in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return [f"{part.attribute}: the groups' Dice differs by more than chance at location {shown}{more}."]
