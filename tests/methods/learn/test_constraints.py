"""Constraints on what groups get: closed forms of their losses, and batches that lack a cell."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from everygroup.cohort import Split
from everygroup.methods import Lab, create_method
from everygroup.methods.learn.balanced_softmax import Shifted, youden
from everygroup.methods.learn.distribution_matching import coral, mean_distance, mmd
from everygroup.settings import TrainSettings
from everygroup.training import Batch

METHODS = (
    "fairness_penalty",
    "fairness_penalty(criterion=demographic_parity)",
    "fairness_penalty(criterion=covariance)",
    "distribution_matching",
    "balanced_softmax",
    "margin_ranking",
    "fairalm",
)


@pytest.fixture(scope="module")
def lab(two: Split, vector_settings: TrainSettings) -> Lab:
    return Lab(two.train, two.validation, vector_settings.but(updates=20))


def learner_of(method: str, lab: Lab) -> Any:
    (part,) = create_method(method)
    return part.learner(lab)  # type: ignore[union-attr]


def batch_of(lab: Lab, y: list[int], group: list[int]) -> Batch:
    n = len(y)
    return Batch(torch.tensor(y), torch.ones(n), torch.tensor(group), np.arange(n), lab.target, lab.train)


def x_of(lab: Lab, n: int) -> torch.Tensor:
    return torch.from_numpy(lab.train.batch(np.arange(n)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("y", "group"),
    [([0, 0, 1, 1], [0, 0, 0, 0]), ([1, 1, 1, 1], [0, 1, 0, 1]), ([0, 1, 0, 1], [-1, -1, -1, -1]), ([0, 1], [1, 0])],
    ids=["one group", "one class", "no group", "two samples"],
)
def test_a_batch_without_a_cell_gives_finite_losses_and_gradients(
    method: str, y: list[int], group: list[int], lab: Lab
) -> None:
    learner = learner_of(method, lab)
    loss = learner.loss(x_of(lab, len(y)), batch_of(lab, y, group))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in learner.parameters())


def test_penalties_of_equal_groups_are_nothing_and_of_others_the_gap_of_their_rates(lab: Lab) -> None:
    batch = batch_of(lab, [1, 1, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1])
    same = torch.tensor([0.9, 0.7, 0.2, 0.4] * 2)
    less = torch.tensor([0.9, 0.7, 0.2, 0.4, 0.5, 0.3, 0.2, 0.4])
    want = {"equal_opportunity": (0.4 + 0) / 2, "equalized_odds": 0.2 + 0.2, "demographic_parity": 0.2**2}
    for criterion, value in want.items():
        learner = learner_of(f"fairness_penalty(criterion={criterion}, smoothing=0)", lab)
        for p, penalty in ((same, 0.0), (less, value)):
            assert learner.penalty(torch.stack([1 - p, p], 1), batch).item() == pytest.approx(penalty, abs=1e-6)
    learner = learner_of("fairness_penalty(criterion=covariance)", lab)
    assert learner.penalty(torch.stack([1 - less, less], 1), batch).item() == pytest.approx(0.25 * 0.2, abs=1e-6)


def test_running_rates_keep_the_gradient_of_the_batch(lab: Lab) -> None:
    batch = batch_of(lab, [1, 1, 0, 0], [0, 1, 0, 1])
    logits = torch.tensor([[0.0, 1.0], [0.0, 0.2], [0.5, 0.0], [0.1, 0.0]], requires_grad=True)
    plain, smooth = (learner_of(f"fairness_penalty(smoothing={s})", lab) for s in (0, 0.9))
    (first,) = torch.autograd.grad(plain.penalty(logits.softmax(1), batch), logits)
    smooth.penalty(logits.softmax(1), batch)
    smooth.after_update(batch)  # from now on there is something to run on
    (second,) = torch.autograd.grad(smooth.penalty(logits.softmax(1), batch), logits)
    torch.testing.assert_close(first, second)
    other = batch_of(lab, [1, 1, 0, 0], [0, 1, 0, 1])
    smooth.penalty(1 - logits.softmax(1), other)
    smooth.after_update(other)
    kept = 0.9 * logits.softmax(1)[0, 1] + 0.1 * logits.softmax(1)[0, 0]
    assert smooth.rates[0, 0, 1].item() == pytest.approx(kept.item(), abs=1e-6)


def test_a_penalty_has_the_gradient_of_finite_differences(lab: Lab) -> None:
    batch = batch_of(lab, [1, 1, 0, 0, 1, 0], [0, 1, 0, 1, 1, 0])
    learner = learner_of("fairness_penalty(smoothing=0)", lab).double()
    logits = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: learner.penalty(z.softmax(1), batch), logits)


def test_distances_between_samples() -> None:
    assert mmd(torch.zeros(1, 1), torch.ones(1, 1), (1.0,)).item() == pytest.approx(2 - 2 / math.e, abs=1e-6)
    x, y = torch.randn(20, 3), torch.randn(30, 3) + 1
    for distance in (mmd, mean_distance, coral):
        assert distance(x, x).item() == pytest.approx(0, abs=1e-5)
        assert distance(x, y).item() == pytest.approx(distance(y, x).item(), abs=1e-5) and distance(x, y) > 0
    by_hand = np.linalg.norm(np.cov(x.numpy().T) - np.cov(y.numpy().T)) ** 2 / 36
    assert coral(x, y).item() == pytest.approx(by_hand, rel=1e-4)


def test_the_shares_of_a_group_are_added_to_the_logits(lab: Lab) -> None:
    zeros = torch.nn.Linear(4, 2)
    torch.nn.init.zeros_(zeros.weight), torch.nn.init.zeros_(zeros.bias)
    learner = Shifted(zeros, np.log(np.array([[0.8, 0.2]])))
    loss = learner.loss(torch.zeros(1, 4), batch_of(lab, [1], [0]))
    assert loss.item() == pytest.approx(1.609438, abs=1e-6)
    shift = learner_of("balanced_softmax", lab).shift.numpy()
    y, group = lab.train.y, lab.train.group
    for g in range(2):
        share = np.bincount(y[group == g], minlength=2) / (group == g).sum()
        np.testing.assert_allclose(np.exp(shift[group == g]), np.tile(share, ((group == g).sum(), 1)), atol=1e-6)
    assert youden(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.5, 0.9])) in (0.5, 0.9)


def test_ranking_takes_the_worst_group_and_stops_at_the_margin(lab: Lab) -> None:
    learner = learner_of("margin_ranking(margin=0.1)", lab)
    batch = batch_of(lab, [1, 1, 0], [0, 1, 0])
    apart = learner.ranking(torch.tensor([0.9, 0.6, 0.3]), batch)
    assert apart.item() == 0
    worst = learner.ranking(torch.tensor([0.9, 0.25, 0.3]), batch)  # group 1's positive stands below the negative
    assert worst.item() == pytest.approx(0.15)


def test_multipliers_move_both_from_their_old_values_and_stay_where_there_is_no_gap(lab: Lab) -> None:
    learner = learner_of("fairalm(eta=2)", lab)
    batch = batch_of(lab, [1, 1], [0, 1])
    batch.notes["gap"] = torch.tensor(0.5)
    learner.after_update(batch)
    assert learner.multipliers.tolist() == [0.5, 0.0]
    batch.notes["gap"] = torch.tensor(0.1)
    learner.after_update(batch)
    assert learner.multipliers.tolist() == pytest.approx([0.25 + 0.1, 0.0])
    x = x_of(lab, 2)
    losses = F.cross_entropy(learner.net(x), batch.y, reduction="none")
    first, second = 0.5 + 0.35 / 2, 0.5 - 0.35 / 2
    assert learner.loss(x, batch).item() == pytest.approx(
        (losses.mean() + first * losses[0] + second * losses[1]).item()
    )
