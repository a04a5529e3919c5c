"""APPLE: a network per group, each answering with a learned mixture of all groups' weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import nn
from torch.func import functional_call

from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.models import RoutedModel
from everygroup.networks.modes import evaluating
from everygroup.training import Batch, Learner

Schedule = Literal["cosine", "exponential"]


def proximal_weight(number: int, rounds: int, schedule: str) -> float:
    """lambda_r: (cos(pi r / R) + 1) / 2 or 0.001^(r / R) in round r = `number` of R = `rounds`; 0 from round R on."""
    if number >= rounds:
        return 0.0
    return (math.cos(math.pi * number / rounds) + 1) / 2 if schedule == "cosine" else 1e-3 ** (number / rounds)


@method(
    "APPLE (adaptive personalised cross-silo federated learning)",
    "Luo and Wu. Adapt to adaptation: Learning personalization for cross-silo federated learning. IJCAI 2022",
    family="group-specific",
    needs_group_at_test=True,
    every_group=True,
    branch="federated",
)
class Apple(Learn):
    """Personalised cross-silo federated learning with one client per group, inside one training loop.

    Client i trains its core w_i and its vector p_i on its own samples, so that the mixture sum_j p_ij w_j answers
    them well, with the others' cores as they were when the round began. All clients make a step on every batch, each
    on its samples in it. Samples without a group are not trained on. With one group this is ERM.
    """

    answers: ClassVar[Literal["by group"]] = "by group"

    mu: float = Field(
        0.1, ge=0, description="strength of the penalty that draws p_i to the groups' shares n_j / n; 0.1 in the paper"
    )
    schedule: Schedule = Field("cosine", description="how the penalty fades over its rounds")
    dynamic_share: float = Field(
        0.1, ge=0, le=1, description="share of the rounds with a penalty, the first ones; 0.1 in the public code"
    )
    local_updates: int | None = Field(
        None, ge=1, description="updates a round; null for one pass over the cohort (the paper has 5)"
    )
    p_lr_scale: float = Field(
        1.0,
        ge=0,
        description="learning rate of p in multiples of the cores'. The paper's 0.1 is for plain SGD; an Adam step is "
        "about one learning rate long, and p would stay where it starts. 0 holds p",
    )
    start: Literal["shares", "own"] = Field("shares", description="p starts as n_j / n, or as the identity")
    statistics: Literal["own", "mixed"] = Field(
        "own", description="batch-norm statistics of a mixture, see `ClientMixture`"
    )

    def _rounds(self, lab: Lab) -> tuple[int, int, int]:
        """Return updates a round, rounds, and rounds with a penalty."""
        local = self.local_updates or lab.settings.updates_per_epoch(len(lab.train))
        rounds = math.ceil(lab.n_updates / local)
        return local, rounds, max(1, round(self.dynamic_share * rounds)) if self.dynamic_share else 0

    def learner(self, lab: Lab) -> Learner:
        """Build a core for every group."""
        local, _, penalised = self._rounds(lab)
        shares = (lab.group_sizes / lab.group_sizes.sum()).tolist()
        return ClientMixture(lab.network(), shares, self, local, penalised)

    def model(self, lab: Lab) -> RoutedModel:
        """Train; what p became is in the model's `info`."""
        model = super().model(lab)
        mixture = lab.train_network(self, self.info.name, where=lab.known).learner
        assert isinstance(mixture, ClientMixture)
        model.info.update(p=mixture.p.tolist(), rounds=self._rounds(lab)[1])
        return model


