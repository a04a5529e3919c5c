"""A backbone whose features are encoded before a last layer of its own sees them."""

from __future__ import annotations

import torch
from torch import nn

from everygroup.networks.adapted import Adapted, register_adapter
from everygroup.networks.classifier import Classifier


@register_adapter
class Coded(Adapted):
    """h -> z = encoder(h) -> logits. `features` are the codes z, (N, code), and `head` is the last layer.

    Parameters
    ----------
    base : Classifier
        Its own last layer has no say.
    code : int
        Length of a code.
    hidden : int
        Units of the encoder's hidden layer (ReLU).
    """

    name = "coded"

    def __init__(self, base: Classifier, *, code: int, hidden: int) -> None:
        super().__init__(base, code=code, hidden=hidden)
        q, n_outputs = base.head.in_features, base.head.out_features
        for parameter in base.head.parameters():
            parameter.requires_grad_(False)  # replaced by the head below
        self.encoder = nn.Sequential(nn.Linear(q, hidden), nn.ReLU(), nn.Linear(hidden, code))
        self.head = nn.Linear(code, n_outputs)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return codes (N, code)."""
        z: torch.Tensor = self.encoder(self.base.features(x))
        return z

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K)."""
        logits: torch.Tensor = self.head(self.features(x))
        return logits

    def answering(self, group: int | None) -> Coded:
        """Return this network."""
        return self
