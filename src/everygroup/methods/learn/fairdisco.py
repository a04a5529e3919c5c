"""FairDisCo: features that confuse a probe of the skin type, and lie together within a diagnosis."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.learn._contrast import Projected, released_contrast, supervised_contrast
from everygroup.methods.learn._probe import Probe, group_loss, of_known
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner


@method(
    "FairDisCo (disentanglement and contrastive learning)",
    "Du et al. FairDisCo: fairer AI in dermatology via disentanglement contrastive learning. ECCV Workshops 2022",
    needs="hidden layer",
    branch="contrastive",
)
class FairDisCo(Learn):
    r"""CE(f(x), y) + alpha L_conf + CE(D(h), a) + beta L_con, the last but one with the features held.

    L_conf = -(1/G) sum_g log D_g(h) draws the probe's answer to undecided, with the probe held, and L_con is the
    supervised contrast of projected features. `as_released` follows the public code where it departs from the paper:
    the probe takes the gradient of L_conf, too, and the contrast of a pair has the pair and the *other* classes in its
    denominator, averaged over pairs (.00085 instead of 1.313 on three of a class and one of another).
    """

    alpha: float = Field(1.0, ge=0, description="weight of the confusion")
    beta: float = Field(0.8, ge=0, description="weight of the contrast; 0 with alpha=0 is ERM")
    temperature: float = Field(0.1, gt=0, description="of the contrast")
    as_released: bool = Field(False, description="as the public code has it")
    width: int = Field(128, ge=1, description="of probe and projection")

    def learner(self, lab: Lab) -> Learner:
        """Build the network, its probe and its projection."""
        net = lab.network()
        return Disentangled(net, len(lab.groups), self) if self.alpha or self.beta else Learner(net)


class Disentangled(Projected):
    """The loss above; one optimiser."""

    def __init__(self, net: nn.Module, n_groups: int, options: FairDisCo) -> None:
        super().__init__(net, options.width)
        self.probe: Any = Probe(self.net.head.in_features, n_groups, options.width)
        self.fair = options

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        h = self.net.features(x)
        if self.fair.as_released:
            confused = self.probe(h)
            apart = released_contrast(self.directions(h), batch.y, self.fair.temperature)
        else:
            held = {name: p.detach() for name, p in self.probe.named_parameters()}
            confused = torch.func.functional_call(self.probe, held, (h,))
            apart = supervised_contrast(self.directions(h), batch.y, self.fair.temperature)
        confusion = -confused.log_softmax(1).mean()
        told = of_known(group_loss(self.probe(h.detach()), batch.group), batch.group >= 0)
        return batch.loss(self.net.head(h)) + self.fair.alpha * confusion + told + self.fair.beta * apart
