"""FairMoE: convolutions as mixtures of experts, and a reward for experts that specialise on groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from everygroup.errors import SettingsError
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.networks import ExpertMixture
from everygroup.networks.experts import convolutions_3x3
from everygroup.training import Batch, Learner

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


@method(
    "FairMoE (group-specific experts)",
    "Xu et al. Incorporating rather than eliminating: Achieving fairness for skin disease diagnosis through "
    "group-specific experts. MICCAI 2025",
    cost=2,
    needs_group_at_test=True,
    every_group=True,
    needs="convolutions",
    branch="experts",
)
class FairMoE(Learn):
    """One network whose 3x3 convolutions are mixed from experts by routers that know the group.

    Samples without a group are not trained on. The recorded group is passed at test; where it is missing, the mean
    over the groups answers. The public code asks a second router there that nothing has trained.

    The default of lambda is a tenth of the paper's, with which routers saturate before the experts have learnt, and a
    saturated router passes on no gradient: of HAM10000 by sex (2,500 images of 28 px, resnet18, 80 updates, one seed)
    they gave one expert more than .99 in 26 % of cases with 0.1, in 15 % with 0.03, 5 % with 0.01, 1 % with 0.003 and
    0.001. Balanced accuracies of the two groups were .15 and .17 with 0.1, .17 and .18 with 0.03, .21 and .20 with
    0.01, .24 and .18 with 0.003, .30 and .22 with 0.001; of ERM .20 and .17. Of simulated lesions (16 px, small_cnn) it
    takes 200 updates until 22 % are so with 0.1, and none are with 0.03 or less.

    balance='group_size' takes expert e for that of group e and divides its routing weight by the group's training size,
    after which the weights are renormalised: the public code's, there with the counts of a training batch and not at
    test; it needs as many experts as groups. 'none' leaves the routing weights alone.
    """

    answers: ClassVar[Literal["by group"]] = "by group"

    experts: int = Field(2, ge=1, description="experts a convolution; 2 in the paper, 1 is ERM")
    mi_weight: float = Field(
        0.01, ge=0, description="lambda of the mutual information; 0.1 in the paper, 0.01 there for Fitzpatrick17k"
    )
    noise: float = Field(
        0.01,
        ge=0,
        description="standard deviation of the noise between the experts' initial weights, in multiples of the layer's",
    )
    balance: Literal["none", "group_size"] = Field("none", description="how routing weights make up for group sizes")

    def cost(self, groups: Sequence[str]) -> float:
        """Return the passes of an update: every 3x3 convolution once for each expert."""
        return self.experts

    def check_network(self, network: nn.Module) -> None:
        """Refuse a backbone without 3x3 convolutions."""
        super().check_network(network)
        if not convolutions_3x3(network):
            raise SettingsError(
                f"Method {self.info.name!r} needs a backbone with 3x3 convolutions.",
                fix="choose --backbone resnet18 or small_cnn",
            )

    def check(self, lab: Lab) -> None:
        """Refuse, besides, a number of experts that cannot be balanced."""
        super().check(lab)
        if self.balance == "group_size" and self.experts != len(lab.groups):
            raise SettingsError(
                f"balance='group_size' needs an expert for each of {len(lab.groups)} groups, not {self.experts}.",
                fix=f"set experts={len(lab.groups)}, or balance=none",
            )

    def learner(self, lab: Lab) -> Learner:
        """Build the network with its experts."""
        size = lab.group_sizes.clip(1) / max(1, lab.known.sum())
        sizes = size.tolist() if self.balance == "group_size" else None
        mixture = ExpertMixture(
            lab.network(), n_groups=len(lab.groups), n_experts=self.experts, noise=self.noise, sizes=sizes
        )
        return Specialists(mixture, len(lab.groups), self.mi_weight)


class Specialists(Learner):
    """(1/B) sum_i w_i CE(f(x_i, a_i), y_i) - mi_weight * sum over layers of MI(group; expert)."""

    net: ExpertMixture

    def __init__(self, net: ExpertMixture, n_groups: int, mi_weight: float) -> None:
        super().__init__(net)
        self.n_groups, self.mi_weight = n_groups, mi_weight

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        logits, routing = self.net.routed(x, batch.group)
        shared = torch.stack([mutual_information(r, batch.group, self.n_groups) for r in routing]).sum()
        return batch.loss(logits) - self.mi_weight * shared

    def answering(self, group: int | None) -> nn.Module:
        """Return the network with the group fixed, or as if no group were known."""
        return self.net.answering(group)
