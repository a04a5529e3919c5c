"""A backbone some of whose weights are held at fixed values: pruned to 0, or quantised."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.func import functional_call

from everygroup.networks.adapted import Adapted, register_adapter
from everygroup.networks.classifier import Classifier


@register_adapter
class Masked(Adapted):
    """The backbone, with a mask and a held value for every entry of the parameters `names`.

    Nothing is held at first. A held entry has its value in every pass, gets no gradient, and is put back after every
    update, whatever weight decay or momentum did to it. Masks and values are saved with the weights.
    """

    name = "masked"

    def __init__(self, base: Classifier, *, names: Sequence[str]) -> None:
        super().__init__(base, names=list(names))
        self._names = list(names)
        for i, name in enumerate(self._names):
            parameter = base.get_parameter(name)
            self.register_buffer(f"mask_{i}", torch.zeros_like(parameter, dtype=torch.bool))
            self.register_buffer(f"value_{i}", torch.zeros_like(parameter))

    def held(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mask and values of a parameter, each of its shape."""
        i = self._names.index(name)
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
        self.constrain()

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K)."""
        weights = {n: torch.where(*self.held(n), self.base.get_parameter(n)) for n in self._names}
        logits: torch.Tensor = functional_call(self.base, weights, (x,))
        return logits

    @torch.no_grad()
    def constrain(self) -> None:
        """Put the held entries back."""
        for name in self._names:
            parameter = self.base.get_parameter(name)
            parameter.copy_(torch.where(*self.held(name), parameter))
