"""Clients that are averaged: one large batch, ERM of one group, and who counts more."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.methods import create_method
from everygroup.methods.by_group.swarm import Clients
from everygroup.settings import TrainSettings

from ..batches import batch_of

NET = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))


def step(clients: Clients, x: torch.Tensor, y: list[int], group: list[int], *, lr: float = 0.1) -> None:
    """Make one update by plain gradient descent."""
    optimiser = torch.optim.SGD(clients.parameter_groups(), lr=lr, momentum=0.5, weight_decay=0.01)
    batch = batch_of(y, group)
    optimiser.zero_grad()
    clients.loss(x, batch).backward()
    optimiser.step()
    clients.after_update(batch)


def test_one_local_update_with_equal_groups_is_one_update_with_the_whole_batch() -> None:
    x, y = torch.randn(8, 4, generator=torch.Generator().manual_seed(0)), [0, 1, 2, 0, 1, 2, 0, 1]
    clients = Clients(copy.deepcopy(NET), torch.tensor([0.5, 0.5]), 1, 0.0)
    plain = copy.deepcopy(NET)
    optimiser = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.5, weight_decay=0.01)
    for _ in range(3):
        step(clients, x, y, [0, 1] * 4)
        optimiser = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.5, weight_decay=0.01)
        optimiser.zero_grad()
        nn.functional.cross_entropy(plain(x), torch.tensor(y)).backward()
        optimiser.step()
    for mean, client, whole in zip(
        clients.net.parameters(), clients.clients[1].parameters(), plain.parameters(), strict=True
    ):
        torch.testing.assert_close(mean, whole)
        torch.testing.assert_close(client, whole)


def test_between_means_clients_go_their_own_way_and_an_absent_one_stands_still() -> None:
    x = torch.randn(6, 4)
    clients = Clients(copy.deepcopy(NET), torch.tensor([0.75, 0.25]), 2, 0.0)
    step(clients, x, [0, 1, 2, 0, 1, 2], [0] * 5 + [-1])
    first, second = (client[0].weight for client in clients.clients)  # type: ignore[index]
    torch.testing.assert_close(second, NET[0].weight)
    assert not torch.equal(first, second)
    torch.testing.assert_close(clients.net[0].weight, 0.75 * first + 0.25 * second)
    step(clients, x, [0, 1, 2, 0, 1, 2], [0, 1, 0, 1, 0, 1])
    torch.testing.assert_close(clients.clients[0][0].weight, clients.clients[1][0].weight)  # type: ignore[index]


def test_the_worse_a_group_is_served_the_more_it_counts_with_q() -> None:
    clients = Clients(copy.deepcopy(NET), torch.tensor([0.5, 0.5]), 9, 2.0)
    clients.lost.copy_(torch.tensor([1.0, 6.0]))
    clients.seen.copy_(torch.tensor([1.0, 2.0]))
    assert clients.weights().tolist() == pytest.approx([0.1, 0.9])
    clients.seen[0] = 0
    assert clients.weights().tolist() == pytest.approx([0.5, 0.5])


def test_one_group_is_erm(make_vectors: Callable[..., Cohort], vector_settings: TrainSettings) -> None:
    split: Split = split_cohort(make_vectors(120, groups=1))
    erm, model = (
        create_method(name).fit(split.train, split.validation, settings=vector_settings.but(updates=25))
        for name in ("erm", "swarm(local_updates=1)")
    )
    np.testing.assert_array_equal(model.predict_proba(split.test), erm.predict_proba(split.test))
