"""Disentanglement: closed forms of orthogonality and of metadata normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.methods import Lab, Store, create_method
from everygroup.methods.learn.metadata_norm import design
from everygroup.methods.learn.orthogonal import Beside, directions
from everygroup.settings import TrainSettings
from everygroup.training import Batch
from everygroup.training.optimiser import Optimisers


@pytest.fixture(scope="module")
def lab(two: Split, vector_settings: TrainSettings) -> Lab:
    return Lab(two.train, two.validation, vector_settings.but(backbone="mlp", updates=25))


@pytest.fixture(scope="module")
def three(make_vectors: Callable[..., Cohort], vector_settings: TrainSettings) -> Lab:
    split = split_cohort(make_vectors(300, groups=3))
    return Lab(split.train, split.validation, vector_settings.but(backbone="mlp", updates=25))


def learner_of(method: str, lab: Lab) -> Any:
    torch.manual_seed(0)
    (part,) = create_method(method)
    return part.learner(lab)  # type: ignore[union-attr]


def whole(lab: Lab) -> tuple[torch.Tensor, Batch]:
    n = len(lab.train)
    y, group = torch.from_numpy(lab.train.y), torch.from_numpy(lab.train.group)
    batch = Batch(y, torch.ones(n), group, np.arange(n), lab.target, lab.train)
    return torch.from_numpy(lab.train.batch(slice(None))), batch


def test_directions_hold_the_share_that_is_asked() -> None:
    seen = np.diag([3.0, 2.0, 1.0, 0.0])
    assert directions(seen, 0.9).shape == (4, 2) and directions(seen, 1.0).shape[1] >= 3
    np.testing.assert_allclose(np.abs(directions(seen, 0.6)), [[1], [0], [0], [0]], atol=1e-12)


def test_both_losses_of_orthogonality_are_nothing_where_they_should_be(lab: Lab) -> None:
    net = lab.network()
    n, q = len(lab.train), net.head.in_features
    rng = np.random.default_rng(0)
    seen = np.zeros((n, q))
    seen[:, :2] = rng.standard_normal((n, 2))
    learner = Beside(net, seen, [directions(seen[lab.train.y == k], 1.0)[:, :2] for k in range(2)], 1.0, 1.0)
    _, batch = whole(lab)
    beside = torch.zeros(n, q)
    beside[:, 2:] = torch.randn(n, q - 2)
    column, row = learner.terms(beside, batch)
    assert column.item() == pytest.approx(0, abs=1e-9) and row.item() > 0
    column, row = learner.terms(torch.ones(n, q), batch)
    assert row.item() == pytest.approx(0, abs=1e-9) and column.item() > 0


def test_residuals_of_all_samples_have_nothing_of_the_groups_beyond_the_class(three: Lab) -> None:
    learner = learner_of("metadata_norm(momentum=1)", three)
    x, batch = whole(three)
    learner.loss(x, batch)
    learner.after_update(batch)
    h = learner.net.features(x).detach()
    r = (h - learner.taken(learner.beta, batch.group)).double().numpy()
    matrix, n_classes = design(three)
    coefficients, *_ = np.linalg.lstsq(matrix, r, rcond=None)
    np.testing.assert_allclose(coefficients[n_classes:-1], 0, atol=1e-4)
    before, *_ = np.linalg.lstsq(matrix, h.double().numpy(), rcond=None)
    np.testing.assert_allclose(coefficients[:n_classes], before[:n_classes], atol=1e-4)  # the class's effect stays
    assert np.abs(before[n_classes:-1]).max() > 0.01


def test_batches_of_any_size_use_the_same_coefficients(three: Lab) -> None:
    learner = learner_of("metadata_norm", three)
    x, batch = whole(three)
    learner.loss(x, batch)
    learner.after_update(batch)
    learner.eval()
    with torch.no_grad():
        torch.testing.assert_close(learner(x[:5], batch.group[:5]), learner(x, batch.group)[:5])


@pytest.mark.parametrize("method", ["metadata_norm", "penalised_metadata_norm"])
def test_a_group_is_answered_by_a_plain_network_and_nobody_by_what_nothing_was_taken_from(
    method: str, three: Lab
) -> None:
    learner = learner_of(method, three)
    with torch.no_grad():
        learner.beta.copy_(torch.randn_like(learner.beta))
    learner.eval()
    x, batch = whole(three)
    with torch.no_grad():
        for g in range(3):
            rows = batch.group == g
            torch.testing.assert_close(learner.answering(g)(x[rows]), learner(x[rows], batch.group[rows]))
        torch.testing.assert_close(learner.answering(None)(x), learner(x, torch.full((len(x),), -1)))


def test_penalised_coefficients_come_to_least_squares(lab: Lab) -> None:
    learner = learner_of("penalised_metadata_norm", lab)
    x, batch = whole(lab)
    matrix, _ = design(lab)
    settings = lab.settings.but(optimiser="sgd", momentum=0.9, clip_norm=None)
    optimisers = Optimisers(learner, settings)
    optimisers.set_rate(0.02)
    for _ in range(1500):
        optimisers.step({"beta": learner.loss(x, batch)["beta"]})
    h = learner.net.features(x).detach().double().numpy()
    by_hand, *_ = np.linalg.lstsq(matrix, h, rcond=None)
    np.testing.assert_allclose(learner.beta.detach().numpy(), by_hand, atol=1e-3)


@pytest.mark.parametrize("method", ["metadata_norm(strength=0)", "penalised_metadata_norm(strength=0)"])
def test_without_strength_it_is_erm(method: str, lab: Lab, two: Split) -> None:
    store = Store()
    fitted = [
        create_method(m).fit(two.train, two.validation, settings=lab.settings, store=store) for m in ("erm", method)
    ]
    np.testing.assert_allclose(fitted[0].predict_proba(two.test), fitted[1].predict_proba(two.test), atol=1e-6)
