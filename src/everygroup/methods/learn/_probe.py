"""What adversaries share: a probe that reads the group off features, reversed gradients, losses of known groups."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from everygroup.training import Batch, Learner

VECTOR_TARGETS = ("classes", "labels", "number")
"""Targets of networks with one vector of features an image."""


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: torch.Tensor, strength: float) -> torch.Tensor:
        ctx.strength = strength
        return h.view_as(h)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse(h: torch.Tensor, strength: float) -> torch.Tensor:
    """Return h; on the way back the gradient is multiplied by -strength (Ganin et al., JMLR 2016)."""
    reversed_: torch.Tensor = _Reversed.apply(h, strength)  # type: ignore[no-untyped-call]
    return reversed_


class Probe(nn.Sequential):
    """Features (N, q) -> hidden -> logits (N, G)."""

    def __init__(self, n_inputs: int, n_outputs: int, hidden: int) -> None:
        super().__init__(nn.Linear(n_inputs, hidden), nn.ReLU(), nn.Linear(hidden, n_outputs))


def of_known(losses: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return the mean of losses (B,) over the samples that are known, (B,) bool; 0 without any."""
    return torch.where(known, losses, torch.zeros_like(losses)).sum() / known.sum().clamp_min(1)


def group_loss(logits: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of every sample's group, (B,); of missing groups that of the first, to be left out."""
    return F.cross_entropy(logits, group.clamp_min(0), reduction="none")


class Watched(Learner):
    """A network whose features a probe is shown; the probe has an optimiser of its own, 'probe', where they alternate.

    Parameters
    ----------
    net : Module
        With `features` (N, q) and a linear `head`.
    n_groups : int
    hidden : int
        Of the probe.
    further : int
        Values that the probe sees besides the features.
    """

    net: Any
    alternates: ClassVar[bool] = True

    def __init__(self, net: nn.Module, n_groups: int, hidden: int, further: int = 0) -> None:
        super().__init__(net)
        self.n_groups = n_groups
        self.probe = Probe(self.net.head.in_features + further, n_groups, hidden)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The network; and the probe."""
        own = [p for name, p in self.named_parameters() if not name.startswith("probe.")]
        probe = {"params": list(self.probe.parameters())}
        return [{"params": own}, probe | ({"optimiser": "probe"} if self.alternates else {})]

    def seen(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features (N, q) and outputs (N, K)."""
        h = self.net.features(x)
        return h, self.net.head(h)


def told_label(h: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return features with the class beside them, (N, q + K)."""
    label = F.one_hot(batch.y, batch.target.n_outputs)
    return torch.cat([h, label.to(h.dtype)], 1)
