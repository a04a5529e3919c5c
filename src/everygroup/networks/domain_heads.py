"""One trunk and a linear head per group."""

from __future__ import annotations

import copy

import torch
from torch import nn

from everygroup.errors import SettingsError
from everygroup.networks.adapted import Adapted, register_adapter
from everygroup.networks.classifier import Classifier

RULES = ("sum_logits", "known", "sum_probabilities", "max")


@register_adapter
class DomainHeads(Adapted):
    """Logits z (N, G, K) from one trunk.

    While training, a sample is answered by the head of its own group. Afterwards `rule` says how the heads are put
    together: 'known' takes the recorded group's (mean_g z_g where none is recorded), 'sum_logits' sum_g z_g,
    'sum_probabilities' log sum_g softmax(z_g), 'max' max_g z_g. All heads start as the backbone's.
    """

    name = "domain_heads"

    def __init__(self, base: Classifier, *, n_groups: int, rule: str = "sum_logits") -> None:
        if rule not in RULES:
            raise SettingsError(f"rule = {rule!r}.", fix=f"choose one of {', '.join(RULES)}")
        super().__init__(base, n_groups=n_groups, rule=rule)
        head = base.head
        self.weight = nn.Parameter(head.weight.detach().repeat(n_groups, 1, 1))
        self.bias = nn.Parameter(head.bias.detach().repeat(n_groups, 1))
        for parameter in head.parameters():
            parameter.requires_grad_(False)  # replaced by the heads above

    @property
    def takes_group(self) -> bool:  # type: ignore[override]
        """Whether the recorded group decides: always while training, afterwards by the rule."""
        return self.training or self.options["rule"] == "known"

    def heads(self, x: torch.Tensor) -> torch.Tensor:
        """Return z, (N, G, K)."""
        return torch.einsum("nq,gkq->ngk", self.base.features(x), self.weight) + self.bias

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K)."""
        z = self.heads(x)
        if self.takes_group:
            if group is None:
                raise ValueError("the group of every sample is needed")
            own = z[torch.arange(len(z), device=z.device), group.clamp_min(0)]
            return torch.where((group >= 0)[:, None], own, z.mean(1))
        if self.options["rule"] == "sum_probabilities":
            return z.log_softmax(-1).logsumexp(1)
        return z.amax(1) if self.options["rule"] == "max" else z.sum(1)

    def answering(self, group: int | None) -> Classifier | Adapted:
        """Return a plain network: one head, or the sum or mean of all; the other rules need all heads."""
        rule = self.options["rule"]
        if rule in ("sum_probabilities", "max"):
            return self
        plain = copy.deepcopy(self.base)
        known = rule == "known"
        own = slice(group, group + 1) if known and group is not None else slice(None)
        with torch.no_grad():
            for total, heads in ((plain.head.weight, self.weight[own]), (plain.head.bias, self.bias[own])):
                total.copy_(heads.mean(0) if known else heads.sum(0))
        return plain
