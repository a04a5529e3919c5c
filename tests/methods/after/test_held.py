"""A network some of whose weights are held."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import torch

from everygroup.cohort import Split
from everygroup.methods import Lab, Store
from everygroup.methods.after._held import Held, fine_tuned
from everygroup.networks import Classifier, NetworkSpec, build_network
from everygroup.settings import TrainSettings

BATCH: Any = SimpleNamespace()
X = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
FIRST, LAST = "body.trunk.0.weight", "body.head.weight"


def held(names: list[str]) -> Held:
    torch.manual_seed(0)
    net = build_network(NetworkSpec("mlp", 3, (4,)))
    assert isinstance(net, Classifier)
    return Held(net, names)


def test_without_a_held_weight_it_is_the_network() -> None:
    learner = held([FIRST, LAST])
    torch.testing.assert_close(learner(X), learner.net(X), rtol=0, atol=0)


def test_held_weights_get_no_gradient_and_stay_whatever_the_optimiser_does() -> None:
    learner = held([FIRST])

    mask = torch.zeros_like(learner.net.get_parameter(FIRST), dtype=torch.bool)
    mask[0], mask[1, 2] = True, True
    learner.hold(FIRST, mask, 0.25)
    before = copy.deepcopy(learner.net.state_dict())
    optimiser = torch.optim.AdamW(learner.parameter_groups(), lr=0.1, weight_decay=0.5)
    for _ in range(3):
        optimiser.zero_grad()
        learner(X).square().sum().backward()
        gradient = learner.net.get_parameter(FIRST).grad
        assert (gradient[mask] == 0).all()
        assert (gradient[~mask] != 0).any()
        optimiser.step()
        assert (learner.net.get_parameter(FIRST)[mask] != 0.25).any()
        learner.after_update(BATCH)
    after = learner.net.get_parameter(FIRST).detach()
    assert (after[mask] == 0.25).all()
    assert (after[~mask] != before[FIRST][~mask]).all()
    assert (learner.net.get_parameter(LAST) != before[LAST]).all()
    torch.testing.assert_close(learner(X), learner.answering(None)(X), rtol=0, atol=0)


def test_what_is_held_stays_when_more_is_and_is_saved_with_the_weights() -> None:
    learner = held([LAST])
    first = torch.zeros_like(learner.net.get_parameter(LAST), dtype=torch.bool)
    first[0] = True
    learner.hold(LAST, first, 1.0)
    learner.hold(LAST, torch.ones_like(first), 2.0)
    weight = learner.net.get_parameter(LAST)
    assert (weight[0] == 1).all()
    assert (weight[1:] == 2).all()
    again = held([LAST])
    again.load_state_dict(learner.state_dict())
    with torch.no_grad():
        again.net.get_parameter(LAST).zero_()
    torch.testing.assert_close(again(X), learner(X), rtol=0, atol=0)


def test_fine_tuning_starts_where_the_network_stands_and_is_known_by_it(
    two: Split, vector_settings: TrainSettings
) -> None:
    store = Store()
    lab = Lab(two.train, two.validation, vector_settings.but(updates=20), store)
    start = Held(copy.deepcopy(lab.erm().network), [LAST])  # type: ignore[arg-type]
    start.hold(LAST, torch.ones_like(start.net.get_parameter(LAST), dtype=torch.bool), 0.5)
    before = copy.deepcopy(start.state_dict())

    def tuned(number: int = 1) -> Held:
        return fine_tuned(lab, "x", start, number, updates=3, lr_scale=0.5)

    first, again = tuned(), tuned()
    assert len(store._trained) == 2
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert all(torch.equal(v, before[n]) for n, v in start.state_dict().items())  # the start is left alone
    assert (first.net.get_parameter(LAST) == 0.5).all()
    bias, old = first.net.get_parameter("body.head.bias").detach(), before["net.body.head.bias"]
    assert 0 < float((bias - old).abs().max()) < 3 * lab.settings.lr * 0.5 * 1.5  # three steps of AdamW
    assert not torch.equal(bias, tuned(number=2).net.get_parameter("body.head.bias"))  # other batches
    assert len(store._trained) == 3
    with torch.no_grad():
        start.net.get_parameter("body.head.bias").add_(1)
    tuned()
    assert len(store._trained) == 4
