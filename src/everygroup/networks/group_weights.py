"""A backbone with a weight per group that the objective moves; part of the network so that a resumed run has it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from everygroup.networks.adapted import Adapted, register_adapter
from everygroup.networks.classifier import Classifier


@register_adapter
class GroupWeights(Adapted):
    """The backbone, and weights q over groups or cells that start as `start`, (n,), and sum to 1."""

    name = "group_weights"
    q: torch.Tensor

    def __init__(self, base: Classifier, *, start: Sequence[float]) -> None:
        super().__init__(base, start=list(start))
        self.register_buffer("q", torch.tensor(start, dtype=torch.float32))

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return the backbone's logits (N, K)."""
        logits: torch.Tensor = self.base(x)
        return logits
