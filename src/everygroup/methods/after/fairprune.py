"""FairPrune: prune what matters to the privileged group and not to the others."""

from __future__ import annotations

import copy
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn

from everygroup.methods.after._rounds import RoundRule, only_network, with_network
from everygroup.methods.after._saliency import (
    contrast,
    group_fishers,
    layer_weights,
    lowest,
    privileged_group,
    share_of,
)
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel


def saliency(weight: torch.Tensor, curvature: torch.Tensor) -> torch.Tensor:
    """0.5 theta^2 (H^unprivileged - beta H^privileged), with the bracket given as `curvature`."""
    return 0.5 * weight**2 * curvature


@method(
    "FairPrune (pruning by group saliency)",
    "Wu et al. FairPrune: Achieving fairness through pruning for dermatological disease diagnosis. MICCAI 2022",
    groups=(2, None),
    branch="pruning",
)
class FairPrune(After):
    """Prune the weights with the smallest s_i = 0.5 theta_i^2 (H_ii^unpriv - beta H_ii^priv) from the trained network.

    To remove theta_i changes a group's loss by about 0.5 H_ii theta_i^2; a small s_i hurts the privileged group and
    not the others. H_ii is the empirical Fisher information of the group's training samples, measured again on the
    pruned network in every round. Weights of convolutions are ranked together over the whole network (and of linear
    layers but the last, where these hold more, as in transformers); nothing is trained again. The privileged group is
    the one with the highest validation accuracy of the trained network; with more groups, H^unpriv is the mean over all
    others, each group counting the same.

    The smallest s_i are the most negative ones: weights on which the privileged group depends most, for which a second-
    order estimate is no longer valid. In networks with batch norm a dozen of them can cost most of the accuracy. So
    weights are pruned only from the share `candidates` whose effect on every group, 0.5 H_ii theta_i^2, is smallest;
    the paper has no such limit (candidates = 1).

    A round is taken by `RoundRule`: smallest EOdds on validation within the tolerated loss of accuracy, and
    that can be round 0, the network as it was.

    Cost: no updates; in each round one forward and backward pass of at most `samples` training samples a group, and one
    prediction of the validation cohort.
    """

    one_network: ClassVar[bool] = True

    beta: float = Field(
        0.33, ge=0, description="weight of the privileged group's curvature; 0 is optimal brain damage for the others"
    )
    share: float = Field(0.05, ge=0, le=1, description="share of all prunable weights that a round prunes; 0 for none")
    candidates: float = Field(
        0.8,
        gt=0,
        le=1,
        description="share of the weights, those with the smallest effect on every group, that may be pruned; 1 is the "
        "paper's rule",
    )
    rounds: int = Field(10, ge=1, description="largest number of rounds; they also end when the candidates do")
    tolerance: float = Field(0.02, ge=0, le=1, description="loss of validation accuracy that ends the rounds")
    patience: int = Field(2, ge=1, description="rounds without a smaller EOdds that end the rounds")
    samples: int | None = Field(
        256, ge=1, description="training samples a group that H is averaged over, drawn at random; null for all"
    )

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Prune round by round; the rounds are in the model's `info`."""
        network: nn.Module = only_network(model, self.info.name)
        privileged = privileged_group(network, lab)
        rule = RoundRule(network, lab, tolerance=self.tolerance, patience=self.patience)
        free: dict[str, torch.Tensor] = {}
        for number in range(1, self.rounds + 1 if self.share else 1):
            network, free = self._pruned(network, number, privileged, free, lab)
            pruned = sum(int((~f).sum()) for f in free.values())
            if not rule.take(network, pruned=pruned) or number * self.share >= self.candidates:
                break
        facts = {"privileged": lab.groups[privileged], "rounds": rule.records, "chosen_round": rule.chosen}
        return with_network(model, rule.best, **facts).having_chosen(self.info.name, rule.said(model.method))

    def _pruned(
        self, network: nn.Module, number: int, privileged: int, free: dict[str, torch.Tensor], lab: Lab
    ) -> tuple[nn.Module, dict[str, torch.Tensor]]:
        """Prune up to `number` shares; returns another network and which weights are left."""
        network = copy.deepcopy(network)
        names = layer_weights(network)
        weights = {n: network.get_parameter(n) for n in names}
        free = free or {n: torch.ones_like(w, dtype=torch.bool) for n, w in weights.items()}
        fishers = group_fishers(network, lab, names, self.samples)
        curvature = contrast(fishers, privileged, self.beta)
        largest = {n: torch.stack([h[n] for h in fishers.values()]).amax(0) for n in names}
        score, effect = (
            torch.cat([saliency(weights[n].detach(), c[n]).flatten() for n in names]) for c in (curvature, largest)
        )
        left = torch.cat([free[n].flatten() for n in names])
        limit = share_of(left.numel(), self.candidates)  # those pruned already have no effect, and are among them
        may = left & lowest(effect, torch.ones_like(left), limit)
        goal = share_of(left.numel(), number * self.share)
        marked = lowest(score, may, goal - int((~left).sum())).split([w.numel() for w in weights.values()])
        free = {n: free[n] & ~m.view_as(free[n]) for n, m in zip(names, marked, strict=True)}
        with torch.no_grad():
            for n, weight in weights.items():
                weight.mul_(free[n])
        return network, free
