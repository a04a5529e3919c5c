"""Robust training: two passes an update, dense averages, samples that are drawn or weighed by their errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from everygroup.cohort import Split
from everygroup.errors import SettingsError
from everygroup.methods import Lab, create_method
from everygroup.methods.learn.arl import Reweighted
from everygroup.methods.learn.gsam import Gap
from everygroup.methods.learn.jtt import JTT
from everygroup.methods.learn.sam import Sharp, held_statistics
from everygroup.methods.learn.swad import Averaged, put_vector, vector_of
from everygroup.settings import TrainSettings
from everygroup.training import Batch
from everygroup.training.optimiser import Optimisers


@pytest.fixture(scope="module")
def lab(two: Split, vector_settings: TrainSettings) -> Lab:
    return Lab(two.train, two.validation, vector_settings.but(updates=30))


class Square(nn.Module):
    """theta^2 / 2, whatever the samples."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([1.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.theta.expand(len(x))


class Squared(Batch):
    """A batch whose loss is the mean of the squared outputs."""

    def loss(self, outputs: torch.Tensor) -> torch.Tensor:
        return outputs.square().mean()


def gradient_of(learner: Any) -> float:
    settings = TrainSettings.make({"optimiser": "sgd", "lr": 1.0, "momentum": 0.0, "nesterov": False, "clip_norm": None,
                                   "weight_decay": 0.0})  # fmt: skip
    optimisers = Optimisers(learner, settings)
    optimisers.set_rate(1.0)
    empty: Any = None
    batch = Squared(torch.zeros(2), torch.ones(2), torch.zeros(2), np.arange(2), empty, empty)
    x = torch.zeros(2, 1)
    learner.update(learner.loss(x, batch), optimisers)
    return 1.0 - float(learner.net.theta.detach())


def test_sam_steps_by_the_gradient_a_little_further_on() -> None:
    assert gradient_of(Sharp(Square(), 0.05)) == pytest.approx(2.1)
    assert gradient_of(Gap(Square(), 0.05, 0.05, 0.0, 1.0)) == pytest.approx(2.1)
    # in one dimension nothing is orthogonal
    assert gradient_of(Gap(Square(), 0.05, 0.05, 5.0, 1.0)) == pytest.approx(2.1)


def test_gsam_takes_away_what_is_orthogonal() -> None:
    learner = Gap(nn.Linear(2, 1, bias=False), 0.1, 0.1, 0.5, 1.0)
    weight = learner.net.weight
    weight.grad = torch.tensor([[2.0, 0.0]])
    learner.adjust([weight], [torch.tensor([[1.0, 3.0]])])
    torch.testing.assert_close(weight.grad, torch.tensor([[2.0, -1.5]]))


def test_the_second_pass_leaves_running_statistics_alone() -> None:
    norm = nn.BatchNorm1d(3)
    with held_statistics(norm):
        norm(torch.randn(8, 3) + 4)
    assert norm.running_mean is not None and norm.running_mean.abs().max() == 0 and norm.momentum == 0.1


def along(losses: list[float], start: int, end: int, tolerance: float) -> list[int]:
    """Which segments belong to the valley, looked up with all losses at hand."""
    n = len(losses)
    first = next((i for i in range(n - start + 1) if losses[i] == min(losses[i : i + start])), None)
    if first is None:
        return [n - 1]
    limit = np.mean(losses[first : first + start]) * (1 + tolerance)
    before = first
    while before > 0 and before > first + start - end and losses[before - 1] <= limit:
        before -= 1
    inside = list(range(before, first + 1))
    for i in range(first + 1, n):
        ahead = losses[i : i + end]
        if len(ahead) == end:
            if min(ahead) > limit:
                return inside
        elif losses[i] > limit:
            return inside
        inside.append(i)
    return inside


@pytest.mark.parametrize(
    "losses",
    [
        [5, 4, 3, 2, 1, 1.1, 1.2, 1.1, 1.0, 1.2],
        [5, 1.2, 1, 1.1, 1.3, 3, 3, 3, 3, 3, 3, 1],
        [5, 4, 3, 2, 1],
        [1, 2, 3, 4, 5, 6, 7, 8],
        [2, 1.25, 1.2, 1.0, 1.1, 1.05, 1.2, 9, 1.1, 9, 9, 9, 9],
    ],
    ids=["flat to the end", "left behind", "never reached", "at once", "in and out"],
)
def test_swad_averages_the_segments_of_the_valley(losses: list[float]) -> None:
    learner = Averaged(Square(), 3, 4, 0.3)
    empty: Any = None
    for i, loss in enumerate(losses):
        for step in (-1.0, 1.0):  # a segment's mean is its number
            with torch.no_grad():
                learner.net.theta.fill_(i + step)
            learner.after_update(empty)
        learner.after_epoch(loss)
    inside = along(losses, 3, 4, 0.3)
    assert float(learner.averaged()) == pytest.approx(np.mean(inside), abs=1e-5)
    assert float(learner.answering(None).theta.detach()) == pytest.approx(np.mean(inside), abs=1e-5)


def test_vectors_of_weights_go_there_and_back() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    vector = vector_of(net)
    put_vector(net, vector + 1)
    torch.testing.assert_close(vector_of(net), vector + 1)
    with pytest.raises(SettingsError, match="less than start"):
        create_method("swad(start=5, end=2)")


def test_jtt_draws_the_errors_of_the_first_training(lab: Lab) -> None:
    part = JTT(up=7)
    draws = part.draws(lab)
    assert draws is not None
    short = lab.settings.but(updates=15, selection="last")
    first = lab.train_network(name="first", settings=short)
    wrong = lab.answers(lab.one_model("m", first), lab.train).argmax(1) != lab.train.y
    np.testing.assert_array_equal(draws, np.where(wrong, 7.0, 1.0))
    assert part.cost(("a", "b")) == 1.5 and JTT(up=1).cost(("a", "b")) == 1


def test_arl_starts_with_equal_weights_and_its_adversary_climbs(lab: Lab) -> None:
    (part,) = create_method("arl")
    learner = part.learner(lab)  # type: ignore[union-attr]
    assert isinstance(learner, Reweighted)
    index = np.arange(40)
    x, y = torch.from_numpy(lab.train.batch(index)), torch.from_numpy(lab.train.y[index])
    batch = Batch(y, torch.ones(40), torch.from_numpy(lab.train.group[index]), index, lab.target, lab.train)
    assert torch.equal(learner.weights(x, y), torch.full((40,), 2.0))
    optimisers = Optimisers(learner, lab.settings)
    optimisers.set_rate(0.05)
    for _ in range(30):
        optimisers.step({"adversary": learner.loss(x, batch)["adversary"]})
    weight = learner.weights(x, y).detach()
    losses = batch.losses(learner.net(x)).detach()
    assert weight.mean().item() == pytest.approx(2) and (weight * losses).mean() > 1.02 * 2 * losses.mean()
