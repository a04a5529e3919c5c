"""Audit of segmentation, from masks or from scores measured before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from everygroup.audit.driver import Features, MakeFamilies, Options, Task, rows_of, run
from everygroup.audit.flags import Flag
from everygroup.audit.partition import Partition
from everygroup.audit.result import Audit
from everygroup.audit.tasks.per_image import checked_scores, same_scores, undefined_flags
from everygroup.errors import PredictionsError
from everygroup.metrics._grouped import numbers
from everygroup.metrics.families import Array, Family, Index, SumFamily
from everygroup.metrics.location import DiceByLocation, dice_by_location
from everygroup.metrics.masks import MaskPairs, Masks, mask_pairs, overlap_counts
from everygroup.metrics.means import Means
from everygroup.metrics.segmentation import Pooled, adjust_for_size, image_overlap, overlap
from everygroup.metrics.surface import image_outlines
from everygroup.predictions.task import OF_MASKS

ADJUSTED = "dice_size_adjusted"
SIZE_BINS = 10


@dataclass(frozen=True)
class _Images:
    """Values (n,) per image by metric; with masks their pixel counts; the sizes of the true lesions if known."""

    values: dict[str, Array]
    size: Array | None = None
    pairs: MaskPairs | None = None
    counts: Array | None = None
    empty: float = 1.0

    @classmethod
    def of_scores(cls, scores: Mapping[str, ArrayLike], size: ArrayLike | None) -> _Images:
        """Check values that were measured before."""
        values = checked_scores(scores, OF_MASKS)
        n = len(next(iter(values.values())))
        sizes = None if size is None else numbers("size", size, length=n)
        if sizes is not None and (sizes < 0).any():
            raise PredictionsError(
                f"Position {int((sizes < 0).argmax())} of size is negative.", fix="give pixel counts"
            )
        return cls(values, sizes)

    @classmethod
    def of_masks(
        cls,
        masks: tuple[Masks, Masks] | None,
        classes: Sequence[int] | None,
        empty: float,
        spacing: ArrayLike | None,
        tolerance: float | None,
    ) -> _Images:
        """Check and measure masks."""
        if not isinstance(masks, (tuple, list)) or len(masks) != 2:
            raise PredictionsError("masks is not (true, predicted).", fix="give two sets of masks of the same images")
        pairs = mask_pairs(masks[0], masks[1], classes=classes)
        counts = overlap_counts(pairs)
        values = {"dice": image_overlap(counts, "dice", empty=empty), "iou": image_overlap(counts, "iou", empty=empty)}
        if spacing is not None:
            no_distance = float("nan") if np.isnan(empty) else 0.0
            values |= image_outlines(pairs, spacing, tolerance=tolerance, empty=(no_distance, empty))
        return cls(values, counts[..., 1].sum(axis=-1), pairs, counts, empty)

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    @property
    def headline(self) -> str:
        """Dice, or the first value there is."""
        return "dice" if "dice" in self.values else next(iter(self.values))

    @property
    def size_bin(self) -> Index | None:
        """(n,) equally full bin of the lesion size, within which the null of the adjusted Dice shuffles groups.

        Groups whose lesions differ in size stay so in every shuffle: an error in the slope moves the null as well.
        """
        if self.size is None:
            return None
        edges = np.unique(np.quantile(self.size, np.arange(1, SIZE_BINS) / SIZE_BINS))
        return np.searchsorted(edges, self.size, side="left").astype(np.int64)

    def summed(self, more: Mapping[str, Array] | None = None) -> list[SumFamily]:
        """Families for any groups, with further values per image."""
        made: list[SumFamily] = [Means({**self.values, **(more or {})})]
        return made if self.counts is None else [*made, Pooled(self.counts, empty=self.empty)]

    def families(self, part: Partition) -> list[Family]:
        """Families for one attribute: the size adjustment has its groups."""
        if self.size is None or "dice" not in self.values:
            return [*self.summed()]
        return [*self.summed({ADJUSTED: adjust_for_size(self.values["dice"], self.size, part.group_index())[0]})]

    def per_class(self) -> dict[str, tuple[Index, MakeFamilies]]:
        """Dice of every class, where there are several."""
        if self.pairs is None or self.counts is None or len(self.pairs.classes) < 2:
            return {}
        each, everything = overlap(self.counts, "dice", empty=self.empty), np.arange(len(self))

        def of_class(k: int) -> MakeFamilies:
            return lambda part: [Means({"dice": each[:, k]})]

        return {f"class {label}": (everything, of_class(k)) for k, label in enumerate(self.pairs.classes)}

    def other(
        self, baseline: Mapping[str, ArrayLike] | Masks, spacing: ArrayLike | None, tolerance: float | None
    ) -> _Images:
        """Another model on the same images, in the form of this one."""
        if (self.pairs is None) != isinstance(baseline, Mapping):
            raise PredictionsError(
                "The baseline and the model are of different kinds.",
                fix="give scores for both, or predicted masks for both",
            )
        if not isinstance(baseline, Mapping):
            assert self.pairs is not None
            return _Images.of_masks((self.pairs.true, baseline), self.pairs.classes, self.empty, spacing, tolerance)
        other = _Images.of_scores(baseline, self.size)
        return replace(other, values=same_scores(other.values, self.values))


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
    ours = (
        _Images.of_masks(masks, classes, empty, spacing, tolerance)
        if scores is None
        else _Images.of_scores(scores, size)
    )
    samples = rows_of(len(ours), sensitive_features, cluster)
    theirs = None if baseline is None else ours.other(baseline, spacing, tolerance)
    pairs, flags = ours.pairs, list[Flag]()
    if pairs is None and (blocks is not None or regions is not None):
        raise PredictionsError("Dice by location needs masks.", fix="give masks=(true, predicted)")

    def located(part: Partition, patient: Index) -> list[dict[str, Any]]:
        assert pairs is not None
        found = dice_by_location(
            pairs.true,
            pairs.pred,
            sensitive_features=np.where(np.isin(part.slot, part.comparable), part.slot, -1),
            blocks=blocks,
            regions=regions,
            cluster=patient,
            classes=pairs.classes,
            n_perm=options.get("n_boot", 1000),
            seed=options.get("seed", 0),
        )
        flags.extend(_location_flags(part, found))
        return _location_rows(part, found)

    settings: dict[str, Any] = {}
    if pairs is not None:
        settings |= {"classes": list(pairs.classes), "empty": None if np.isnan(empty) else empty}
    result = run(
        Task(
            "segmentation",
            samples,
            ours.families,
            headline=ours.headline,
            baseline=None if theirs is None else theirs.families,
            label=ours.size_bin,
            parts_of=ours.per_class(),
            cells=None if blocks is None and regions is None else located,
            crossed=ours.summed(),
            flags=undefined_flags(ours.values),
            settings=settings,
        ),
        options,
    )
    return result.heeding(flags)


def _location_rows(part: Partition, found: DiceByLocation) -> list[dict[str, Any]]:
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


def _location_flags(part: Partition, found: DiceByLocation) -> list[Flag]:
    """What to heed where the groups differ at a location."""
    gap, p = found.gap, found.p_corrected
    worst = [j for j in np.argsort(-np.nan_to_num(gap)) if p[j] <= 0.05]
    if not worst:
        return []
    shown = ", ".join(f"{found.locations[j]} ({gap[j]:.3f}, corrected p = {p[j]:.3f})" for j in worst[:5])
    more = f" and {len(worst) - 5} more" if len(worst) > 5 else ""
    text = f"{part.attribute}: the groups' Dice differs by more than chance at location {shown}{more}."
    return [Flag("caution", text, part.attribute, "dice_pooled")]
