"""Learning rates at the ends of every schedule; the two optimisers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from everygroup.settings import TrainSettings
from everygroup.training import Learner
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
