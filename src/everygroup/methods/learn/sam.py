"""SAM: weights around which the loss is low everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner, Optimisers

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@method(
    "SAM (sharpness-aware minimisation)",
    "Foret et al. Sharpness-aware minimization for efficiently improving generalization. ICLR 2021",
    targets=("classes", "labels", "number"),
    cost=2,
    blind=True,
    branch="robust",
)
class SAM(Learn):
    r"""Step by the gradient at w + rho g / ||g||, g the gradient at w: two passes an update, so twice ERM's cost.

    In the second pass batch norms normalise as in training and leave their running statistics alone. MEDFAIR (Zong et
    al., ICLR 2023) searched rho from .01 to 5.
    """

    rho: float = Field(0.05, ge=0, description="how far away the gradient is taken; 0 is ERM")

    def learner(self, lab: Lab) -> Learner:
        """Build the network."""
        net = lab.network()
        return Sharp(net, self.rho) if self.rho else Learner(net)


class Sharp(Learner):
    """An update makes two passes over its batch."""

    def __init__(self, net: nn.Module, rho: float) -> None:
        super().__init__(net)
        self.rho = rho
        self._batch: tuple[torch.Tensor, Batch] | None = None

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """ERM's, of a batch that is kept for the second pass."""
        self._batch = x, batch
        return batch.loss(self(x, batch.group))

    def update(self, loss: Any, optimisers: Optimisers) -> None:
        """Move along the gradient, take it anew, move back, step."""
        assert self._batch is not None
        x, batch = self._batch
        optimisers.backward(loss)
        trained = [p for p in self.parameters() if p.grad is not None]
        first = [p.grad.detach().clone() for p in trained if p.grad is not None]
        before = [p.detach().clone() for p in trained]
        away = self.radius(optimisers) / norm_of(first).clamp_min(1e-12)
        with torch.no_grad():
            for parameter, gradient in zip(trained, first, strict=True):
                parameter.add_(gradient * away)
        with held_statistics(self):
            optimisers.backward(batch.loss(self(x, batch.group)))
        with torch.no_grad():
            for parameter, value in zip(trained, before, strict=True):
                parameter.copy_(value)
        self.adjust(trained, first)
        optimisers.apply()
        optimisers.scaler.update()

    def radius(self, optimisers: Optimisers) -> float:
        """How far away the second gradient is taken."""
        return self.rho

    def adjust(self, trained: list[nn.Parameter], first: list[torch.Tensor]) -> None:
        """Change the second gradient by what is known of the first."""


def norm_of(tensors: list[torch.Tensor]) -> torch.Tensor:
    """Return the Euclidean norm of all together."""
    return torch.stack([t.norm() for t in tensors]).norm()


@contextmanager
def held_statistics(network: nn.Module) -> Iterator[None]:
    """Leave the running statistics of batch norms alone for a moment."""
    norms = [m for m in network.modules() if isinstance(m, _NORMS)]
    momenta = [m.momentum for m in norms]
    for module in norms:
        module.momentum = 0.0
    try:
        yield
    finally:
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum = momentum
