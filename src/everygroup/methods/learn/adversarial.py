"""Adversarial training: features from which an adversary cannot read the group, by gradients that are reversed."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from pydantic import Field

from everygroup.errors import SettingsError
from everygroup.methods.lab import Lab
from everygroup.methods.learn._probe import VECTOR_TARGETS, Watched, group_loss, of_known, reverse, told_label
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner

Told = Literal["nothing", "label"]


@method(
    "Adversarial training (gradient reversal)",
    "Ganin et al. Domain-adversarial training of neural networks. JMLR 17 (2016) 1-35",
    targets=VECTOR_TARGETS,
    needs="hidden layer",
    branch="adversarial",
)
class Adversarial(Learn):
    r"""min over the network, max over the adversary D, of CE(f(x), y) - lam CE(D(h(x)), a), h the penultimate features.

    One optimiser: the gradient that reaches the features from D is multiplied by -lam. `ramp` lets lam grow with the
    share p of the updates made, lam (2 / (1 + exp(-10 p)) - 1), as in the paper. With `told=label` D sees the class,
    too: within a diagnosis nothing of the group is to be left (equalized odds instead of demographic parity).

    Where group and diagnosis go together in the population, features without the group have lost part of the diagnosis
    (`told=label` loses less). Another probe may still find what this one does not.
    """

    lam: float = Field(1.0, ge=0, description="strength; 0 is ERM")
    hidden: int = Field(128, ge=1, description="width of the adversary's hidden layer")
    ramp: bool = Field(True, description="let the strength grow from 0")
    told: Told = Field("nothing", description="what the adversary sees beside the features")

    def check(self, lab: Lab) -> None:
        """Refuse, besides, a label that is no class."""
        super().check(lab)
        if self.told == "label" and lab.target.name != "classes":
            raise SettingsError("told=label is for classes.", fix="leave it out")

    def learner(self, lab: Lab) -> Learner:
        """Build the network and its adversary."""
        net = lab.network()
        if not self.lam:
            return Learner(net)
        further = lab.target.n_outputs if self.told == "label" else 0
        return Reversed(net, len(lab.groups), self.hidden, further, self.lam, lab.n_updates if self.ramp else 0)


class Reversed(Watched):
    """CE(f(x), y) + CE(D(reverse(h)), a).

    Parameters
    ----------
    n_updates : int
        Over which the strength grows; 0 for a constant one.
    """

    alternates: ClassVar[bool] = False
    updates: torch.Tensor

    def __init__(
        self, net: torch.nn.Module, n_groups: int, hidden: int, further: int, lam: float, n_updates: int
    ) -> None:
        super().__init__(net, n_groups, hidden, further)
        self.lam, self.n_updates, self.further = lam, n_updates, further
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @property
    def strength(self) -> float:
        """lam at this update."""
        if not self.n_updates:
            return self.lam
        return self.lam * (2 / (1 + math.exp(-10 * int(self.updates) / self.n_updates)) - 1)

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        h, outputs = self.seen(x)
        shown = reverse(h, self.strength)
        logits = self.probe(told_label(shown, batch) if self.further else shown)
        return batch.loss(outputs) + of_known(group_loss(logits, batch.group), batch.group >= 0)

    def after_update(self, batch: Batch) -> None:
        """Count."""
        self.updates += 1
