"""Contrasts and translations: closed forms, and where gradients flow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from everygroup.cohort import Split
from everygroup.methods import Lab, create_method
from everygroup.methods.learn._contrast import released_contrast, supervised_contrast
from everygroup.methods.learn.circle import looks
from everygroup.methods.learn.end import Entangled
from everygroup.settings import TrainSettings
from everygroup.training import Batch

METHODS = ("supcon", "supcon(against=same_group)", "fairdisco", "fairdisco(as_released=true)", "end", "circle(beta=1)")


@pytest.fixture(scope="module")
def lab(two: Split, vector_settings: TrainSettings) -> Lab:
    return Lab(two.train, two.validation, vector_settings.but(backbone="mlp"))


def learner_of(method: str, lab: Lab) -> Any:
    torch.manual_seed(0)
    (part,) = create_method(method)
    return part.learner(lab)  # type: ignore[union-attr]


def batch_of(lab: Lab, y: list[int], group: list[int]) -> tuple[torch.Tensor, Batch]:
    n = len(y)
    batch = Batch(torch.tensor(y), torch.ones(n), torch.tensor(group), np.arange(n), lab.target, lab.train)
    return torch.from_numpy(lab.train.batch(np.arange(n))), batch


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("y", "group"), [([0, 0, 1, 1], [0, 1, 0, 1]), ([0, 1], [0, 1]), ([1, 1, 1], [0, 0, 0]), ([0, 0, 1], [-1, -1, -1])]
)
def test_losses_are_finite_and_reach_the_network(method: str, y: list[int], group: list[int], lab: Lab) -> None:
    learner = learner_of(method, lab)
    x, batch = batch_of(lab, y, group)
    loss = learner.loss(x, batch)
    loss.backward()
    assert torch.isfinite(loss)
    gradients = [p.grad for p in learner.net.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)


def test_the_contrast_is_khoslas_and_the_released_one_is_not() -> None:
    u = F.normalize(torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [-1.0, 0.2]]), dim=1).double()
    y, temperature = torch.tensor([0, 0, 0, 1]), 0.5
    e = (u @ u.T / temperature).exp().numpy()
    by_hand = []
    for i in range(3):
        others = [j for j in range(4) if j != i]
        partners = [j for j in range(3) if j != i]
        by_hand.append(-np.mean([math.log(e[i, j] / e[i, others].sum()) for j in partners]))
    assert supervised_contrast(u, y, temperature).item() == pytest.approx(np.mean(by_hand))
    pairs = [-math.log(e[i, j] / (e[i, j] + e[i, 3])) for i in range(3) for j in range(3) if i != j]
    assert released_contrast(u, y, temperature).item() == pytest.approx(np.mean(pairs))


def test_another_group_is_no_negative_where_it_is_left_out() -> None:
    u = F.normalize(torch.randn(6, 3), dim=1)
    y, group = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([0, 0, 1, 0, 1, 1])
    against = group[:, None] == group
    whole = supervised_contrast(u, y, 0.5, torch.ones(6, 6, dtype=torch.bool))
    assert whole.item() == pytest.approx(supervised_contrast(u, y, 0.5).item())
    assert supervised_contrast(u, y, 0.5, against) < whole


def test_fairdisco_holds_the_probe_in_the_confusion_unless_as_released(lab: Lab) -> None:
    found = {}
    for released in (False, True):
        learner = learner_of(f"fairdisco(beta=0, as_released={str(released).lower()})", lab)
        x, batch = batch_of(lab, [0, 0, 1, 1], [-1, -1, -1, -1])  # nobody's group is known: the confusion alone
        learner.loss(x, batch).backward()
        found[released] = any(p.grad is not None and p.grad.abs().max() > 0 for p in learner.probe.parameters())
    assert found == {False: False, True: True}


def test_end_is_nothing_where_groups_are_orthogonal_and_diagnoses_alike() -> None:
    h = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 3.0]])
    apart, together = Entangled.terms(h, torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1]))
    assert apart.item() == 0 and together.item() == 0
    apart, together = Entangled.terms(h, torch.tensor([0, 1, 1, 0]), torch.tensor([0, 1, 0, 1]))
    assert apart.item() == 1 and together.item() == 0.5


def test_circle_moves_samples_to_the_look_of_the_other_group(lab: Lab) -> None:
    mean, spread = looks(lab)
    x = lab.train.batch(slice(None))
    for g in range(2):
        np.testing.assert_allclose(mean[g], x[lab.train.group == g].mean(0), atol=1e-5)
        np.testing.assert_allclose(spread[g], x[lab.train.group == g].std(0), atol=1e-5)
    learner = learner_of("circle", lab)
    first = torch.from_numpy(x[lab.train.group == 0])
    zero, one = torch.zeros(len(first), dtype=torch.int64), torch.ones(len(first), dtype=torch.int64)
    moved = learner.translated(first, zero, one)
    np.testing.assert_allclose(moved.mean(0), mean[1], atol=1e-4)
    torch.testing.assert_close(learner.translated(first, zero, zero), first, atol=1e-5, rtol=0)
    torch.testing.assert_close(learner.translated(first, zero - 1, one), first)
