"""A network per client, and for each client a mixture of all their weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from everygroup.errors import SettingsError
from everygroup.networks.adapted import Adapted, register_adapter
from everygroup.networks.classifier import Classifier

STARTS = ("shares", "own")
STATISTICS = ("own", "mixed")


@register_adapter
class ClientMixture(Adapted):
    """Client i, the samples of group i, is answered with the weights sum_j p_ij w_j.

    w_i is its own core; the others' are the ones it downloaded at the start of the round, which no gradient reaches.
    All cores start as the backbone. `begin_update` before and `constrain` after every update keep the rounds; cores,
    downloads and the count of updates are saved with the weights. A sample without a group is answered with the mean
    of the clients' probabilities.

    The running statistics of a batch norm are no weights: mixed with negative p a variance may become negative.
    'own' takes those that client i's mixture gathered on its own samples, which belong to just this mixture; 'mixed'
    averages the clients' (own and downloaded) with weights |p_ij| / sum_j |p_ij|. Training passes use the batch's.

    Parameters
    ----------
    base : Classifier
        The backbone; becomes the core of client 0.
    shares : sequence of float, (G,)
        n_j / n, where p starts and the penalty draws it to.
    local_updates : int
        Updates a round.
    start : {'shares', 'own'}
        Whether p starts as the shares for everybody, or as the identity (independent networks).
    p_lr_scale : float
        Learning rate of p in multiples of the cores'; 0 holds p. One client's p is held at 1.
    statistics : {'own', 'mixed'}
        See above.
    blind : bool
        Answer everybody as if no group were known.
    """

    name = "client_mixture"
    shares: torch.Tensor
    updates: torch.Tensor

    def __init__(
        self,
        base: Classifier,
        *,
        shares: Sequence[float],
        local_updates: int,
        start: str = "shares",
        p_lr_scale: float = 1.0,
        statistics: str = "own",
        blind: bool = False,
    ) -> None:
        for key, value, allowed in (("start", start, STARTS), ("statistics", statistics, STATISTICS)):
            if value not in allowed:
                raise SettingsError(f"{key} = {value!r}.", fix=f"choose one of {', '.join(allowed)}")
        super().__init__(
            base,
            shares=list(shares),
            local_updates=local_updates,
            start=start,
            p_lr_scale=p_lr_scale,
            statistics=statistics,
            blind=blind,
        )
        n = len(shares)
        self.others = nn.ModuleList(copy.deepcopy(base) for _ in range(n - 1))
        self.downloaded = nn.ModuleList(copy.deepcopy(base) for _ in range(n if n > 1 else 0)).requires_grad_(False)
        self.register_buffer("shares", torch.tensor(shares, dtype=torch.float32), persistent=False)
        self.p = nn.Parameter(self.shares.repeat(n, 1) if start == "shares" else torch.eye(n))
        self.p.requires_grad_(n > 1 and p_lr_scale > 0)
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        weights = dict(base.named_parameters())
        self._statistics = [name for name in base.state_dict() if name not in weights]

    @property
    def takes_group(self) -> bool:  # type: ignore[override]
        """Whether the recorded group decides."""
        return not self.options["blind"]

    @property
    def cores(self) -> list[Classifier]:
        """The clients' own networks."""
        return [self.base, *self.others]  # type: ignore[list-item]

    @property
    def round(self) -> int:
        """Number of the round that the next update belongs to, from 0."""
        return int(self.updates) // int(self.options["local_updates"])

    def penalty(self) -> torch.Tensor:
        """sum_i sum_j (p_ij - n_j / n)^2."""
        return ((self.p - self.shares) ** 2).sum()

    def begin_update(self) -> None:
        """Download all cores if a round starts; the same state downloads the same."""
        if self.downloaded and int(self.updates) % int(self.options["local_updates"]) == 0:
            for copied, core in zip(self.downloaded, self.cores, strict=True):
                copied.load_state_dict(core.state_dict())

    def constrain(self) -> None:
        """Count the update; p is not constrained."""
        self.updates += 1

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K); log-probabilities for samples without a group."""
        if not self.takes_group:
            group = torch.full((len(x),), -1, device=x.device)
        if group is None or (self.training and bool((group < 0).any())):
            raise ValueError("the group of every sample is needed")
        rows, parts = [], []
        for i in range(len(self.cores)):
            members = (group == i).nonzero().squeeze(1)
            if members.numel():
                rows.append(members)
                parts.append(self._answer(i, x[members]))
        missing = (group < 0).nonzero().squeeze(1)
        if missing.numel():
            answers = torch.stack([self._answer(i, x[missing]).log_softmax(1) for i in range(len(self.cores))])
            rows.append(missing)
            parts.append(answers.logsumexp(0) - math.log(len(answers)))
        return torch.cat(parts)[torch.cat(rows).argsort()]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the cores, and p with a learning rate of its own and no weight decay."""
        cores = {"params": [w for core in self.cores for w in core.parameters()]}
        scale = self.options["p_lr_scale"]
        own = [{"params": [self.p], "lr_scale": scale, "weight_decay": 0.0}] if self.p.requires_grad else []
        return [cores, *own]

    def answering(self, group: int | None) -> Classifier | Adapted:
        """Return a client's mixture as a plain network, or everybody's mean."""
        if group is None:
            return self.but(blind=True)
        plain = copy.deepcopy(self.cores[group])
        with torch.no_grad():
            plain.load_state_dict(self._weights_of(group) | self._statistics_of(group, training=False))
        return plain

    def _answer(self, client: int, x: torch.Tensor) -> torch.Tensor:
        core = self.cores[client]
        core.train(self.training and len(x) > 1)  # one sample has no batch statistics
        state = self._weights_of(client) | self._statistics_of(client, training=self.training)
        logits: torch.Tensor = functional_call(core, state, (x,))
        return logits

    def _seen_by(self, client: int) -> list[Classifier]:
        """Return the client's own core and the others as downloaded."""
        cores = self.cores
        return [core if j == client else self.downloaded[j] for j, core in enumerate(cores)]  # type: ignore[misc]

    def _weights_of(self, client: int) -> dict[str, torch.Tensor]:
        """Return sum_j p_ij w_j by the backbone's names."""
        mixed: dict[str, torch.Tensor] = {}
        for p, core in zip(self.p[client], self._seen_by(client), strict=True):
            for name, weight in core.named_parameters():
                mixed[name] = mixed[name] + p * weight if name in mixed else p * weight
        return mixed

    def _statistics_of(self, client: int, *, training: bool) -> dict[str, torch.Tensor]:
        """Return the running statistics to answer with; while training, the client's own to be updated in place."""
        own = {name: self.cores[client].get_buffer(name) for name in self._statistics}
        if training or self.options["statistics"] == "own":
            return own
        share = self.p[client].detach().abs()
        share = share / share.sum().clamp_min(1e-12)
        seen = self._seen_by(client)
        return {
            name: torch.stack([s * core.get_buffer(name) for s, core in zip(share, seen, strict=True)]).sum(0)
            if value.is_floating_point()
            else value
            for name, value in own.items()
        }
