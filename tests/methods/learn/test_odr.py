"""Orthogonal disentangled representations: closed forms, and who learns of what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from everygroup.cohort import Split
from everygroup.methods import Lab, create_method
from everygroup.methods.learn.odr import divergence, drawn
from everygroup.settings import TrainSettings

from ..batches import batch_of


@pytest.fixture
def lab(two: Split, vector_settings: TrainSettings) -> Lab:
    return Lab(two.train, two.validation, vector_settings.but(backbone="mlp"))


def learner_of(method: str, lab: Lab) -> Any:
    torch.manual_seed(0)
    (part,) = create_method(method)
    return part.learner(lab)  # type: ignore[union-attr]


def some(n: int = 16) -> tuple[torch.Tensor, Any]:
    rng = np.random.default_rng(0)
    batch = batch_of(rng.integers(0, 2, n).tolist(), rng.integers(0, 2, n).tolist(), classes=2)
    return torch.from_numpy(rng.standard_normal((n, 4)).astype(np.float32)), batch


def normal(mean: torch.Tensor, log_variance: torch.Tensor) -> Any:
    return Independent(Normal(mean, (log_variance / 2).exp()), 1)  # type: ignore[no-untyped-call]


def gradients(loss: torch.Tensor, module: torch.nn.Module) -> list[torch.Tensor | None]:
    return list(torch.autograd.grad(loss, list(module.parameters()), retain_graph=True, allow_unused=True))


def test_divergence_and_draws_are_those_of_normal_distributions() -> None:
    mean, log_variance, prior = torch.randn(5, 3), torch.randn(5, 3), torch.tensor([1.0, 0.0, 0.0])
    wanted = kl_divergence(normal(mean, log_variance), normal(prior.expand(5, 3), torch.zeros(5, 3)))
    torch.testing.assert_close(divergence(mean, log_variance, prior), wanted)
    torch.testing.assert_close(divergence(torch.zeros(2, 3), torch.zeros(2, 3)), torch.zeros(2))
    draws = drawn(torch.full((20000, 1), 2.0), torch.full((20000, 1), 1.0))
    assert draws.mean().item() == pytest.approx(2, abs=0.06) and draws.var().item() == pytest.approx(np.e, rel=0.06)


def test_means_of_the_two_priors_are_orthogonal(lab: Lab) -> None:
    learner = learner_of("odr(code=6)", lab)
    assert float(learner.at @ (1 - learner.at)) == 0 and float(learner.at.sum()) == 1


def test_what_finds_the_group_is_not_moved_by_the_code_of_the_diagnosis(lab: Lab) -> None:
    learner = learner_of("odr", lab)
    x, _ = some()
    certain = learner.certainty(learner.net.features(x)).mean()
    assert all(g is None for g in gradients(certain, learner.probe))
    assert any(g is not None and bool(g.any()) for g in gradients(certain, learner.net.base.body.trunk))
    last = learner.probe[-1]
    with torch.no_grad():
        last.weight.zero_(), last.bias.zero_()
    torch.testing.assert_close(learner.certainty(torch.randn(3, 128)), torch.full((3,), -float(np.log(2))))


def test_the_group_is_taken_up_without_moving_the_backbone(lab: Lab) -> None:
    learner = learner_of("odr(entropy=0.1, prior=0)", lab)
    x, batch = some()

    def trunk() -> list[torch.Tensor | None]:
        torch.manual_seed(1)
        return gradients(learner.loss(x, batch), learner.net.base.body.trunk)

    before = trunk()
    with torch.no_grad():
        for parameter in learner.other.parameters():
            parameter.mul_(3)  # changes what D makes of z_s, and nothing that the backbone may learn of
    for one, other in zip(before, trunk(), strict=True):
        torch.testing.assert_close(one, other)
    assert any(g is not None and bool(g.any()) for g in gradients(learner.loss(x, batch), learner.other))


def test_both_weights_change_over_training_and_a_batch_without_groups_is_finite(lab: Lab) -> None:
    x, batch = some()
    losses = []
    for method in ("odr(entropy=0, prior=1)", "odr(entropy=0, prior=1, prior_decay=0.5)"):
        learner = learner_of(method, lab)
        learner.updates.fill_(lab.n_updates)
        torch.manual_seed(2)
        losses.append(float(learner.loss(x, batch).detach()))
    assert losses[1] < losses[0]
    nobody = batch_of(batch.y, torch.full_like(batch.group, -1), classes=2)
    loss = learner.loss(x, nobody)
    loss.backward()
    assert torch.isfinite(loss) and all(
        torch.isfinite(p.grad).all() for p in learner.parameters() if p.grad is not None
    )
