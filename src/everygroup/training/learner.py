"""The learner: a network, the parts a method adds to it, and what they learn together. Checkpointed whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn

from everygroup.networks import logits_of
from everygroup.targets import Target

if TYPE_CHECKING:
    from everygroup.cohort import Cohort
    from everygroup.training.optimiser import Optimisers

Loss = torch.Tensor | Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Batch:
    """One update's samples.

    Attributes
    ----------
    y : Tensor, (B, ...)
        Targets.
    weight : Tensor, (B,) or (B, G)
        Loss weights.
    group : Tensor of int64, (B,)
        Group index; -1 where it is missing.
    index : ndarray of int64, (B,)
        Position of the samples in the training cohort.
    target : Target
    cohort : Cohort
        The training cohort.
    smoothing : float
        Label smoothing.
    partner : ndarray of int64, (B,), optional
        Where a learner asks for pairs: the position of every sample's partner.
    notes : dict
        What `loss` leaves for `after_update`, so that a loss changes nothing.
    """

    y: torch.Tensor
    weight: torch.Tensor
    group: torch.Tensor
    index: np.ndarray
    target: Target
    cohort: Cohort
    smoothing: float = 0.0
    partner: np.ndarray | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    def losses(self, outputs: torch.Tensor) -> torch.Tensor:
        """The target's loss of every sample, unweighted, (B,)."""
        return self.target.losses(outputs, self.y, smoothing=self.smoothing)

    def loss(self, outputs: torch.Tensor) -> torch.Tensor:
        """(1/B) sum_i w_i L(f(x_i), y_i)."""
        return (self.losses(outputs) * self.weight).mean()

    def column(self, name: str) -> np.ndarray:
        """A column of the cohort's table for these samples, (B,): attributes and metadata as they were given."""
        return self.cohort.table[name].to_numpy()[self.index]


class Learner(nn.Module):
    """A network and how it learns; the base class is empirical risk minimisation.

    A subclass overrides `loss`, and what else it must. Everything that lasts from update to update is a parameter or a
    buffer, so that a resumed training goes on to the same bits.

    Parameters
    ----------
    net : Module
        Usually `Lab.network()`.

    Attributes
    ----------
    views : 1, 2, ... or 'pairs'
        How often a batch's images are drawn and augmented. With more than one, `loss` gets x (views, B, ...). 'pairs':
        x[1] are the images of the samples that `partners` names.
    """

    takes_group = True
    views: int | Literal["pairs"] = 1

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    @property
    def shared(self) -> bool:
        """Whether processes under torchrun may each take a part of a batch: the loss is a mean over its samples.

        That is known of the loss of this class; another one must say so.
        """
        return type(self).loss is Learner.loss and self.views == 1

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return the outputs that answer, of classes logits (N, K); `group` (N,) is -1 where it is missing."""
        return logits_of(self.net, x, group)

    def loss(self, x: torch.Tensor, batch: Batch) -> Loss:
        """Return what an update makes smaller: a number, or one for each optimiser by its name."""
        return batch.loss(self(x, batch.group))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the optimisers' parameter groups: 'params', and if need be 'lr_scale', 'weight_decay', 'optimiser'.

        Each name under 'optimiser' ('main' where none stands) gets an optimiser of its own.
        """
        return [{"params": list(self.parameters())}]

    def of_network(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the network's parameters by name, and under the same name what is added to one or is a copy of it."""
        yield from self.net.named_parameters()

    def partners(self, index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the position of every sample's partner, (B,), where `views` is 'pairs'."""
        raise NotImplementedError(f"{type(self).__name__} asks for pairs and does not say which")

    def before_update(self, batch: Batch) -> None:
        """Prepare the update."""

    def update(self, loss: Loss, optimisers: Optimisers) -> None:
        """Make one update. Override it only where optimisers alternate."""
        optimisers.step(loss)

    def after_update(self, batch: Batch) -> None:
        """Put parameters back where they may be, and take over what `loss` noted."""

    def after_epoch(self, loss: float) -> None:
        """Take notice of the validation loss at the end of an epoch."""

    def answering(self, group: int | None) -> nn.Module:
        """Return the network that answers for one group, or where the group is unknown (None).

        It must be plain or of a kind in `everygroup.networks.ADAPTERS`: such a network is saved and read back without
        the method's code.
        """
        return self.net
