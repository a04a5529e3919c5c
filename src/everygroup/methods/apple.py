"""APPLE: a network per group, each answering with a learned mixture of all groups' weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.methods._saliency import check_number
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.networks.client_mixture import STARTS, STATISTICS, ClientMixture
from everygroup.settings import TrainSettings
from everygroup.training import Batch, Task, sample_losses

SCHEDULES = ("cosine", "exponential")


def proximal_weight(number: int, rounds: int, schedule: str) -> float:
    """lambda_r: (cos(pi r / R) + 1) / 2 or 0.001^(r / R) in round r = `number` of R = `rounds`; 0 from round R on."""
    if number >= rounds:
        return 0.0
    return (math.cos(math.pi * number / rounds) + 1) / 2 if schedule == "cosine" else 1e-3 ** (number / rounds)


@dataclass(frozen=True)
class AppleLoss:
    """sum_i [ CE_i + mu lambda_r sum_j (p_ij - n_j / n)^2 ], CE_i the mean over client i's samples in the batch.

    Nothing of client i's term depends on what another client trains, so that one backward pass is a local step of each.

    Parameters
    ----------
    mu : float
    rounds : int
        Rounds with a penalty.
    schedule : {'cosine', 'exponential'}
    """

    mu: float
    rounds: int
    schedule: str

    def __call__(self, network: nn.Module, x: torch.Tensor, batch: Batch, settings: TrainSettings) -> torch.Tensor:
        """Return the loss of a batch, with fresh downloads if a round starts."""
        assert isinstance(network, ClientMixture)
        if network.training:
            network.begin_update()
        losses = sample_losses(network, x, batch, settings) * batch.weight
        by_client = torch.stack([losses[batch.group == g].mean() for g in batch.group.unique()]).sum()
        strength = self.mu * proximal_weight(network.round, self.rounds, self.schedule)
        return by_client + strength * network.penalty() if strength else by_client


@register
class Apple(Method):
    """Personalised cross-silo federated learning with one client per group, inside one training loop.

    Client i trains its core w_i and its vector p_i on its own samples, so that the mixture sum_j p_ij w_j answers
    them well, with the others' cores as they were when the round began. All clients make a step on every batch, each
    on its samples in it. Samples without a group are not trained on. With one group this is ERM.

    Parameters
    ----------
    mu : float
        Strength of the penalty that draws p_i to the groups' shares n_j / n; 0.1 in the paper.
    schedule : {'cosine', 'exponential'}
        How the penalty fades over its rounds.
    dynamic_share : float
        Share of the rounds with a penalty, the first ones; 0.1 in the public code, 0 for none.
    local_updates : int or None
        Updates a round; None for one pass over the cohort (the paper has 5).
    p_lr_scale : float
        Learning rate of p in multiples of the cores'. The paper's 0.1 is for plain SGD; an Adam step is about one
        learning rate long, and p would stay where it starts. 0 holds p.
    start : {'shares', 'own'}
        p starts as n_j / n, or as the identity.
    statistics : {'own', 'mixed'}
        Batch-norm statistics of a mixture, see `everygroup.networks.ClientMixture`.
    """

    learns_every_group = True
    info = MethodInfo(
        name="apple",
        title="APPLE (adaptive personalised cross-silo federated learning)",
        paper="Luo and Wu. Adapt to adaptation: Learning personalization for cross-silo federated learning. IJCAI 2022",
        family="group-specific",
        min_groups=1,
        max_groups=None,
        needs_group_at_test=True,
        cost=lambda groups: 1,
    )

    def __init__(
        self,
        *,
        mu: float = 0.1,
        schedule: str = "cosine",
        dynamic_share: float = 0.1,
        local_updates: int | None = None,
        p_lr_scale: float = 1.0,
        start: str = "shares",
        statistics: str = "own",
    ) -> None:
        check_number("mu", mu, 0)
        check_number("dynamic_share", dynamic_share, 0, 1)
        check_number("local_updates", 1 if local_updates is None else local_updates, 1, whole=True)
        check_number("p_lr_scale", p_lr_scale, 0)
        words = {"schedule": (schedule, SCHEDULES), "start": (start, STARTS), "statistics": (statistics, STATISTICS)}
        for name, (value, allowed) in words.items():
            if value not in allowed:
                raise SettingsError(f"{name} = {value!r}.", fix=f"choose one of {', '.join(allowed)}")
        self.mu, self.schedule, self.dynamic_share, self.local_updates = mu, schedule, dynamic_share, local_updates
        self.p_lr_scale, self.start, self.statistics = p_lr_scale, start, statistics

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        known = train.where(train.group >= 0)
        size = np.bincount(known.group, minlength=len(train.groups))
        local = self.local_updates or settings.updates_per_epoch(len(train))
        rounds = math.ceil(settings.n_updates(len(train)) / local)
        penalised = max(1, round(self.dynamic_share * rounds)) if self.dynamic_share else 0
        adapter = {
            "name": "client_mixture",
            "shares": (size / size.sum()).tolist(),
            "local_updates": local,
            "start": self.start,
            "p_lr_scale": self.p_lr_scale,
            "statistics": self.statistics,
        }
        trained = store.network(
            Task.diagnosis(self.info.name, known, validation),
            settings,
            n_budget=len(train),
            objective=AppleLoss(self.mu, penalised, self.schedule),
            adapter=adapter,
        )
        model = self._network_per_group(train, trained)
        assert isinstance(trained.network, ClientMixture)
        model.info.update(p=trained.network.p.tolist(), rounds=rounds)
        return model
