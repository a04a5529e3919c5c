"""Shared weights plus an offset per group: theta_g = theta_0 + Delta_g."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from everygroup.networks.adapted import Adapted, register_adapter
from everygroup.networks.classifier import Classifier


@register_adapter
class GroupOffsets(Adapted):
    """The backbone with weights theta_0 + Delta_g for the samples of group g.

    Delta starts at 0, so that every group starts as the backbone. Batch-norm statistics are the group's own. A sample
    without a group is answered by theta_0 with the mean of the groups' statistics.
    """

    name = "group_offsets"
    takes_group = True

    def __init__(self, base: Classifier, *, n_groups: int) -> None:
        super().__init__(base, n_groups=n_groups)
        self._names = [name for name, _ in base.named_parameters()]
        self.offsets = nn.ModuleList(
            nn.ParameterList(nn.Parameter(torch.zeros_like(p)) for p in base.parameters()) for _ in range(n_groups)
        )
        self._statistics = [name for name in base.state_dict() if name not in self._names]
        for g in range(n_groups):
            for name in self._statistics:
                self.register_buffer(self._key(g, name), base.get_buffer(name).clone())

    @staticmethod
    def _key(group: int, name: str) -> str:
        return f"group{group}_{name.replace('.', '_')}"

    def state_of(self, group: int) -> dict[str, torch.Tensor]:
        """Return the weights and statistics of one group, by the backbone's names."""
        shared = dict(self.base.named_parameters())
        own = {n: shared[n] + d for n, d in zip(self._names, self.offsets[group], strict=True)}  # type: ignore[call-overload]
        return own | {n: getattr(self, self._key(group, n)) for n in self._statistics}

    def penalty(self) -> torch.Tensor:
        """mean_g ||Delta_g||^2."""
        norms = [torch.stack([(d**2).sum() for d in part]).sum() for part in self.offsets]  # type: ignore[attr-defined]
        return torch.stack(norms).mean()

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K)."""
        if group is None:
            raise ValueError("the group of every sample is needed")
        n_outputs = self.base.head.out_features
        logits = x.new_zeros(len(x), n_outputs)
        for g in range(len(self.offsets)):
            rows = (group == g).nonzero().squeeze(1)
            if rows.numel():
                # statistics are tensors of this module, so that a training pass updates them in place; one sample has
                # none of its own
                self.base.train(self.training and rows.numel() > 1)
                answer = functional_call(self.base, self.state_of(g), (x[rows],))
                self.base.train(self.training)
                logits = logits.index_copy(0, rows, answer.to(logits.dtype))
        rows = (group < 0).nonzero().squeeze(1)
        if rows.numel():
            answer = self.answering(None).to(x.device).eval()(x[rows])
            logits = logits.index_copy(0, rows, answer.to(logits.dtype))
        return logits

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return theta_0, and the offsets without weight decay: their penalty is part of the loss."""
        return [
            {"params": list(self.base.parameters())},
            {"params": list(self.offsets.parameters()), "weight_decay": 0.0},
        ]

    def answering(self, group: int | None) -> Classifier:
        """Return the plain network of one group, or theta_0 with the mean of the groups' statistics."""
        plain = copy.deepcopy(self.base)
        with torch.no_grad():
            if group is not None:
                state = self.state_of(group)
            else:
                state = {n: self._mean_over_groups(n) for n in self._statistics}
            plain.load_state_dict(state, strict=False)
        return plain

    def _mean_over_groups(self, name: str) -> torch.Tensor:
        values = [getattr(self, self._key(g, name)) for g in range(len(self.offsets))]
        return torch.stack([v.cpu().double() for v in values]).mean(0).to(values[0])  # mps has no float64
