"""Margin ranking: a trained network goes on with the group whose positives are ranked worst."""

from __future__ import annotations

import copy

import torch
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner


@method(
    "Marginal pairwise ranking",
    "Lin et al. Improving model fairness in image-based computer-aided diagnosis. Nature Communications 14 (2023) 6261",
    two_classes=True,
    cost=2,
    branch="constraint",
)
class MarginRanking(Learn):
    r"""ERM's network goes on with the pairs of the worst group instead of the cross-entropy.

    .. math:: \text{mean}_{p \in pos(g),\ n \in neg} \max(0, \delta - (s_p - s_n))

    s the score of the second class, delta `margin`, the negatives those of everybody, and g the one of the batch's
    groups (everybody being one of them) whose positives are ranked before the fewest negatives. A batch without a
    positive or a negative is left out. As many updates as ERM are made, with a learning rate `rate` times ERM's;
    `mixed` keeps a share of the cross-entropy, of which the paper has none. The epoch is chosen as for any method (the
    paper: by overall AUC).
    """

    margin: float = Field(0.05, ge=0, description="by how much a positive is to stand above a negative")
    rate: float = Field(0.1, gt=0, description="learning rate in multiples of ERM's")
    mixed: float = Field(0.0, ge=0, le=1, description="share of the cross-entropy; 1 is ERM")

    def learner(self, lab: Lab) -> Learner:
        """Take ERM's weights."""
        net = lab.network()
        if self.mixed == 1:
            return Learner(net)
        with torch.random.fork_rng(devices=[]):
            trained = lab.erm().network
        net.load_state_dict(copy.deepcopy(trained.state_dict()))
        return Ranked(net, len(lab.groups), self.margin, self.rate, self.mixed)


class Ranked(Learner):
    """The loss above."""

    def __init__(self, net: nn.Module, n_groups: int, margin: float, rate: float, mixed: float) -> None:
        super().__init__(net)
        self.n_groups, self.margin, self.rate, self.mixed = n_groups, margin, rate, mixed

    def parameter_groups(self) -> list[dict[str, object]]:
        """The network, at its own rate."""
        return [{"params": list(self.parameters()), "lr_scale": self.rate}]

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        outputs = self(x, batch.group)
        ranked = self.ranking(outputs.float().softmax(1)[:, 1], batch)
        return (1 - self.mixed) * ranked + (self.mixed * batch.loss(outputs) if self.mixed else 0)

    def ranking(self, score: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The mean over the pairs of the worst group, 0 without any."""
        negative = score[batch.y == 0]
        pairs = []
        for inside in (batch.group == batch.group, *(batch.group == g for g in range(self.n_groups))):
            positive = score[(batch.y == 1) & inside]
            if len(positive) and len(negative):
                pairs.append(positive[:, None] - negative)
        if not pairs:
            return score.sum() * 0
        worst = min(pairs, key=lambda apart: float(((apart > 0).float() + (apart == 0) / 2).mean()))
        return (self.margin - worst).clamp_min(0).mean()
