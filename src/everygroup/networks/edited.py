"""A trained network whose features are edited by an affine map before its last layer sees them."""

from __future__ import annotations

import torch

from everygroup.networks.adapted import Adapted, register_adapter
from everygroup.networks.classifier import Classifier


@register_adapter
class EditedFeatures(Adapted):
    """h -> h - M (h - m), and the backbone's last layer on it. `features` are the edited ones.

    M (q, q) and m (q,) are 0 at first, which edits nothing.

    Parameters
    ----------
    base : Classifier
    """

    name = "edited_features"
    taken: torch.Tensor
    mean: torch.Tensor

    def __init__(self, base: Classifier) -> None:
        super().__init__(base)
        q = base.head.in_features
        self.register_buffer("taken", torch.zeros(q, q))
        self.register_buffer("mean", torch.zeros(q))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the edited penultimate features (N, q)."""
        h = self.base.features(x)
        return h - (h - self.mean) @ self.taken.T

    @property
    def head(self) -> torch.nn.Linear:
        """The last layer."""
        return self.base.head

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K)."""
        logits: torch.Tensor = self.head(self.features(x))
        return logits

    def answering(self, group: int | None) -> EditedFeatures:
        """Return this network."""
        return self
