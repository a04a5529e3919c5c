"""ARL: an adversary without groups weighs the samples that are learnt worst."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner


@method(
    "ARL (adversarially reweighted learning)",
    "Lahoti et al. Fairness without demographics through adversarially reweighted learning. NeurIPS 2020",
    blind=True,
    branch="robust",
)
class ARL(Learn):
    r"""The network makes mean w_i CE_i small, an adversary makes it large, in turns;

    .. math:: w_i = 1 + \lambda\, n s_i / \textstyle\sum_j s_j

    over a batch of n samples, s_i the sigmoid of a linear function of the features and the class. No group is needed:
    the adversary can only raise samples that lie together (a linear one finds no single outliers). The paper's
    adversary sees the input; images are too large for a linear one, so that it sees the penultimate features.
    """

    lam: float = Field(1.0, ge=0, description="strength, 1 in the paper; 0 is ERM")

    def learner(self, lab: Lab) -> Learner:
        """Build the network and its adversary."""
        net = lab.network()
        return Reweighted(net, lab.target.n_outputs, self.lam) if self.lam else Learner(net)


class Reweighted(Learner):
    """Losses by optimiser: the network's, and minus the adversary's."""

    net: Any

    def __init__(self, net: nn.Module, n_classes: int, lam: float) -> None:
        super().__init__(net)
        self.n_classes, self.lam = n_classes, lam
        self.adversary = nn.Linear(self.net.head.in_features + n_classes, 1)
        nn.init.zeros_(self.adversary.weight), nn.init.zeros_(self.adversary.bias)  # all weights alike at first

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The network; and the adversary."""
        return [
            {"params": list(self.net.parameters())},
            {"params": list(self.adversary.parameters()), "optimiser": "adversary"},
        ]

    def loss(self, x: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """Return both losses of a batch."""
        h = self.net.features(x)
        losses = batch.losses(self.net.head(h)) * batch.weight
        weight = self.weights(h, batch.y)
        return {"main": (weight.detach() * losses).mean(), "adversary": -(weight * losses.detach()).mean()}

    def weights(self, h: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """w, (B,)."""
        seen = torch.cat([h.detach(), F.one_hot(y, self.n_classes).to(h.dtype)], 1)
        s = self.adversary(seen)[:, 0].sigmoid()
        return 1 + self.lam * len(s) * s / s.sum().clamp_min(1e-12)
