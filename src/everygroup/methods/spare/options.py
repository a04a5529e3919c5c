"""SPARE's options: what they mean, which values are possible, and what of Algorithm 1 they ask for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from everygroup.errors import SettingsError
from everygroup.methods.base import Method
from everygroup.networks.frozen_trunk import PARTS
from everygroup.networks.shared_trunk import SHARED
from everygroup.spare import SCALES, WEIGHTINGS, combined_distance, strategy_weights
from everygroup.spare.feature_distances import LEVELS
from everygroup.spare.weighting import QUANTILES

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


class SpareOptions(Method):
    """Algorithm 1 of the paper, for any number of groups.

    1. A diagnosis network f_t per group, on the group's own samples. 2. A group predictor f_g on everybody.
    3. Utility distance of every training sample to f_t's boundary and similarity distance to f_g's region of t.
    4. Weights exp(-(alpha d_U + (1 - alpha) d_S)). 5. A network f_t* per group, on everybody with fixed weights.

    Where alpha, the temperature or selection's quantile is chosen on validation, every candidate is trained with the
    full number of updates, and the one with the largest macro F1 on the target group's validation samples is taken
    (the first among equals; with a shared trunk one for all groups, by the mean of their macro F1). `cost` counts them.

    Parameters
    ----------
    alpha : float, mapping of group to float, or 'validation'
        0 = similarity only, 1 = utility only (no group predictor is trained); the paper uses 0.5. 'validation': chosen
        for each group among `alphas`.
    scale, temperature : str, float or list of float
        See `everygroup.spare.spare_weights`; 'none' and 1 are the paper's. 'none' becomes 'median' where a boundary
        distance is combined with one of another unit. 'paper_size' multiplies boundary distances by 128 / sqrt(H W),
        since L2 grows with an image's size and the paper's have 128 x 128 pixels. Of several temperatures one is
        chosen on validation.
    search_preset : {'fast', 'accurate'}
        Work of the boundary search; see `everygroup.boundary.minimal_perturbation`.
    search : {'deepfool', 'penalty'}
        'penalty' is the paper's formulation (beta = 100).
    cross_fit : int
        0 = the paper: in-group distances come from networks that were trained on these very samples. k >= 2 measures
        every training sample on networks of a k-fold cross-fit that have not seen its patient (not 'fcd' and 'mmd'). A
        fold without which one class is left is measured on the network that has seen it, with a warning.
    misclassified : {'as_is', 'zero_distance', 'drop'}
        What f_t's errors on training samples mean: nothing (paper), utility distance 0, or weight 0.
    min_group : int
        A group with fewer training samples has no reliable f_t; its utility distances come from ERM (with `cross_fit`
        from k more networks of everybody, which `cost` does not count).
    use : {'loss', 'sampler'}
        Weights multiply the loss (paper), or are probabilities of being drawn.
    loss_norm : {'mean_1', 'sum_w_batch', 'none'}
        Weights are rescaled once to mean 1, so that learning rates mean the same as in ERM; or divided by each
        batch's sum; or taken as they are (the paper's text mentions no rescaling).
    initial : {'seed', 'group_model', 'erm'}
        Initial weights of f_t*: the seed's, as for every method; or a warm start from f_t or ERM.
    small_groups : {'error', 'erm'}
        As in `GroupModel`. Where only one group has training samples, no group predictor can be trained: with 'erm',
        ERM then answers for everybody.
    pooled : bool
        Also train ERM, to answer where no group is known and no group predictor is wanted.
    alphas : sequence of float
        Candidates of alpha='validation'.
    weighting : {'spare', 'group_weight', 'group_frequency', 'selection', 'ranking'}
        Map from distances to weights (Table 4), see `everygroup.spare.strategy_weights`. 'selection' chooses its
        threshold among `quantiles`; 'group_frequency' needs no distance.
    quantiles : sequence of float
    keep_in_group : bool
        Selection keeps all samples of the target group.
    shuffle : bool
        Control: weights are permuted within each source group, by the seed.
    utility : {'boundary', 'logit_gap', 'none'}
        Distance for d_U: to f_t's boundary, or between f_t's two largest probabilities (Table 5).
    similarity : {'boundary', 'fcd', 'mmd', 'none'}
        Distance for d_S: to f_g's region of t; or of features, see `everygroup.spare.centroid_distance` and
        `mean_discrepancy`. 'none' means alpha = 1, and utility 'none' alpha = 0.
    features : {'group_predictor', 'group_model'}
        Whose penultimate features 'fcd' and 'mmd' use: f_g's or f_t's.
    feature_level : {'sample', 'group'}
    suspects : {'as_is', 'not_rewarded'}
        Guard against label noise. A label is suspect if ERM confidently puts the sample into another class: one whose
        probability reaches its mean over the samples labelled so (confident learning), by the network of a 5-fold
        cross-fit that has not seen its patient. 'not_rewarded' raises the utility distance of a suspect to the median
        of the others, where it is below. Where groups' labels conflict, right labels of the smaller group are suspect.
    sharing : {'none', 'half', 'mini', 'adapters', 'full'}
        What the groups' networks have in common (Table 6), see `everygroup.networks.SharedTrunk`; 'full' is ERM,
        without weights. 'adapters' (not in the paper): ERM's network is held, and each group trains small parts of its
        own with its weights, see `everygroup.networks.FrozenTrunk`.
    adapter : {'lora', 'batchnorm', 'head'}
        Those parts: low-rank additions to all convolutions and linear layers, batch norms, or the last layer.
    rank : int
        Rank of 'lora'; 0 adds nothing, which is ERM.
    merge_to : int or None
        With more groups than this, those that look alike are put together first (the paper's outlook), by average
        linkage on the mean similarity distances between groups, symmetrised; Algorithm 1 then has this many groups.
    refresh : int
        Times that distances are measured again, on f_t* instead of f_t, and f_t* trained again.
    """

    label = ""  # said beside the networks' names in logs, where one run trains several variants

    def __init__(
        self,
        *,
        alpha: float | Mapping[str, float] | str = 0.5,
        scale: str = "none",
        temperature: float | Sequence[float] = 1.0,
        search_preset: str = "fast",
        search: str = "deepfool",
        cross_fit: int = 0,
        misclassified: str = "as_is",
        min_group: int = 100,
        use: str = "loss",
        loss_norm: str = "mean_1",
        initial: str = "seed",
        small_groups: str = "error",
        pooled: bool = False,
        alphas: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
        weighting: str = "spare",
        quantiles: Sequence[float] = QUANTILES,
        keep_in_group: bool = True,
        shuffle: bool = False,
        utility: str = "boundary",
        similarity: str = "boundary",
        features: str = "group_predictor",
        feature_level: str = "sample",
        suspects: str = "as_is",
        sharing: str = "none",
        adapter: str = "lora",
        rank: int = 4,
        merge_to: int | None = None,
        refresh: int = 0,
    ) -> None:
        if isinstance(alpha, Mapping):
            alpha = {str(group): value for group, value in alpha.items()}  # a file's keys may be numbers
        self.alpha, self.alphas, self.scale, self.temperature = alpha, alphas, scale, temperature
        self.search_preset, self.search, self.cross_fit = search_preset, search, cross_fit
        self.misclassified, self.suspects, self.min_group = misclassified, suspects, min_group
        self.use, self.loss_norm, self.initial = use, loss_norm, initial
        self.small_groups, self.pooled = small_groups, pooled
        self.weighting, self.quantiles, self.keep_in_group, self.shuffle = weighting, quantiles, keep_in_group, shuffle
        self.utility, self.similarity, self.features, self.feature_level = utility, similarity, features, feature_level
        self.sharing, self.adapter, self.rank = sharing, adapter, rank
        self.merge_to, self.refresh = merge_to, refresh
        check_options(self)

    def uses_utility(self, group: str) -> bool:
        """Whether utility distances are measured for a group."""
        return self.weighting != "group_frequency" and max(alphas_of(self, group)) > 0

    def uses_first_networks(self, group: str) -> bool:
        """Whether a group's network f_t is needed."""
        read = self.uses_similarity(group) and self.similarity in ("fcd", "mmd") and self.features == "group_model"
        return self.uses_utility(group) or read or self.initial == "group_model" or self.misclassified == "drop"

    def turns(self, groups: Sequence[str]) -> int:
        """How often distances are measured and these groups' last networks trained."""
        return 1 + (self.refresh if any(self.uses_first_networks(g) for g in groups) else 0)

    def uses_similarity(self, group: str) -> bool:
        """Whether similarity distances to a group are measured."""
        return self.weighting != "group_frequency" and min(alphas_of(self, group)) < 1

    def uses_predictor(self, group: str) -> bool:
        """Whether the group predictor is needed for a group."""
        of_predictor = self.similarity == "boundary" or self.features == "group_predictor"
        return self.uses_similarity(group) and of_predictor


def check_options(spare: SpareOptions) -> None:
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
    for temperature in listed(spare.temperature):
        if not temperature > 0:
            raise SettingsError(f"temperature = {temperature} is not positive.", fix="use 1 for the paper's weights")
    if spare.merge_to is not None and spare.merge_to < 2:
        raise SettingsError(f"merge_to = {spare.merge_to}.", fix="use at least 2, or train method erm")
    if spare.cross_fit == 1:
        raise SettingsError(f"cross_fit = {spare.cross_fit}.", fix="use 0 for none, or at least 2 folds")
    _check_together(spare)


def _check_together(spare: SpareOptions) -> None:
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


def _check_types(spare: SpareOptions) -> None:
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
        numbers |= {f"temperature[{i}]": v for i, v in enumerate(listed(spare.temperature))}
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


def listed(value: float | Sequence[float]) -> Sequence[float]:
    return value if isinstance(value, Sequence) else [value]


def alphas_of(spare: SpareOptions, group: str) -> tuple[float, ...]:
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
