"""What SPARE chooses among on validation, and how many networks a fit then trains."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from everygroup.errors import SettingsError
from everygroup.methods.spare.options import (
    ADAPTERS,
    PAPER_SIDE,
    SUSPECT_FOLDS,
    SpareOptions,
    alphas_of,
    listed,
)
from everygroup.networks.shared_trunk import SHARED


@dataclass(frozen=True)
class Candidate:
    """One way to weigh a group's samples; several are chosen among on validation."""

    alpha: float
    temperature: float
    quantile: float

    def describe(self, weighting: str) -> str:
        """Name what can differ between candidates."""
        if weighting == "selection":
            return f"alpha={self.alpha:g} quantile={self.quantile:g}"
        return f"alpha={self.alpha:g} temperature={self.temperature:g}"


def candidates_of(spare: SpareOptions, group: str) -> list[Candidate]:
    """Return what a group's weights are chosen among; one if there is nothing to choose."""
    alphas = alphas_of(spare, group)
    temperatures, quantiles = listed(spare.temperature), spare.quantiles
    if spare.weighting == "group_frequency":
        alphas = alphas[:1]
    if spare.weighting not in ("spare", "group_weight"):
        temperatures = temperatures[:1]
    if spare.weighting != "selection":
        quantiles = quantiles[:1]
    return [Candidate(*values) for values in itertools.product(alphas, temperatures, quantiles)]


def scale_of(spare: SpareOptions) -> str:
    """Return the scale of the distances: the median where a boundary distance meets one of another unit."""
    kinds = {kind == "boundary" for kind in (spare.utility, spare.similarity) if kind != "none"}
    return "median" if spare.scale == "none" and len(kinds) == 2 else spare.scale


def size_factor(sample_shape: Sequence[int]) -> float:
    """Return what an L2 distance is multiplied with to mean on these images what it means on the paper's 128 x 128.

    A change of every pixel by the same amount is longer on larger images, by the root of their number of pixels.

    Raises
    ------
    SettingsError
        For samples that are no images.
    """
    if len(sample_shape) != 3:
        raise SettingsError("scale = 'paper_size' needs images; these samples are vectors.", fix="use scale=median")
    return PAPER_SIDE / math.sqrt(sample_shape[0] * sample_shape[1])


def is_erm(spare: SpareOptions) -> bool:
    """Tell whether nothing is the groups' own, so that ERM is all that is left."""
    return spare.sharing == "full" or (spare.sharing == ADAPTERS and spare.adapter == "lora" and spare.rank == 0)


def merges(spare: SpareOptions, groups: Sequence[str]) -> bool:
    """Tell whether there are more groups than may be kept apart."""
    return spare.merge_to is not None and spare.merge_to < len(groups) and not is_erm(spare)


def networks_of(spare: SpareOptions, groups: Sequence[str]) -> set[tuple[Any, ...]]:
    """Name the networks of a fit, see `Spare.cost`; equal names are one network, also between fits by one store.

    Names are for counting. Which groups are put together is not known before a fit, so that clusters are told apart
    from groups.
    """
    if is_erm(spare):
        return {("erm",)}
    if merges(spare, groups):
        clusters = [f"cluster {i}" for i in range(spare.merge_to or 0)]
        return {("group predictor", len(groups))} | networks_of(spare, clusters)
    first = {g: ("group model", g) for g in groups}
    predictor = ("group predictor", len(groups))
    predicted = any(spare.uses_predictor(g) for g in groups)
    measured = [g for g in groups if spare.uses_utility(g)]
    found: set[tuple[Any, ...]] = {first[g] for g in groups if spare.uses_first_networks(g)}
    if predicted:
        found.add(predictor)
    folds: list[tuple[Any, ...]] = [first[g] for g in measured]
    if predicted and spare.similarity == "boundary":
        folds.append(predictor)
    found |= {(*name, "fold", k) for name in folds for k in range(spare.cross_fit)}
    if measured and spare.suspects == "not_rewarded":
        found |= {("erm", "fold", k) for k in range(SUSPECT_FOLDS)}
    if spare.pooled or spare.initial == "erm" or spare.sharing == ADAPTERS:
        found.add(("erm",))
    if spare.sharing in SHARED:
        joint = list(zip(*(_weighings(spare, g) for g in groups), strict=True))
        return found | {("spare", j, turn) for j in joint for turn in range(spare.turns(groups))}
    return found | {
        ("spare", g, c, turn) for g in groups for c in _weighings(spare, g) for turn in range(spare.turns([g]))
    }


def _weighings(spare: SpareOptions, group: str) -> list[Candidate | None]:
    """Return what a group's weights depend on: not on alpha, where no distance is measured."""
    found = candidates_of(spare, group)
    return [None] * len(found) if spare.weighting == "group_frequency" else [*found]


def networks_trained(spare: SpareOptions, groups: Sequence[str]) -> int:
    """Count the networks of a fit, see `Spare.cost`."""
    return len(networks_of(spare, groups))
