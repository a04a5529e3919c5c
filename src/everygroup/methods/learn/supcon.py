"""Supervised contrast: images of a diagnosis together, whatever the group, and others apart."""

from __future__ import annotations

import torch
from pydantic import Field

from everygroup.methods.lab import Lab
from everygroup.methods.learn._contrast import Against, Projected, supervised_contrast
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner


@method(
    "Supervised contrastive learning",
    "Khosla et al. Supervised contrastive learning. NeurIPS 2020; within groups: Park et al. Fair contrastive learning "
    "for facial attribute classification. CVPR 2022",
    needs="hidden layer",
    blind=True,
    branch="contrastive",
)
class SupCon(Learn):
    """CE(f(x), y) + lam times the contrastive loss of projected features, with the others of the class for partners.

    Trained together with the diagnosis, in one stage (the paper: the features first, then the head). With
    `against=same_group` a sample is held only against other classes of its own group, so that to tell groups apart is
    of no use in telling classes apart.
    """

    lam: float = Field(1.0, ge=0, description="strength; 0 is ERM")
    temperature: float = Field(0.1, gt=0, description="of the contrast")
    against: Against = Field("all", description="whom a sample is held against")
    width: int = Field(128, ge=1, description="of the projection")

    def learner(self, lab: Lab) -> Learner:
        """Build the network and its projection."""
        net = lab.network()
        return Contrasted(net, self) if self.lam else Learner(net)


class Contrasted(Projected):
    """The loss above."""

    def __init__(self, net: torch.nn.Module, options: SupCon) -> None:
        super().__init__(net, options.width)
        self.contrast = options

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        h = self.net.features(x)
        against = batch.group[:, None] == batch.group if self.contrast.against == "same_group" else None
        apart = supervised_contrast(self.directions(h), batch.y, self.contrast.temperature, against)
        return batch.loss(self.net.head(h)) + self.contrast.lam * apart
