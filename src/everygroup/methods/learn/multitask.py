"""Regularised multi-task learning: a shared network plus an offset per group."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import nn
from torch.func import functional_call

from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.networks.modes import evaluating
from everygroup.training import Batch, Learner


@method(
    "Regularised multi-task learning (MTL)",
    "Evgeniou and Pontil. Regularized multi-task learning. KDD 2004",
    family="group-specific",
    needs_group_at_test=True,
    every_group=True,
    branch="parts by group",
)
class MultiTask(Learn):
    """min (1/n) sum_i CE(f_{theta_0 + Delta_{a_i}}(x_i), y_i) + strength * mean_g ||Delta_g||^2.

    The deep form of w_t = w_0 + v_t; the penalty on w_0 is the training settings' weight decay. A large strength gives
    one shared network, 0 (without weight decay) independent ones. Samples without a group are not trained on, and are
    answered by w_0 (with the mean of the groups' batch-norm statistics).
    """

    answers: ClassVar[Literal["by group or blind"]] = "by group or blind"

    strength: float = Field(1e-2, ge=0, description="lambda_1 of the paper, the penalty on the offsets")

    def learner(self, lab: Lab) -> Learner:
        """Build the network and its offsets."""
        return GroupOffsets(lab.network(), len(lab.groups), self.strength)


class GroupOffsets(Learner):
    """The network with weights theta_0 + Delta_g for the samples of group g.

    Delta starts at 0, so that every group starts as the network. Batch-norm statistics are the group's own. A sample
    without a group is answered by theta_0 with the mean of the groups' statistics.
    """

    net: Any

    def __init__(self, net: nn.Module, n_groups: int, strength: float) -> None:
        super().__init__(net)
        self.strength = strength
        self._names = [name for name, _ in net.named_parameters()]
        self.offsets = nn.ModuleList(
            nn.ParameterList(nn.Parameter(torch.zeros_like(p)) for p in net.parameters()) for _ in range(n_groups)
        )
        self._statistics = [name for name in net.state_dict() if name not in self._names]
        for g in range(n_groups):
            for name in self._statistics:
                self.register_buffer(self._key(g, name), net.get_buffer(name).clone())

    @staticmethod
    def _key(group: int, name: str) -> str:
        return f"group{group}_{name.replace('.', '_')}"

    def of_network(self) -> Iterator[tuple[str, nn.Parameter]]:
        """An offset learns as fast as what it is added to."""
        yield from super().of_network()
        for part in self.offsets:
            yield from zip(self._names, part, strict=True)  # type: ignore[call-overload]

    def state_of(self, group: int) -> dict[str, torch.Tensor]:
        """Return the weights and statistics of one group, by the backbone's names."""
        shared = dict(self.net.named_parameters())
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
        logits = x.new_zeros(len(x), self.net.spec.n_outputs)
        for g in range(len(self.offsets)):
            rows = (group == g).nonzero().squeeze(1)
            if rows.numel():
                # statistics are tensors of this module, so that a training pass updates them in place; one sample has
                # none of its own
                with evaluating(self.net, rows.numel() == 1):
                    answer = functional_call(self.net, self.state_of(g), (x[rows],))
                logits = logits.index_copy(0, rows, answer.to(logits.dtype))
        rows = (group < 0).nonzero().squeeze(1)
        if rows.numel():
            answer = self.answering(None).to(x.device).eval()(x[rows])
            logits = logits.index_copy(0, rows, answer.to(logits.dtype))
        return logits

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(1/B) sum_i CE(f_{theta_{a_i}}(x_i), y_i) + strength * mean_g ||Delta_g||^2."""
        return batch.loss(self(x, batch.group)) + self.strength * self.penalty()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return theta_0, and the offsets without weight decay: their penalty is part of the loss."""
        return [
            {"params": list(self.net.parameters())},
            {"params": list(self.offsets.parameters()), "weight_decay": 0.0},
        ]

    def answering(self, group: int | None) -> nn.Module:
        """Return the plain network of one group, or theta_0 with the mean of the groups' statistics."""
        plain: nn.Module = copy.deepcopy(self.net)
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
