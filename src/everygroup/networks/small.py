"""Small networks of our own: a CNN that trains on a CPU at 28 px, and two networks for vectors."""

from __future__ import annotations

import torch
from torch import nn


class SmallCNN(nn.Module):
    """Four 3x3 convolutions with batch norm, two max-poolings and a global average.

    Parameters
    ----------
    n_outputs : int
        Number of logits.
    in_channels : int
        Image channels.
    width : int
        Channels of the first layer; the others have 2, 2 and 4 times as many.
    """

    def __init__(self, n_outputs: int, in_channels: int = 3, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels
        for factor, stride in ((1, 2), (2, 1), (2, 2), (4, 1)):
            out = width * factor
            layers += [
                nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(),
            ]
            channels = out
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(channels, n_outputs)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return pooled features, (N, 4 * width)."""
        return self.trunk(x).mean((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, (N, n_outputs)."""
        return self.head(self.forward_features(x))


class VectorNetwork(nn.Module):
    """A linear model (no hidden layer) or a multi-layer perceptron on vectors (N, D)."""

    def __init__(self, n_outputs: int, n_inputs: int, hidden: tuple[int, ...] = ()) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Linear(n_inputs, width), nn.ReLU()]
            n_inputs = width
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(n_inputs, n_outputs)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last hidden layer (the input itself for a linear model)."""
        return self.trunk(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, (N, n_outputs)."""
        return self.head(self.forward_features(x))
