"""Adversaries: where their gradients flow, what their losses are, and batches without a known group."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from everygroup.cohort import Split
from everygroup.methods import Lab, create_method
from everygroup.methods.learn._probe import Watched, reverse
from everygroup.methods.learn._rates import cell_means, spread
from everygroup.settings import TrainSettings
from everygroup.training import Batch
from everygroup.training.optimiser import Optimisers

METHODS = ("adversarial", "adversarial(told=label)", "laftr", "cfair(mu=1)", "confusion", "lnl")


@pytest.fixture(scope="module")
def lab(two: Split, vector_settings: TrainSettings) -> Lab:
    return Lab(two.train, two.validation, vector_settings.but(backbone="mlp"))


def learner_of(method: str, lab: Lab) -> Any:
    torch.manual_seed(0)
    (part,) = create_method(method)
    return part.learner(lab)  # type: ignore[union-attr]


def batch_of(lab: Lab, *, n: int = 48, known: bool = True) -> tuple[torch.Tensor, Batch]:
    index = np.arange(n)
    group = torch.from_numpy(lab.train.group[index]) if known else torch.full((n,), -1)
    y = torch.from_numpy(lab.train.y[index])
    batch = Batch(y, torch.ones(n), group, index, lab.target, lab.train)
    return torch.from_numpy(lab.train.batch(index)), batch


def test_a_reversed_gradient_is_minus_the_strength_times_the_ordinary_one() -> None:
    h = torch.randn(5, 3, requires_grad=True)
    w = torch.randn(3, 2)
    (plain,) = torch.autograd.grad((h @ w).square().sum(), h)
    (turned,) = torch.autograd.grad((reverse(h, 0.3) @ w).square().sum(), h)
    torch.testing.assert_close(turned, -0.3 * plain)


def test_the_strength_grows_from_nothing_to_lam(lab: Lab) -> None:
    learner = learner_of("adversarial(lam=0.5)", lab)
    assert learner.strength == 0
    learner.updates += learner.n_updates // 2
    assert learner.strength == pytest.approx(0.5 * (2 / (1 + math.exp(-5)) - 1), rel=0.02)
    assert learner_of("adversarial(lam=0.5, ramp=false)", lab).strength == 0.5


@pytest.mark.parametrize("method", METHODS)
def test_an_update_moves_network_and_probe(method: str, lab: Lab) -> None:
    learner = learner_of(method, lab)
    assert isinstance(learner, Watched)
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    optimisers = Optimisers(learner, lab.settings)
    optimisers.set_rate(0.01)
    assert set(optimisers) == ({"main", "probe"} if learner.alternates else {"main"})
    x, batch = batch_of(lab)
    for _ in range(2):  # of a strength that grows the first is 0
        learner.update(learner.loss(x, batch), optimisers)
        learner.after_update(batch)
    moved = {k.partition(".")[0] for k, v in learner.state_dict().items() if not torch.equal(v, before[k])}
    assert {"net", "probe"} <= moved


@pytest.mark.parametrize("method", METHODS)
def test_without_a_known_group_the_diagnosis_is_learnt_alone(method: str, lab: Lab) -> None:
    learner = learner_of(method, lab)
    x, batch = batch_of(lab, known=False)
    loss = learner.loss(x, batch)
    main = loss if isinstance(loss, torch.Tensor) else loss["main"]
    confusing = method == "confusion"  # that needs no group
    plain = batch.loss(learner.net(x))
    assert torch.isfinite(main) and (confusing or main.item() == pytest.approx(plain.item()))


def test_cfair_weighs_groups_alike_within_a_class(lab: Lab) -> None:
    learner = learner_of("cfair(mu=1)", lab)
    y, group = lab.train.y, lab.train.group
    for k in range(2):
        rows = (y == k) & (group >= 0)
        logits = torch.zeros(int(rows.sum()), 2, requires_grad=True)
        told = torch.from_numpy(group[rows])
        weight = learner.weight[k][told]
        (torch.nn.functional.cross_entropy(logits, told, reduction="none") * weight).sum().backward()
        assert logits.grad is not None
        torch.testing.assert_close(logits.grad.sum(0), torch.zeros(2), atol=1e-4, rtol=0)
        assert weight.sum().item() == pytest.approx(rows.sum(), rel=1e-5)


def test_confusion_is_smallest_where_the_probe_is_undecided(lab: Lab) -> None:
    learner = learner_of("confusion(lam=2)", lab)
    with torch.no_grad():
        for parameter in learner.probe.parameters():
            parameter.zero_()
    x, batch = batch_of(lab)
    loss = learner.loss(x, batch)
    assert loss["main"].item() - batch.loss(learner.net(x)).item() == pytest.approx(2 * math.log(2), abs=1e-5)
    assert loss["probe"].item() == pytest.approx(math.log(2), abs=1e-6)


def test_laftr_counts_every_cell_the_same(lab: Lab) -> None:
    learner = learner_of("laftr(criterion=demographic_parity)", lab)
    x, batch = batch_of(lab)
    h, _ = learner.seen(x)
    own = learner.probe(h).softmax(1)[torch.arange(len(x)), batch.group]
    by_hand = torch.stack([(1 - own[batch.group == g]).mean() for g in range(2)]).mean()
    torch.testing.assert_close(learner.errors(h, batch), by_hand)


def test_a_probe_that_is_sure_gives_no_nan(lab: Lab) -> None:
    learner = learner_of("lnl", lab)
    with torch.no_grad():
        learner.probe[2].bias.copy_(torch.tensor([1e4, -1e4]))
    x, batch = batch_of(lab)
    assert all(torch.isfinite(v) for v in learner.loss(x, batch).values())


def test_means_of_cells_and_their_spread() -> None:
    values = torch.tensor([1.0, 3.0, 10.0, 99.0])
    mean, there = cell_means(values, torch.tensor([0, 0, 2, -1]), 3)
    assert mean.tolist() == [2.0, 0.0, 10.0] and there.tolist() == [True, False, True]
    assert spread(mean, there).item() == 8.0
    assert spread(mean, torch.tensor([True, False, False])).item() == 0.0
