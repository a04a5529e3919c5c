"""Penalised metadata normalisation: the coefficients of the groups are learnt, so that batches may be small."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.learn.metadata_norm import Residual, design
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner


@method(
    "PMDN (penalty approach to metadata normalisation)",
    "Vento et al. A penalty approach for normalizing feature distributions to build confounder-free models. MICCAI "
    "2022",
    needs="hidden layer",
    needs_group_at_test=True,
    every_group=True,
    branch="disentanglement",
)
class PenalisedMetadataNorm(Learn):
    """As `metadata_norm`, with beta a parameter: one optimiser makes ||f - M beta||^2 small over beta, features held;
    the other makes the loss of the diagnosis on r = f - M_a beta_a small over the network, beta held.

    Both steps are made from one pass over the batch (the paper makes two passes, with Adam at .045 and 1e-5). `rate`
    is the learning rate of beta in multiples of the network's.
    """

    answers: ClassVar[Literal["by group or blind"]] = "by group or blind"

    rate: float = Field(10.0, gt=0, description="learning rate of the coefficients, in multiples of the network's")
    strength: float = Field(1.0, ge=0, le=1, description="share that is taken away; 0 is ERM")

    def learner(self, lab: Lab) -> Learner:
        """Build the network and its coefficients."""
        return Penalised(lab.network(), design(lab), self.rate, self.strength)


class Penalised(Residual):
    """Losses by optimiser: the diagnosis's, and the squares."""

    def __init__(self, net: nn.Module, made: tuple[np.ndarray, int], rate: float, strength: float) -> None:
        super().__init__(net, made, strength)
        self.rate = rate
        self.beta = nn.Parameter(torch.zeros(self.c, self.net.head.in_features))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The network; and the coefficients, which no weight decay draws to 0."""
        own = {"params": [self.beta], "optimiser": "beta", "lr_scale": self.rate, "weight_decay": 0.0}
        return [{"params": list(self.net.parameters())}, own]

    def loss(self, x: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """Return both losses of a batch."""
        h = self.net.features(x)
        squares = (h.detach() - self.rows(batch.y, batch.group) @ self.beta).square().sum(0).mean()
        outputs = self.net.head(h - self.taken(self.beta.detach(), batch.group).to(h.dtype))
        return {"main": batch.loss(outputs), "beta": squares}
