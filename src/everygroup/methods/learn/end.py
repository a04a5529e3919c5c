"""EnD: directions of features that are unlike within a group, and alike within a diagnosis across groups."""

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
    "EnD (entangling and disentangling)",
    "Tartaglione, Barbano and Grangetto. EnD: entangling and disentangling deep representations for bias correction. "
    "CVPR 2021",
    needs="hidden layer",
    branch="contrastive",
)
class EnD(Learn):
    r"""CE(f(x), y) + alpha |mean of u_i.u_j over pairs of a group| + beta (1 - mean of (1 + u_i.u_j)/2 over pairs of a
    diagnosis and different groups), u = h / ||h||.

    Where a batch has no such pairs a term is 0; samples without a group are in no pair.
    """

    alpha: float = Field(0.5, ge=0, description="weight of disentangling the groups")
    beta: float = Field(0.5, ge=0, description="weight of entangling a diagnosis across groups; 0 with alpha=0 is ERM")

    def learner(self, lab: Lab) -> Learner:
        """Build the network."""
        net = lab.network()
        return Entangled(net, self.alpha, self.beta) if self.alpha or self.beta else Learner(net)


class Entangled(Learner):
    """The loss above."""

    net: Any

    def __init__(self, net: nn.Module, alpha: float, beta: float) -> None:
        super().__init__(net)
        self.alpha, self.beta = alpha, beta

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        h = self.net.features(x)
        apart, together = self.terms(h.float(), batch.y, batch.group)
        return batch.loss(self.net.head(h)) + self.alpha * apart + self.beta * together

    @staticmethod
    def terms(h: torch.Tensor, y: torch.Tensor, group: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both terms of features (B, q)."""
        u = F.normalize(h, dim=1)
        alike = u @ u.T
        pair = ~torch.eye(len(u), dtype=torch.bool, device=u.device) & ((group >= 0)[:, None] & (group >= 0))
        same = group[:, None] == group
        of_group, across = pair & same, pair & ~same & (y[:, None] == y)
        nothing = h.sum() * 0
        return (
            alike[of_group].mean().abs() if bool(of_group.any()) else nothing,
            1 - (1 + alike[across]).mean() / 2 if bool(across.any()) else nothing,
        )
