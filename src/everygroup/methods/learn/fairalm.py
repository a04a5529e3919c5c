"""FairALM: the losses of two groups' positives are held equal by an augmented Lagrangian."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.learn._rates import cell_means
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner


@method(
    "FairALM (augmented Lagrangian method)",
    "Lokhande et al. FairALM: augmented Lagrangian method for training fair models with little regret. ECCV 2020",
    groups=(2, 2),
    two_classes=True,
    branch="constraint",
)
class FairALM(Learn):
    r"""CE(f(x), y) + (eta/4 + (l_0 - l_1)/2) L_0 + (eta/4 + (l_1 - l_0)/2) L_1

    with L_g the batch's mean loss of group g's positives. After every update

    .. math:: l_0 \leftarrow \max(0, (l_0 - l_1) / 2 + \eta (L_0 - L_1) / 2)

    and l_1 likewise with the signs turned, both from the old values; eta grows by `growth` an epoch. A batch without
    positives of both groups makes no such step. The paper's eta, 50, all but hides the other samples' loss where
    batches are small; the default here is 1.
    """

    eta: float = Field(1.0, ge=0, description="step of the multipliers, and weight of the positives; 0 is ERM")
    growth: float = Field(1.01, ge=1, description="factor of eta an epoch")

    def learner(self, lab: Lab) -> Learner:
        """Build the network and its multipliers."""
        net = lab.network()
        if not self.eta:
            return Learner(net)
        return Constrained(net, self.eta, self.growth, lab.settings.updates_per_epoch(len(lab.train)))


class Constrained(Learner):
    """The loss above, and the multipliers' steps."""

    multipliers: torch.Tensor
    updates: torch.Tensor

    def __init__(self, net: nn.Module, eta: float, growth: float, per_epoch: int) -> None:
        super().__init__(net)
        self.start, self.growth, self.per_epoch = eta, growth, per_epoch
        self.register_buffer("multipliers", torch.zeros(2))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @property
    def eta(self) -> float:
        """The step of now."""
        return self.start * self.growth ** (int(self.updates) // self.per_epoch)

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        losses = batch.losses(self(x, batch.group)) * batch.weight
        positive = torch.where(batch.y == 1, batch.group, -1)
        mean, there = cell_means(losses, positive, 2)
        if not bool(there.all()):
            return losses.mean()
        batch.notes["gap"] = (mean[0] - mean[1]).detach()
        apart = (self.multipliers[0] - self.multipliers[1]) / 2
        return losses.mean() + (self.eta / 4 + apart) * mean[0] + (self.eta / 4 - apart) * mean[1]

    def after_update(self, batch: Batch) -> None:
        """Move the multipliers, both from their old values."""
        if "gap" in batch.notes:
            old = (self.multipliers[0] - self.multipliers[1]) / 2 + self.eta * batch.notes["gap"] / 2
            self.multipliers.copy_(torch.stack([old, -old]).clamp_min(0))
        self.updates += 1
