"""SPARE's options: which values are possible, and which candidates they put up for a choice on validation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from everygroup.errors import SettingsError
from everygroup.networks.frozen_trunk import PARTS
from everygroup.networks.shared_trunk import SHARED
from everygroup.spare import SCALES, WEIGHTINGS, combined_distance, strategy_weights
from everygroup.spare.feature_distances import LEVELS

if TYPE_CHECKING:
    from everygroup.methods.spare import Spare

ON_VALIDATION = "validation"  # the alpha that is chosen there
ADAPTERS = "adapters"  # the sharing where each group has small parts on ERM's trunk
PAPER_SIZE, PAPER_SIDE = "paper_size", 128  # the scale that makes up for other image sizes, and their side
SUSPECT_FOLDS = 5  # of the cross-fit that tells which labels may be wrong
CHOICES: dict[str, tuple[str, ...]] = {
    "scale": (*SCALES, PAPER_SIZE),
    "search_preset": ("fast", "accurate"),
    "search": ("deepfool", "penalty"),
    "misclassified": ("as_is", "zero_distance", "drop"),
    "suspects": ("as_is", "not_rewarded"),
    "use": ("loss", "sampler"),
    "loss_norm": ("mean_1", "sum_w_batch", "none"),
    "initial": ("seed", "group_model", "erm"),
    "small_groups": ("error", "erm"),
    "weighting": WEIGHTINGS,
    "utility": ("boundary", "logit_gap", "none"),
    "similarity": ("boundary", "fcd", "mmd", "none"),
    "features": ("group_predictor", "group_model"),
    "feature_level": LEVELS,
    "sharing": ("none", *SHARED, ADAPTERS, "full"),
    "adapter": PARTS,
}
_LISTS = ("alphas", "quantiles")
_WHOLE = ("cross_fit", "min_group", "refresh", "rank")
_YES_OR_NO = ("keep_in_group", "shuffle", "pooled")


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


def check_options(spare: Spare) -> None:
    """Refuse impossible values, and options that exclude each other.

    Raises
    ------
    SettingsError
        For the first of them.
    """
    _check_types(spare)
    for name, allowed in CHOICES.items():
        if getattr(spare, name) not in allowed:
            raise SettingsError(f"{name} = {getattr(spare, name)!r}.", fix=f"choose one of {', '.join(allowed)}")
    alphas = spare.alpha.values() if isinstance(spare.alpha, Mapping) else [spare.alpha]
    for alpha in [*(a for a in alphas if not isinstance(a, str)), *spare.alphas]:
        combined_distance([1.0], [1.0], alpha=alpha)
    for quantile in spare.quantiles:
        strategy_weights("selection", [1.0], [0], 0, quantile=quantile)
    for temperature in _listed(spare.temperature):
        if not temperature > 0:
            raise SettingsError(f"temperature = {temperature} is not positive.", fix="use 1 for the paper's weights")
    if spare.merge_to is not None and spare.merge_to < 2:
        raise SettingsError(f"merge_to = {spare.merge_to}.", fix="use at least 2, or train method erm")
    if spare.cross_fit == 1:
        raise SettingsError(f"cross_fit = {spare.cross_fit}.", fix="use 0 for none, or at least 2 folds")
    _check_together(spare)


def _check_together(spare: Spare) -> None:
    shared = spare.sharing in SHARED
    for excluded, why, fix in (
        (
            spare.utility == spare.similarity == "none",
            "utility and similarity are both 'none'.",
            "keep one of them, or train method erm",
        ),
        (
            spare.scale == PAPER_SIZE and {spare.utility, spare.similarity} - {"boundary", "none"} != set(),
            "scale=paper_size is for boundary distances; one of these is no length in pixels.",
            "use --set scale=median",
        ),
        (
            bool(spare.refresh and spare.cross_fit),
            "refresh measures distances on networks that saw every sample; cross_fit asks for others.",
            "set one of them to 0",
        ),
        (
            shared and spare.use == "sampler",
            f"sharing={spare.sharing} trains all groups on one batch; use=sampler draws one for each.",
            "use --set use=loss",
        ),
        (
            shared and spare.initial == "group_model",
            f"sharing={spare.sharing} has one trunk and cannot start from several networks.",
            "use --set initial=seed or erm",
        ),
        (
            spare.sharing == ADAPTERS and spare.initial == "group_model",
            "sharing=adapters keeps ERM's trunk and starts from ERM.",
            "leave initial as it is",
        ),
        (
            spare.merge_to is not None and isinstance(spare.alpha, Mapping),
            "alpha names groups, and merge_to makes others of them.",
            "give one alpha, or alpha=validation",
        ),
    ):
        if excluded:
            raise SettingsError(why, fix=fix)


def _check_types(spare: Spare) -> None:
    """Refuse words where numbers belong (and true for 1): they come from the command line and from files."""
    numbers: dict[str, Any] = {}
    if isinstance(spare.alpha, Mapping):
        numbers |= {f"alpha[{g}]": a for g, a in spare.alpha.items()}
    elif spare.alpha != ON_VALIDATION:
        numbers["alpha"] = spare.alpha
    for name in _LISTS:
        values = getattr(spare, name)
        if not _is_list(values):
            raise SettingsError(f"{name} = {values!r} is no list of numbers.", fix=f"write {name}=[0.25, 0.5]")
        numbers |= {f"{name}[{i}]": v for i, v in enumerate(values)}
    if _is_list(spare.temperature):
        numbers |= {f"temperature[{i}]": v for i, v in enumerate(_listed(spare.temperature))}
    else:
        numbers["temperature"] = spare.temperature
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise SettingsError(f"{name} = {value!r} is no number.", fix=f"give {name.split('[')[0]} a number")
    for name in (*_WHOLE, *(["merge_to"] if spare.merge_to is not None else [])):
        value = getattr(spare, name)
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
            raise SettingsError(f"{name} = {value!r} is no whole number.", fix=f"give {name} 0, 1, 2, ...")
    for name in _YES_OR_NO:
        if not isinstance(getattr(spare, name), bool):
            raise SettingsError(f"{name} = {getattr(spare, name)!r}.", fix="write true or false")


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0


def _listed(value: float | Sequence[float]) -> Sequence[float]:
    return value if isinstance(value, Sequence) else [value]


def alphas_of(spare: Spare, group: str) -> tuple[float, ...]:
    """Return a group's candidates of alpha: 1 without a similarity distance, 0 without a utility distance.

    Raises
    ------
    SettingsError
        If a mapping names no value for the group.
    """
    if isinstance(spare.alpha, Mapping) and group not in spare.alpha:
        raise SettingsError(f"alpha names no value for group {group!r}.", fix="give one for every group")
    if spare.similarity == "none":
        return (1.0,)
    if spare.utility == "none":
        return (0.0,)
    if spare.alpha == ON_VALIDATION:
        return tuple(spare.alphas)
    return (spare.alpha[group] if isinstance(spare.alpha, Mapping) else spare.alpha,)  # type: ignore[return-value]


def candidates_of(spare: Spare, group: str) -> list[Candidate]:
    """Return what a group's weights are chosen among; one if there is nothing to choose."""
    alphas = alphas_of(spare, group)
    temperatures, quantiles = _listed(spare.temperature), spare.quantiles
    if spare.weighting == "group_frequency":
        alphas = alphas[:1]
    if spare.weighting not in ("spare", "group_weight"):
        temperatures = temperatures[:1]
    if spare.weighting != "selection":
        quantiles = quantiles[:1]
    return [Candidate(*values) for values in itertools.product(alphas, temperatures, quantiles)]


def scale_of(spare: Spare) -> str:
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


def is_erm(spare: Spare) -> bool:
    """Tell whether nothing is the groups' own, so that ERM is all that is left."""
    return spare.sharing == "full" or (spare.sharing == ADAPTERS and spare.adapter == "lora" and spare.rank == 0)


def merges(spare: Spare, groups: Sequence[str]) -> bool:
    """Tell whether there are more groups than may be kept apart."""
    return spare.merge_to is not None and spare.merge_to < len(groups) and not is_erm(spare)


def networks_of(spare: Spare, groups: Sequence[str]) -> set[tuple[Any, ...]]:
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


def _weighings(spare: Spare, group: str) -> list[Candidate | None]:
    """Return what a group's weights depend on: not on alpha, where no distance is measured."""
    found = candidates_of(spare, group)
    return [None] * len(found) if spare.weighting == "group_frequency" else [*found]


def networks_trained(spare: Spare, groups: Sequence[str]) -> int:
    """Count the networks of a fit, see `Spare.cost`."""
    return len(networks_of(spare, groups))
