"""Regularised multi-task learning: its limits and its closed form."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import SettingsError
from everygroup.methods import ERM, MultiTask, Store
from everygroup.methods.learn.multitask import GroupOffsets
from everygroup.models import RoutedModel
from everygroup.networks import Classifier, NetworkSpec, build_network
from everygroup.settings import TrainSettings


def network(kind: str = "mlp", n_groups: int = 2) -> GroupOffsets:
    torch.manual_seed(0)
    shape = (8, 8, 3) if kind == "small_cnn" else (4,)
    base = build_network(NetworkSpec(kind, 3, shape))
    assert isinstance(base, Classifier)
    return GroupOffsets(base, n_groups, 0.01)


def test_offsets_start_at_0_and_statistics_are_the_groups_own() -> None:
    offsets = network("small_cnn")
    x, group = torch.rand(6, 3, 8, 8), torch.tensor([0, 0, 0, 1, 1, 1])
    torch.testing.assert_close(offsets.eval()(x, group), offsets.net.eval()(x))
    torch.testing.assert_close(offsets(x, torch.full((6,), -1)), offsets.net(x))
    before = copy.deepcopy(offsets.state_dict())
    offsets.train()(x[:3], group[:3])
    moved = {k for k, v in offsets.state_dict().items() if not torch.equal(v, before[k])}
    assert moved
    assert all(k.startswith("group0_") for k in moved)
    for g in (0, 1):
        answer = offsets.eval().answering(g).eval()(x)
        torch.testing.assert_close(answer, offsets(x, torch.full((6,), g)))
    with pytest.raises(ValueError, match="group"):
        offsets(x)


def test_only_the_own_offset_and_the_shared_weights_learn() -> None:
    offsets = network()
    offsets(torch.randn(5, 4), torch.ones(5, dtype=torch.long)).square().sum().backward()
    assert all(p.grad is None for p in offsets.offsets[0].parameters())
    assert all(p.grad.abs().sum() > 0 for p in offsets.offsets[1].parameters())
    assert all(p.grad.abs().sum() > 0 for p in offsets.net.parameters())


def test_the_penalty_is_the_mean_squared_norm() -> None:
    offsets = network()
    with torch.no_grad():
        for p in offsets.offsets[1].parameters():
            p.fill_(0.5)
    count = sum(p.numel() for p in offsets.net.parameters())
    assert float(offsets.penalty().detach()) == pytest.approx(0.25 * count / 2)


def test_with_a_squared_loss_the_optimum_is_the_closed_form() -> None:
    """theta = [w_0, v_1, v_2, v_3] solves a ridge regression; then w_0 = lam1 mean_t(v_t) / lam2."""
    lam1, lam2, groups = 0.9, 0.2, 3
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((60, 4)), np.ones((60, 1))], 1)
    group = np.arange(60) % groups
    y = (x * rng.standard_normal((groups, 5))[group]).sum(1) + 0.1 * rng.standard_normal(60)
    base = build_network(NetworkSpec("linear", 1, (4,)))
    assert isinstance(base, Classifier)
    offsets = GroupOffsets(base, groups, lam1).double()
    optimiser = torch.optim.LBFGS(offsets.parameters(), max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-16)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        answer = offsets(torch.tensor(x[:, :4]), torch.tensor(group))[:, 0]
        shared = sum((p**2).sum() for p in offsets.net.parameters())
        value = ((answer - torch.tensor(y)) ** 2).sum() + lam1 * offsets.penalty() + lam2 * shared
        value.backward()
        return value

    optimiser.step(loss)
    design = np.zeros((60, 5 * (groups + 1)))
    design[:, :5] = x
    for t in range(groups):
        design[group == t, 5 * (t + 1) : 5 * (t + 2)] = x[group == t]
    ridge = np.diag([lam2] * 5 + [lam1 / groups] * 5 * groups)
    solution = np.linalg.solve(design.T @ design + ridge, design.T @ y).reshape(groups + 1, 5)
    parts = [offsets.net, *offsets.offsets]
    found = np.stack([np.concatenate([p.detach().numpy().ravel() for p in part.parameters()]) for part in parts])
    np.testing.assert_allclose(found, solution, atol=1e-6)
    np.testing.assert_allclose(solution[0], lam1 * solution[1:].mean(0) / lam2, atol=1e-9)


def test_a_large_strength_shares_everything_and_none_shares_little(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    split = split_cohort(make_vectors(300))
    store = Store()

    def apart(strength: float) -> float:
        model = MultiTask(strength=strength).fit(split.train, split.validation, settings=vector_settings, store=store)
        a, b = (torch.cat([p.flatten() for p in model.networks[g].parameters()]) for g in model.groups)
        return float((a - b).detach().norm())

    distances = [apart(s) for s in (0.0, 1.0, 100.0)]
    assert distances[0] > 1.5 * distances[1] > 3 * distances[2]
    assert distances[2] < 0.05


def test_one_group_whose_offset_is_held_at_0_is_erm(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    """SGD moves the offset as much as the weights; held near 0 by the penalty, what is left is ERM."""
    split = split_cohort(make_vectors(160, groups=1))
    sgd = vector_settings.but(optimiser="sgd", lr=0.05, clip_norm=None, momentum=0.0, updates=60)
    erm = ERM().fit(split.train, split.validation, settings=sgd).predict_proba(split.test)
    held = MultiTask(strength=9.0).fit(split.train, split.validation, settings=sgd).predict_proba(split.test)
    free = MultiTask(strength=0.0).fit(split.train, split.validation, settings=sgd).predict_proba(split.test)
    assert np.abs(held - erm).max() < 0.05 < np.abs(free - erm).max()


def test_saved_read_back_and_refused(
    two: Split, vector_settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = MultiTask().fit(two.train, two.validation, settings=vector_settings)
    folder = tmp_path_factory.mktemp("model")
    model.save(folder)
    np.testing.assert_array_equal(RoutedModel.load(folder).predict_proba(two.test), model.predict_proba(two.test))
    with pytest.raises(SettingsError, match="strength"):
        MultiTask(strength=math.nan)


def test_a_single_sample_of_a_group_is_normalised_as_it_stands() -> None:
    torch.manual_seed(0)
    base = build_network(NetworkSpec("resnet18", 2, (28, 28, 3)))
    assert isinstance(base, Classifier)
    offsets = GroupOffsets(base, 2, 0.01).train()
    before = {k: v.clone() for k, v in offsets.state_dict().items() if k.startswith("group1_")}
    offsets(torch.rand(4, 3, 28, 28), torch.tensor([0, 0, 0, 1])).sum().backward()
    assert all(torch.equal(v, offsets.state_dict()[k]) for k, v in before.items())
    assert offsets.net.training
