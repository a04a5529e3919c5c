"""A network some of whose units are silenced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from everygroup.networks.adapted import Adapted, register_adapter
from everygroup.networks.classifier import Classifier


class Masked(nn.Module):
    """A layer whose output is multiplied by a mask of 0 and 1.

    Parameters
    ----------
    layer : Module
    shape : of its output for one sample
    """

    mask: torch.Tensor

    def __init__(self, layer: nn.Module, shape: Sequence[int]) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("mask", torch.ones(*shape))
        self.watched: list[torch.Tensor] | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x) * self.mask
        if self.watched is not None:
            self.watched.append(out)
        return out


@register_adapter
class MaskedUnits(Adapted):
    """The outputs of some layers times masks, all 1 at first.

    A unit of a convolution is one place of one channel, so that images must have the size they had.

    Parameters
    ----------
    base : Classifier
    layers : mapping of str to sequence of int
        Name of a layer -> shape of its output for one sample.
    """

    name = "masked_units"

    def __init__(self, base: Classifier, *, layers: Mapping[str, Sequence[int]]) -> None:
        super().__init__(base, layers={name: list(shape) for name, shape in layers.items()})
        self.masked: list[Masked] = []
        for name, shape in layers.items():
            parent, _, last = name.rpartition(".")
            masked = Masked(base.get_submodule(name), shape)
            setattr(base.get_submodule(parent), last, masked)
            self.masked.append(masked)

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K)."""
        logits: torch.Tensor = self.base(x)
        return logits

    def watching(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return logits (N, K), and every masked layer's output, which gradients can be asked of."""
        for layer in self.masked:
            layer.watched = []
        logits = self(x)
        outputs = [layer.watched[0] for layer in self.masked if layer.watched]
        for layer in self.masked:
            layer.watched = None
        return logits, outputs

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return penultimate features (N, q)."""
        return self.base.features(x)

    @property
    def head(self) -> nn.Linear:
        """The last layer."""
        return self.base.head

    def answering(self, group: int | None) -> MaskedUnits:
        """Return this network."""
        return self
