"""FairMoE: convolutions as mixtures of experts, and a reward for experts that specialise on groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.methods._saliency import check_number
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.networks import Classifier
from everygroup.networks.experts import ExpertMixture, convolutions_3x3
from everygroup.settings import TrainSettings
from everygroup.training import Batch, Task

BALANCE = ("none", "group_size")
_TINY = 1e-12  # keeps logarithms of routing weights that underflowed finite


def mutual_information(routing: torch.Tensor, group: torch.Tensor, n_groups: int) -> torch.Tensor:
    """sum_ge p(g, e) log(p(g, e) / (p(g) p(e))) with p(g, e) = (1/B) sum_{i: a_i = g} r_ie.

    Parameters
    ----------
    routing : (B, E) routing weights; rows sum to 1
    group : (B,) group index, none missing
    n_groups : int
    """
    joint = F.one_hot(group, n_groups).to(routing.dtype).T @ routing
    joint = joint / joint.sum()
    apart = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return (joint * (joint.clamp_min(_TINY).log() - apart.clamp_min(_TINY).log())).sum()


@dataclass(frozen=True)
class FairMoELoss:
    """(1/B) sum_i w_i CE(f(x_i, a_i), y_i) - mi_weight * sum over layers of MI(group; expert)."""

    mi_weight: float
    n_groups: int

    def __call__(self, network: nn.Module, x: torch.Tensor, batch: Batch, settings: TrainSettings) -> torch.Tensor:
        """Return the loss of a batch."""
        assert isinstance(network, ExpertMixture)
        logits, routing = network.routed(x, batch.group)
        losses = F.cross_entropy(logits, batch.y, reduction="none", label_smoothing=settings.label_smoothing)
        shared = torch.stack([mutual_information(r, batch.group, self.n_groups) for r in routing]).sum()
        return (losses * batch.weight).mean() - self.mi_weight * shared


@register
class FairMoE(Method):
    """One network whose 3x3 convolutions are mixed from experts by routers that know the group.

    Samples without a group are not trained on. The recorded group is passed at test; where it is missing, the mean
    over the groups answers. The public code asks a second router there that nothing has trained.

    Parameters
    ----------
    experts : int
        Experts a convolution; 2 in the paper. 1 is ERM.
    mi_weight : float
        lambda of the mutual information; 0.1 in the paper, 0.01 for Fitzpatrick17k.
    noise : float
        Standard deviation of the noise between the experts' initial weights, in multiples of the layer's.
    balance : {'none', 'group_size'}
        'group_size' takes expert e for that of group e and divides its routing weight by the group's training size,
        after which the weights are renormalised: the public code's, there with the counts of a training batch and not
        at test; needs as many experts as groups. 'none' leaves the routing weights alone.
    """

    learns_every_group = True
    info = MethodInfo(
        name="fair_moe",
        title="FairMoE (group-specific experts)",
        paper="Xu et al. Incorporating rather than eliminating: Achieving fairness for skin disease diagnosis through "
        "group-specific experts. MICCAI 2025",
        family="in-processing",
        min_groups=1,
        max_groups=None,
        needs_group_at_test=True,
        cost=lambda groups: 2,
        backbone="convolutional",
    )

    def __init__(self, *, experts: int = 2, mi_weight: float = 0.1, noise: float = 0.01, balance: str = "none") -> None:
        check_number("experts", experts, 1, whole=True)
        check_number("mi_weight", mi_weight, 0)
        check_number("noise", noise, 0)
        if balance not in BALANCE:
            raise SettingsError(f"balance = {balance!r}.", fix=f"choose one of {', '.join(BALANCE)}")
        self.experts, self.mi_weight, self.noise, self.balance = experts, mi_weight, noise, balance

    def cost(self, groups: Sequence[str]) -> float:
        """Return the passes of an update: every 3x3 convolution once for each expert."""
        return self.experts

    def check_network(self, network: Classifier) -> None:
        """Refuse a backbone without 3x3 convolutions."""
        super().check_network(network)
        if not convolutions_3x3(network):
            raise SettingsError(
                f"Method {self.info.name!r} needs a backbone with 3x3 convolutions.",
                fix="choose --backbone resnet18 or small_cnn",
            )

    def check_cohorts(self, train: Cohort, validation: Cohort) -> None:
        """Refuse, besides, a number of experts that cannot be balanced."""
        super().check_cohorts(train, validation)
        if self.balance == "group_size" and self.experts != len(train.groups):
            raise SettingsError(
                f"balance='group_size' needs an expert for each of {len(train.groups)} groups, not {self.experts}.",
                fix=f"set experts={len(train.groups)}, or balance=none",
            )

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        n_groups, known = len(train.groups), train.where(train.group >= 0)
        size = np.bincount(known.group, minlength=n_groups).clip(1) / max(1, len(known))
        adapter = {
            "name": "experts",
            "n_groups": n_groups,
            "n_experts": self.experts,
            "noise": self.noise,
            "sizes": size.tolist() if self.balance == "group_size" else None,
        }
        trained = store.network(
            Task.diagnosis(self.info.name, known, validation),
            settings,
            n_budget=len(train),
            objective=FairMoELoss(self.mi_weight, n_groups),
            adapter=adapter,
        )
        return self._network_per_group(train, trained)
