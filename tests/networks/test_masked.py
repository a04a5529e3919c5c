"""A network some of whose weights are held."""

from __future__ import annotations

import copy

import torch

from everygroup.networks import Classifier, Masked, NetworkSpec, build_network


def masked(names: list[str]) -> Masked:
    torch.manual_seed(0)
    base = build_network(NetworkSpec("mlp", 3, (4,)))
    assert isinstance(base, Classifier)
    return Masked(base, names=names)


X = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
FIRST, LAST = "body.trunk.0.weight", "body.head.weight"


def test_without_a_held_weight_it_is_the_backbone() -> None:
    network = masked([FIRST, LAST])
    torch.testing.assert_close(network(X), network.base(X), rtol=0, atol=0)


def test_held_weights_get_no_gradient_and_stay_whatever_the_optimiser_does() -> None:
    network = masked([FIRST])

    mask = torch.zeros_like(network.base.get_parameter(FIRST), dtype=torch.bool)
    mask[0], mask[1, 2] = True, True
    network.hold(FIRST, mask, 0.25)
    before = copy.deepcopy(network.base.state_dict())
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.5)
    for _ in range(3):
        optimiser.zero_grad()
        network(X).square().sum().backward()
        gradient = network.base.get_parameter(FIRST).grad
        assert (gradient[mask] == 0).all()
        assert (gradient[~mask] != 0).any()
        optimiser.step()
        network.constrain()
    after = network.base.get_parameter(FIRST).detach()
    assert (after[mask] == 0.25).all()
    assert (after[~mask] != before[FIRST][~mask]).all()
    assert (network.base.get_parameter(LAST) != before[LAST]).all()
    torch.testing.assert_close(network(X), network.answering(None)(X), rtol=0, atol=0)


def test_what_is_held_stays_when_more_is_and_is_saved_with_the_weights() -> None:
    network = masked([LAST])
    first = torch.zeros_like(network.base.get_parameter(LAST), dtype=torch.bool)
    first[0] = True
    network.hold(LAST, first, 1.0)
    network.hold(LAST, torch.ones_like(first), 2.0)
    weight = network.base.get_parameter(LAST)
    assert (weight[0] == 1).all()
    assert (weight[1:] == 2).all()
    again = masked([LAST])
    again.load_state_dict(network.state_dict())
    with torch.no_grad():
        again.base.get_parameter(LAST).zero_()
    torch.testing.assert_close(again(X), network(X), rtol=0, atol=0)
