"""Training on a network some of whose weights are held at fixed values: pruned to 0, or quantised."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.func import functional_call

from everygroup.files import hash_json
from everygroup.methods.after._rounds import content_hash
from everygroup.methods.lab import Lab
from everygroup.networks import Classifier
from everygroup.training import Batch, Learner


class Held(Learner):
    """The network, with a mask and a held value for every entry of the parameters `names`.

    Nothing is held at first. A held entry has its value in every pass, gets no gradient, and is put back after every
    update, whatever weight decay or momentum did to it.
    """

    net: Classifier

    def __init__(self, net: Classifier, names: Sequence[str]) -> None:
        super().__init__(net)
        self.names = list(names)
        for i, name in enumerate(self.names):
            parameter = net.get_parameter(name)
            self.register_buffer(f"mask_{i}", torch.zeros_like(parameter, dtype=torch.bool))
            self.register_buffer(f"value_{i}", torch.zeros_like(parameter))

    def held(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mask and values of a parameter, each of its shape."""
        i = self.names.index(name)
        return self.get_buffer(f"mask_{i}"), self.get_buffer(f"value_{i}")

    @torch.no_grad()
    def hold(self, name: str, mask: torch.Tensor, value: torch.Tensor | float) -> None:
        """Hold more entries of a parameter; those held before stay as they are.

        Parameters
        ----------
        name : str
            One of `names`.
        mask : bool tensor of the parameter's shape
            Entries to hold.
        value : tensor of the parameter's shape, or float
            What to hold them at.
        """
        old, values = self.held(name)
        new = mask & ~old
        values.copy_(torch.where(new, torch.as_tensor(value, dtype=values.dtype, device=values.device), values))
        old.logical_or_(new)
        self.put_back()

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K)."""
        weights = {n: torch.where(*self.held(n), self.net.get_parameter(n)) for n in self.names}
        logits: torch.Tensor = functional_call(self.net, weights, (x,))
        return logits

    def after_update(self, batch: Batch) -> None:
        """Put the held entries back."""
        self.put_back()

    @torch.no_grad()
    def put_back(self) -> None:
        """Give every held entry its value."""
        for name in self.names:
            parameter = self.net.get_parameter(name)
            parameter.copy_(torch.where(*self.held(name), parameter))


@dataclass(frozen=True)
class _Continued:
    """Learns on from where a network stands."""

    start: Held

    @property
    def key(self) -> str:
        return hash_json([type(self).__qualname__, self.start.names, content_hash(self.start)])

    def learner(self, lab: Lab) -> Held:
        return copy.deepcopy(self.start)


def updates_of_a_round(lab: Lab, share: float) -> int:
    """Return how many updates `share` of a whole training are, at least 1."""
    return max(1, round(share * lab.n_updates))


def fine_tuned(lab: Lab, name: str, held: Held, number: int, *, updates: int, lr_scale: float) -> Held:
    """Train on from a network some of whose weights are held, on all training samples, as round `number` of `name`.

    Every round draws batches and augmentation of its own.
    """
    settings = lab.settings
    own = settings.but(updates=updates, lr=settings.lr * lr_scale, seed=settings.seed + 7919 * number)
    learner = lab.train_network(_Continued(held), f"{name}[{number}]", settings=own).learner
    assert isinstance(learner, Held)
    return copy.deepcopy(learner)
