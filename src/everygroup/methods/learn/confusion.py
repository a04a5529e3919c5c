"""Confusion: features that leave a probe of the group undecided, a probe that goes on learning."""

from __future__ import annotations

import torch
from pydantic import Field

from everygroup.methods.lab import Lab
from everygroup.methods.learn._probe import VECTOR_TARGETS, Watched, group_loss, of_known
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner


@method(
    "Confusion loss (turning a blind eye)",
    "Alvi, Zisserman and Nellaker. Turning a blind eye: explicit removal of biases and variation from deep neural "
    "network embeddings. ECCV Workshops 2018",
    targets=VECTOR_TARGETS,
    needs="hidden layer",
    branch="adversarial",
)
class Confusion(Learn):
    r"""The probe D learns CE(D(h), a); the network makes CE(f(x), y) + lam L_conf small, in turns.

    .. math:: L_{conf} = -\frac{1}{G} \sum_g \log D_g(h)

    which is smallest, log G, where D is undecided between the groups. Unlike a reversed gradient it does not push
    past that point.
    """

    lam: float = Field(1.0, ge=0, description="strength; 0 is ERM")
    hidden: int = Field(128, ge=1, description="width of the probe's hidden layer")

    def learner(self, lab: Lab) -> Learner:
        """Build the network and its probe."""
        net = lab.network()
        return Undecided(net, len(lab.groups), self.hidden, self.lam) if self.lam else Learner(net)


class Undecided(Watched):
    """Losses by optimiser: the network's, and the probe's."""

    def __init__(self, net: torch.nn.Module, n_groups: int, hidden: int, lam: float) -> None:
        super().__init__(net, n_groups, hidden)
        self.lam = lam

    def loss(self, x: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """Return both losses of a batch; samples without a group are to confuse, too."""
        h, outputs = self.seen(x)
        confusion = -self.probe(h).log_softmax(1).mean()
        learnt = of_known(group_loss(self.probe(h.detach()), batch.group), batch.group >= 0)
        return {"main": batch.loss(outputs) + self.lam * confusion, "probe": learnt}
