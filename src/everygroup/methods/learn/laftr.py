"""LAFTR: an adversary that errs equally in every group, or in every cell of group and diagnosis."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from everygroup.methods.lab import Lab
from everygroup.methods.learn._probe import Watched, told_label
from everygroup.methods.learn._rates import cell_means
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner

Criterion = Literal["equalized_odds", "demographic_parity"]


@method(
    "LAFTR (learning adversarially fair and transferable representations)",
    "Madras et al. Learning adversarially fair and transferable representations. ICML 2018",
    needs="hidden layer",
    branch="adversarial",
)
class LAFTR(Learn):
    r"""The network makes CE(f(x), y) - lam L_adv small, the adversary makes L_adv small, in turns.

    .. math:: L_{adv} = \frac{1}{C} \sum_c \frac{1}{n_c} \sum_{i \in c} |1 - D_{a_i}(h_i)|

    over the C cells that the batch has: groups (demographic parity), or diagnosis and group, with D told the diagnosis
    (equalized odds). D_a is its probability of the sample's own group, so that of two groups this is the paper's
    |D - a|; every cell counts the same, however small. The diagnosis has its usual loss instead of the paper's L1.
    """

    lam: float = Field(1.0, ge=0, description="strength; 0 is ERM")
    criterion: Criterion = Field("equalized_odds", description="what D is told, and which cells count alike")
    hidden: int = Field(128, ge=1, description="width of the adversary's hidden layer")

    def learner(self, lab: Lab) -> Learner:
        """Build the network and its adversary."""
        net = lab.network()
        if not self.lam:
            return Learner(net)
        further = lab.target.n_outputs if self.criterion == "equalized_odds" else 0
        return Balanced(net, len(lab.groups), self.hidden, further, self.lam)


class Balanced(Watched):
    """Losses by optimiser: the network's, and the adversary's."""

    def __init__(self, net: torch.nn.Module, n_groups: int, hidden: int, further: int, lam: float) -> None:
        super().__init__(net, n_groups, hidden, further)
        self.lam, self.n_classes = lam, further

    def loss(self, x: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """Return both losses of a batch."""
        h, outputs = self.seen(x)
        errors = self.errors(h, batch)
        return {"main": batch.loss(outputs) - self.lam * errors, "probe": errors}

    def errors(self, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        """L_adv, 0 where no group is known."""
        logits = self.probe(told_label(h, batch) if self.n_classes else h)
        own = logits.softmax(1).gather(1, batch.group.clamp_min(0)[:, None])[:, 0]
        cell = batch.y * self.n_groups + batch.group if self.n_classes else batch.group
        n_cells = self.n_groups * max(1, self.n_classes)
        mean, there = cell_means(1 - own, torch.where(batch.group >= 0, cell, -1), n_cells)
        return mean.sum() / there.sum().clamp_min(1)
