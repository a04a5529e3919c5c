"""SPARE's options, by idea: which distances, which weights of them, what the groups' networks share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from everygroup.errors import SettingsError
from everygroup.methods.parts import Options
from everygroup.spare.weighting import QUANTILES

PAPER_SIDE = 128  # of the paper's images
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Distance(Options):
    """How far a sample is from a target group (Table 5)."""

    utility: Literal["boundary", "logit_gap", "none"] = Field(
        "boundary",
        description="distance for d_U: to f_t's boundary, or between f_t's two largest probabilities; none means "
        "alpha = 0",
    )
    similarity: Literal["boundary", "fcd", "mmd", "none"] = Field(
        "boundary",
        description="distance for d_S: to f_g's region of t; or of features, see "
        "`everygroup.spare.centroid_distance` and `mean_discrepancy`; none means alpha = 1",
    )
    features: Literal["group_predictor", "group_model"] = Field(
        "group_predictor", description="whose penultimate features fcd and mmd use: f_g's or f_t's"
    )
    feature_level: Literal["sample", "group"] = Field("sample", description="distance of each sample, or of its group")
    scale: Literal["none", "median", "quantile", "rank", "paper_size"] = Field(
        "none",
        description="see `everygroup.spare.spare_weights`; none is the paper's, and becomes median where a boundary "
        "distance is combined with one of another unit. paper_size multiplies boundary distances by 128 / sqrt(H W), "
        "since L2 grows with an image's size and the paper's have 128 x 128 pixels",
    )
    search_preset: Literal["fast", "accurate"] = Field(
        "fast", description="work of the boundary search, see `everygroup.boundary.minimal_perturbation`"
    )
    search: Literal["deepfool", "penalty"] = Field(
        "deepfool", description="penalty is the paper's formulation (beta = 100)"
    )
    cross_fit: int = Field(
        0,
        ge=0,
        description="0 = the paper: in-group distances come from networks that were trained on these very samples. k "
        ">= 2 measures every training sample on networks of a k-fold cross-fit that have not seen its patient (not "
        "fcd and mmd)",
    )
    misclassified: Literal["as_is", "zero_distance", "drop"] = Field(
        "as_is",
        description="what f_t's errors on training samples mean: nothing (paper), utility distance 0, or weight 0",
    )
    min_group: int = Field(
        100,
        ge=0,
        description="a group with fewer training samples has no reliable f_t: its utility distances come from ERM",
    )

    @property
    def unit(self) -> str:
        """The scale in use: the median where a boundary distance meets one of another unit."""
        kinds = {kind == "boundary" for kind in (self.utility, self.similarity) if kind != "none"}
        return "median" if self.scale == "none" and len(kinds) == 2 else self.scale


class Weighting(Options):
    """From distances to weights, and what the weights do (Table 4)."""

    map: Literal["spare", "group_weight", "group_frequency", "selection", "ranking"] = Field(
        "spare",
        description="see `everygroup.spare.strategy_weights`; selection chooses its threshold among `quantiles`, "
        "group_frequency needs no distance",
    )
    temperature: Positive | Annotated[Sequence[Positive], Field(min_length=1)] = Field(
        1.0, description="w = exp(-d / temperature); 1 is the paper's; of several one is chosen on validation"
    )
    quantiles: Sequence[Share] = Field(QUANTILES, min_length=1, description="candidates of selection's threshold")
    keep_in_group: bool = Field(True, description="selection keeps all samples of the target group")
    in_group: Annotated[float, Field(ge=0)] | None = Field(
        None, description="weight of the target group's own samples; null is the paper's, exp(-d) as for everybody's"
    )
    level: Positive | Annotated[Sequence[Positive], Field(min_length=1)] | None = Field(
        None,
        description="mean weight of all other samples, whose weights are then level exp(-d) / mean; null is the "
        "paper's; of several one is chosen on validation",
    )
    shuffle: bool = Field(False, description="control: weights are permuted within each source group, by the seed")
    use: Literal["loss", "sampler"] = Field(
        "loss", description="weights multiply the loss (paper), or are probabilities of being drawn"
    )
    loss_norm: Literal["mean_1", "sum_w_batch", "none"] = Field(
        "mean_1",
        description="weights are rescaled once to mean 1, so that learning rates mean the same as in ERM; or divided "
        "by each batch's sum; or taken as they are (the paper's text mentions no rescaling)",
    )


class Sharing(Options):
    """What the groups' networks have in common (Table 6)."""

    kind: Literal["none", "half", "mini", "adapters", "full"] = Field(
        "none",
        description="none: independent networks; half, mini: a common trunk, see `SharedTrunk`; full is ERM, without "
        "weights; adapters (not in the paper): ERM's network is held, and each group trains small parts of its own "
        "with its weights, see `everygroup.networks.FrozenTrunk`",
    )
    adapter: Literal["lora", "batchnorm", "head"] = Field(
        "lora",
        description="those parts: low-rank additions to all convolutions and linear layers, batch norms, or the last "
        "layer",
    )
    rank: int = Field(4, ge=0, description="rank of lora; 0 adds nothing, which is ERM")

    @property
    def is_erm(self) -> bool:
        """Whether nothing is the groups' own, so that ERM is all that is left."""
        return self.kind == "full" or (self.kind == "adapters" and self.adapter == "lora" and self.rank == 0)

    @property
    def trunk(self) -> bool:
        """Whether one network with a common trunk is trained for all groups."""
        return self.kind in ("half", "mini")


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
