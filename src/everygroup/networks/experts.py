"""Convolutions as mixtures of experts, mixed for every sample by a router that knows the group."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from everygroup.errors import SettingsError
from everygroup.networks.adapted import Adapted, register_adapter
from everygroup.networks.classifier import Classifier

_HIDDEN = 128  # width of the router, as in the paper


def convolutions_3x3(network: nn.Module) -> dict[str, nn.Conv2d]:
    """Return the 3x3 convolutions of a network by name."""
    return {n: m for n, m in network.named_modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)}


class _ExpertConvolution(nn.Module):
    """sum_e r_e conv_e(x), r = softmax(router(mean of x over space, group)); `group` (N,) is set before every pass."""

    def __init__(self, conv: nn.Conv2d, n_groups: int, n_experts: int, noise: float, shift: torch.Tensor) -> None:
        super().__init__()
        copies = [copy.deepcopy(conv) for _ in range(n_experts)]
        with torch.no_grad():
            for expert in copies[1:]:  # one expert is the convolution itself
                expert.weight.add_(noise * conv.weight.std() * torch.randn_like(expert.weight))
        self.experts = nn.ModuleList(copies)
        self.router = nn.Sequential(
            nn.Linear(conv.in_channels + n_groups, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, n_experts)
        )
        self.register_buffer("shift", shift.clone(), persistent=False)
        self.n_groups = n_groups
        self.group: torch.Tensor | None = None
        self.routing: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert self.group is not None
        known = F.one_hot(self.group, self.n_groups).to(x.dtype)
        logits = self.router(torch.cat([x.mean((2, 3)), known], 1)).float() + self.shift
        self.routing = logits.softmax(1)
        answers = [expert(x) for expert in self.experts]
        total = answers[0] * self.routing[:, 0, None, None, None].to(answers[0].dtype)
        for e, answer in enumerate(answers[1:], start=1):
            total = total + answer * self.routing[:, e, None, None, None].to(answer.dtype)
        return total


@register_adapter
class ExpertMixture(Adapted):
    """Every 3x3 convolution of the backbone as a mixture of experts; everything else is shared.

    A router sees the pooled input of its convolution and the group, one-hot. Experts start as the backbone's
    convolution, all but the first with a little noise. A sample without a group is answered with the mean over the
    groups of the probabilities each would give (G passes).

    Parameters
    ----------
    base : Classifier
    n_groups, n_experts : int
    noise : float
        Standard deviation of the noise in multiples of that of the layer's weights.
    sizes : sequence of float, (E,), optional
        Expert e's routing weight is divided by sizes[e], and the weights renormalised.
    group : int, optional
        Answer everybody as this group; -1 as if no group were known.

    Raises
    ------
    SettingsError
        If the backbone has no 3x3 convolution.
    """

    name = "experts"

    def __init__(
        self,
        base: Classifier,
        *,
        n_groups: int,
        n_experts: int = 2,
        noise: float = 0.01,
        sizes: Sequence[float] | None = None,
        group: int | None = None,
    ) -> None:
        super().__init__(
            base,
            n_groups=n_groups,
            n_experts=n_experts,
            noise=noise,
            sizes=None if sizes is None else list(sizes),
            group=group,
        )
        found = convolutions_3x3(base)
        if not found:
            raise SettingsError("This backbone has no 3x3 convolution.", fix="choose --backbone resnet18 or small_cnn")
        shift = torch.zeros(n_experts) if sizes is None else -torch.tensor(sizes, dtype=torch.float32).log()
        self._layers: list[_ExpertConvolution] = []
        for name, conv in found.items():
            parent, _, last = name.rpartition(".")
            layer = _ExpertConvolution(conv, n_groups, n_experts, noise, shift)
            setattr(base.get_submodule(parent), last, layer)
            self._layers.append(layer)

    @property
    def takes_group(self) -> bool:  # type: ignore[override]
        """Whether the recorded group decides."""
        return self.options["group"] is None

    def routed(self, x: torch.Tensor, group: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return logits (N, K) and every layer's routing weights (N, E) of samples whose group is known."""
        for layer in self._layers:
            layer.group = group
        logits: torch.Tensor = self.base(x)
        routing = [layer.routing for layer in self._layers if layer.routing is not None]
        for layer in self._layers:
            layer.routing = layer.group = None
        return logits, routing

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K); log-probabilities for samples without a group."""
        if not self.takes_group:
            group = torch.full((len(x),), self.options["group"], device=x.device)
        missing = None if group is None else group < 0
        if group is None or missing is None or (self.training and bool(missing.any())):
            raise ValueError("the group of every sample is needed")
        if not missing.any():
            return self.routed(x, group)[0]
        rows = [(~missing).nonzero().squeeze(1), missing.nonzero().squeeze(1)]
        parts = [self.routed(x[rows[0]], group[rows[0]])[0]] if len(rows[0]) else []
        n_groups = self.options["n_groups"]
        answers = [self.routed(x[rows[1]], torch.full_like(rows[1], g))[0].log_softmax(1) for g in range(n_groups)]
        parts.append(torch.stack(answers).logsumexp(0) - math.log(n_groups))
        return torch.cat(parts)[torch.cat(rows).argsort()]

    def answering(self, group: int | None) -> Classifier | Adapted:
        """Return this network with the group fixed, or as if no group were known."""
        other = copy.deepcopy(self)  # the convolutions of the backbone are replaced already
        other.options = {**self.options, "group": -1 if group is None else group}
        return other.eval()