class ClientMixture(Learner):
    """Client i, the samples of group i, is answered with the weights sum_j p_ij w_j.

    w_i is its own core; the others' are the ones it downloaded at the start of the round, which no gradient reaches.
    All cores start as the network. A sample without a group is answered with the mean of the clients' probabilities.

    The running statistics of a batch norm are no weights: mixed with negative p a variance may become negative.
    'own' takes those that client i's mixture gathered on its own samples, which belong to just this mixture; 'mixed'
    averages the clients' (own and downloaded) with weights |p_ij| / sum_j |p_ij|. Training passes use the batch's.

    Parameters
    ----------
    net : Module
        Becomes the core of client 0.
    shares : sequence of float, (G,)
        n_j / n, where p starts and the penalty draws it to.
    apple : Apple
    local_updates, penalised : int
        Updates a round; rounds with a penalty.
    """

    shares: torch.Tensor
    updates: torch.Tensor

    def __init__(
        self, net: nn.Module, shares: Sequence[float], apple: Apple, local_updates: int, penalised: int
    ) -> None:
        super().__init__(net)
        self.mu, self.schedule, self.statistics, self.p_lr_scale = (
            apple.mu,
            apple.schedule,
            apple.statistics,
            apple.p_lr_scale,
        )
        self.local_updates, self.penalised = local_updates, penalised
        n = len(shares)
        self.others = nn.ModuleList(copy.deepcopy(net) for _ in range(n - 1))
        self.downloaded = nn.ModuleList(copy.deepcopy(net) for _ in range(n if n > 1 else 0)).requires_grad_(False)
        self.register_buffer("shares", torch.tensor(shares, dtype=torch.float32), persistent=False)
        self.p = nn.Parameter(self.shares.repeat(n, 1) if apple.start == "shares" else torch.eye(n))
        self.p.requires_grad_(n > 1 and apple.p_lr_scale > 0)
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        weights = dict(net.named_parameters())
        self._statistics = [name for name in net.state_dict() if name not in weights]

    @property
    def cores(self) -> list[nn.Module]:
        """The clients' own networks."""
        return [self.net, *self.others]  # type: ignore[list-item]

    def of_network(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The weights of every client."""
        for core in self.cores:
            yield from core.named_parameters()

    @property
    def round(self) -> int:
        """Number of the round that the next update belongs to, from 0."""
        return int(self.updates) // self.local_updates

    def penalty(self) -> torch.Tensor:
        """sum_i sum_j (p_ij - n_j / n)^2."""
        return ((self.p - self.shares) ** 2).sum()

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """sum_i [ CE_i + mu lambda_r sum_j (p_ij - n_j / n)^2 ], CE_i the mean over client i's samples in the batch.

        Nothing of client i's term depends on what another client trains, so that one backward pass is a local step of
        each.
        """
        losses = batch.losses(self(x, batch.group)) * batch.weight
        by_client = torch.stack([losses[batch.group == g].mean() for g in batch.group.unique()]).sum()
        strength = self.mu * proximal_weight(self.round, self.penalised, self.schedule)
        return by_client + strength * self.penalty() if strength else by_client

    def before_update(self, batch: Batch) -> None:
        """Download all cores if a round starts; the same state downloads the same."""
        if self.downloaded and int(self.updates) % self.local_updates == 0:
            for copied, core in zip(self.downloaded, self.cores, strict=True):
                copied.load_state_dict(core.state_dict())

    def after_update(self, batch: Batch) -> None:
        """Count the update; p is not constrained."""
        self.updates += 1

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K); log-probabilities for samples without a group."""
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
        own = [{"params": [self.p], "lr_scale": self.p_lr_scale, "weight_decay": 0.0}] if self.p.requires_grad else []
        return [cores, *own]

    def answering(self, group: int | None) -> nn.Module:
        """Return a client's mixture as a plain network."""
        if group is None:
            raise ValueError("where no group is known, the mean of the groups' networks answers")
        plain = copy.deepcopy(self.cores[group])
        with torch.no_grad():
            plain.load_state_dict(self._weights_of(group) | self._statistics_of(group, training=False))
        return plain

    def _answer(self, client: int, x: torch.Tensor) -> torch.Tensor:
        core = self.cores[client]
        state = self._weights_of(client) | self._statistics_of(client, training=self.training)
        with evaluating(core, len(x) == 1):  # one sample has no batch statistics
            logits: torch.Tensor = functional_call(core, state, (x,))
        return logits

    def _seen_by(self, client: int) -> list[nn.Module]:
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
        if training or self.statistics == "own":
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
