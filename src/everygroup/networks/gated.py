"""A network whose features pass through experts, which a router of the group's own mixes for every sample."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from everygroup.networks.adapted import Adapted, register_adapter
from everygroup.networks.classifier import Classifier


@register_adapter
class GatedExperts(Adapted):
    """h -> h + sum_e r_e expert_e(h), then the backbone's last layer.

    r = softmax over the `top` largest of (V_g h + c_g), V (G, E, q) and c (G, E) a router for each group; experts are
    q - width - q with a ReLU. Their last layers are 0 at first, so that the network starts as its backbone.

    Parameters
    ----------
    base : Classifier
    n_groups, n_experts : int
    top : int
        Experts that a sample is mixed from; at most `n_experts`.
    width : int
        Hidden units of an expert.
    group : int, optional
        Answer everybody as this group.
    """

    name = "gated_experts"

    def __init__(
        self, base: Classifier, *, n_groups: int, n_experts: int, top: int, width: int, group: int | None = None
    ) -> None:
        super().__init__(base, n_groups=n_groups, n_experts=n_experts, top=top, width=width, group=group)
        q = base.head.in_features
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(q, width), nn.ReLU(), nn.Linear(width, q)) for _ in range(n_experts)
        )
        for expert in self.experts:
            nn.init.zeros_(expert[2].weight)  # type: ignore[index]
            nn.init.zeros_(expert[2].bias)  # type: ignore[index]
        self.router = nn.Parameter(torch.randn(n_groups, n_experts, q) / math.sqrt(q))
        self.bias = nn.Parameter(torch.zeros(n_groups, n_experts))

    @property
    def takes_group(self) -> bool:  # type: ignore[override]
        """Whether the recorded group decides."""
        return self.options["group"] is None

    def routing(self, h: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
        """Return the experts' shares (N, E) of features (N, q) whose group is known."""
        logits = torch.einsum("neq,nq->ne", self.router[group], h) + self.bias[group]
        kept = logits >= logits.topk(self.options["top"], 1).values[:, -1:]
        return logits.masked_fill(~kept, -torch.inf).softmax(1)

    def mixed(self, h: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
        """Return the features behind the experts, (N, q)."""
        answers = torch.stack([expert(h) for expert in self.experts], 1)
        return h + (self.routing(h, group)[:, :, None] * answers).sum(1)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features that the last layer sees, (N, q), of the group that everybody is answered as."""
        h = self.base.features(x)
        return self.mixed(h, torch.full((len(x),), int(self.options["group"]), device=x.device))

    @property
    def head(self) -> nn.Linear:
        """The last layer."""
        return self.base.head

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K); of a sample without a group the logarithm of the groups' mean probabilities."""
        if not self.takes_group:
            return self.head(self.features(x))  # type: ignore[no-any-return]
        if group is None:
            raise ValueError("the group of every sample is needed")
        h = self.base.features(x)
        logits: torch.Tensor = self.head(self.mixed(h, group.clamp_min(0)))
        missing = (group < 0).nonzero().squeeze(1)
        if missing.numel():
            own = h[missing]
            parts = [
                self.head(self.mixed(own, torch.full_like(missing, g))).log_softmax(1)
                for g in range(self.options["n_groups"])
            ]
            mean = torch.stack(parts).logsumexp(0) - math.log(len(parts))
            logits = logits.index_copy(0, missing, mean.to(logits.dtype))
        return logits

    def answering(self, group: int | None) -> GatedExperts:
        """Return this network with the group fixed; as it is where none is given."""
        other = copy.deepcopy(self)
        other.options = {**self.options, "group": group}
        return other.eval()
