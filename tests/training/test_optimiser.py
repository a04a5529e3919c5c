"""Learning rates at the ends of every schedule; the two optimisers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from everygroup.cohort import split_cohort
from everygroup.datasets import simulated
from everygroup.methods import Lab
from everygroup.networks import NetworkSpec, build_network
from everygroup.settings import TrainSettings
from everygroup.training import Learner
from everygroup.training.device import seed_torch
from everygroup.training.optimiser import Optimisers, learning_rate


def rates(n: int = 100, **changes: Any) -> list[float]:
    settings = TrainSettings.make({"lr": 2.0, "warmup": 0.0, **changes})
    return [learning_rate(u, n, settings) for u in range(n)]


def test_constant() -> None:
    assert set(rates(schedule="constant")) == {2.0}


def test_cosine_and_linear_fall_from_the_rate_to_almost_zero() -> None:
    for schedule, last, half in (("cosine", 2 * 0.000246719, 1.0), ("linear", 0.02, 1.0)):
        values = rates(schedule=schedule)
        assert values[0] == 2.0
        assert values[50] == pytest.approx(half)
        assert values[-1] == pytest.approx(last, rel=1e-4)
        assert values == sorted(values, reverse=True)


def test_step() -> None:
    values = rates(schedule="step")
    assert (values[0], values[49], values[50], values[74], values[75], values[99]) == pytest.approx(
        (2, 2, 0.2, 0.2, 0.02, 0.02)
    )


@pytest.mark.parametrize("schedule", ["cosine", "constant", "step", "linear"])
def test_warm_up_rises_to_the_rate(schedule: str) -> None:
    values = rates(schedule=schedule, warmup=0.2)
    assert values[:2] == pytest.approx([2 / 21, 4 / 21])
    assert values[20] == 2.0
    assert values[:21] == sorted(values[:21])
    assert max(values) == 2.0
    assert min(values) > 0


def test_one_update_uses_the_whole_rate() -> None:
    assert rates(1, warmup=0.5) == [2.0]


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_optimisers_take_their_settings_and_leave_out_frozen_weights(name: str, kind: type) -> None:
    network = torch.nn.Linear(3, 2)
    network.bias.requires_grad_(False)
    settings = TrainSettings.make(
        {"optimiser": name, "lr": 0.3, "momentum": 0.7, "nesterov": True, "weight_decay": 0.2}
    )
    optimisers = Optimisers(Learner(network), settings)
    assert list(optimisers) == ["main"]
    optimiser = optimisers["main"]
    assert isinstance(optimiser, kind)
    (group,) = optimiser.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.3, 0.2)
    assert [p.shape for p in group["params"]] == [(2, 3)]
    if name == "sgd":
        assert (group["momentum"], group["nesterov"]) == (0.7, True)


def test_stages_below_the_head_learn_more_slowly_and_may_wait() -> None:
    network = build_network(NetworkSpec("test_resnet.r160_in1k", 3, (64, 64, 3)))
    settings = TrainSettings.make({"layer_decay": 0.5, "head_warmup": 0.2, "lr": 1.0})
    optimisers = Optimisers(Learner(network), settings)
    optimisers.set_rate(1.0)
    rate = {id(p): g["lr"] for g in optimisers["main"].param_groups for p in g["params"]}
    assert len(rate) == len(list(network.parameters()))
    first, last = next(network.body.parameters()), network.head.weight
    assert rate[id(last)] == 1.0 > rate[id(first)] > 0
    assert {round(np.log2(r)) for r in rate.values()} == set(range(int(np.log2(rate[id(first)])), 1))
    optimisers.set_rate(1.0, head_alone=True)
    waiting = {id(p): g["lr"] for g in optimisers["main"].param_groups for p in g["params"]}
    assert waiting[id(last)] == 1.0 and waiting[id(first)] == 0.0
    plain = Optimisers(Learner(network), TrainSettings.make())
    assert [len(g["params"]) for g in plain["main"].param_groups] == [len(rate)]


@pytest.mark.parametrize(
    ("options", "held"),
    [({"freeze": "trunk"}, "everything below the head"), ({"batch_norm": "frozen"}, "statistics"), ({}, "nothing")],
)
def test_what_is_held_stays_as_it_was(options: dict[str, str], held: str) -> None:
    world = split_cohort(simulated.dermatology(80, image_size=32, seed=1).cohort)
    settings = TrainSettings.make({"backbone": "test_resnet.r160_in1k", "updates": 3, "batch_size": 8, **options})
    lab = Lab(world.train, world.validation, settings)
    seed_torch(settings.seed)
    before = {k: v.clone() for k, v in lab.network().state_dict().items()}
    after = lab.erm().network.state_dict()
    changed = {k for k, v in after.items() if not torch.equal(v, before[k])}
    statistics = {k for k in after if "running_" in k}
    if held == "everything below the head":
        assert changed == {"body.fc.weight", "body.fc.bias"}
    elif held == "statistics":
        assert not changed & statistics and "body.conv1.0.weight" in changed | {"body.conv1.0.weight"}
        assert any(k.endswith("bn1.weight") for k in changed)
    else:
        assert statistics <= changed
