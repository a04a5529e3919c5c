"""Small parts of each group's own on ERM's network, which is held (not in the paper)."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn

from everygroup.files import hash_json
from everygroup.methods.lab import Lab
from everygroup.networks import FrozenTrunk
from everygroup.training import Batch, Learner, Trained


@dataclass(frozen=True)
class AdaptersOn:
    """How adapters on a trained network learn.

    Attributes
    ----------
    erm : Trained
    parts : {'lora', 'batchnorm', 'head'}
    rank : int
    normalised : bool
        Divide by the batch's weights instead of by B.
    """

    erm: Trained
    parts: str
    rank: int
    normalised: bool

    @property
    def key(self) -> str:
        """Content hash."""
        return hash_json(["adapters", self.erm.key, self.parts, self.rank, self.normalised])

    def trunk(self, lab: Lab) -> FrozenTrunk:
        """Return ERM's network, held, with the parts of one group as they start."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(lab.settings.seed)  # additions start at random
            return FrozenTrunk(copy.deepcopy(self.erm.network), parts=self.parts, rank=self.rank)  # type: ignore[arg-type]

    def learner(self, lab: Lab) -> Learner:
        """Build it."""
        return Adapters(self.trunk(lab), self.normalised)


class Adapters(Learner):
    """(1/B) sum_i w_i L(f(x_i), y_i) of a held network with parts that learn; its batch norms take the weights too."""

    net: FrozenTrunk

    def __init__(self, net: FrozenTrunk, normalised: bool) -> None:
        super().__init__(net)
        self.normalised = normalised

    def before_update(self, batch: Batch) -> None:
        """Tell the batch norms how much each sample counts."""
        self.net.weigh(batch.weight)

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The weighted loss of a batch."""
        return normalised_loss(self.net(x), batch) if self.normalised else batch.loss(self.net(x))

    def answering(self, group: int | None) -> nn.Module:
        """Return the plain network; with additions, that with them beside the held weights."""
        return self.net.answering(group)


@dataclass(frozen=True)
class ByBatchWeight:
    """How a network learns whose losses are divided by each batch's weights."""

    key: str = "normalised by batch"

    def learner(self, lab: Lab) -> Learner:
        """Build it."""
        return Normalised(lab.network())


class Normalised(Learner):
    """sum_i w_i L(f(x_i), y_i) / sum_i w_i over the batch."""

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The weighted mean loss of a batch."""
        return normalised_loss(self.net(x), batch)


def normalised_loss(outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
    """sum_i w_i L_i / sum_i w_i; a batch may hold weights 0 only."""
    return (batch.losses(outputs) * batch.weight).sum() / batch.weight.sum().clamp_min(1e-12)
