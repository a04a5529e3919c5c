"""Group as an input: one network for everybody that is told the group."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn

from everygroup.files import hash_json
from everygroup.methods.by_group._offsets import heads_with_offsets
from everygroup.methods.lab import Lab
from everygroup.methods.parts import ByGroup, method
from everygroup.models import RoutedModel
from everygroup.training import Learner


@method(
    "Group as an input",
    "the sensitive attribute among the features: Dwork et al. Decoupled classifiers for group-fair and efficient "
    "machine learning. FAT* 2018, where it is the baseline",
    needs_group_at_test=True,
    branch="parts by group",
)
class GroupInput(ByGroup):
    """The group, one-hot, beside the features that the last layer sees: every group has a bias of its own.

    So only the classes' base rates may differ between groups. Samples without a group are trained on, and answered,
    with all of the one-hot at 0.
    """

    def model(self, lab: Lab) -> RoutedModel:
        """Train it."""
        route = {g: g for g in lab.groups}
        if lab.solves:
            heads = heads_with_offsets(lab, self.info.name, slopes=0.0, constants=1.0)
            return lab.model(self.info.name, heads, route, pooled="pooled")
        trained = lab.train_network(_TellsGroup(), self.info.name)
        parts = {g: trained.answering(i) for i, g in enumerate(lab.groups)}
        return lab.model(self.info.name, {**parts, "pooled": trained.answering(None)}, route, pooled="pooled")


@dataclass(frozen=True)
class _TellsGroup:
    key: str = hash_json("group_input")

    def learner(self, lab: Lab) -> Learner:
        return GroupBias(lab.network(), len(lab.groups), lab.target.n_outputs)


class GroupBias(Learner):
    """f(x) + b_g, b_g = 0 at first and where no group is known."""

    def __init__(self, net: nn.Module, n_groups: int, n_outputs: int) -> None:
        super().__init__(net)
        self.own = nn.Parameter(torch.zeros(n_groups, n_outputs))

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K)."""
        logits: torch.Tensor = self.net(x)
        if group is None:
            return logits
        return logits + torch.cat([self.own, torch.zeros_like(self.own[:1])])[group]

    def answering(self, group: int | None) -> nn.Module:
        """Return the plain network with the group's bias in its last layer."""
        network = copy.deepcopy(self.net)
        if group is not None:
            with torch.no_grad():
                network.head.bias += self.own[group]  # type: ignore[union-attr, operator]
        return network
