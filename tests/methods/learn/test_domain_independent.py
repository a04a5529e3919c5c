"""Domain-independent training: one trunk, a head a group."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from everygroup.cohort import Cohort, split_cohort
from everygroup.errors import SettingsError
from everygroup.methods import ERM, DomainIndependent
from everygroup.models import RoutedModel
from everygroup.networks import DomainHeads, NetworkSpec, build_network, predict_outputs
from everygroup.settings import TrainSettings


def base(n_outputs: int = 2, *, image: bool = False) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(
        NetworkSpec("small_cnn", n_outputs, (8, 8, 3)) if image else NetworkSpec("mlp", n_outputs, (4,))
    )


@pytest.mark.parametrize("image", [False, True])
def test_heads_and_rules(image: bool) -> None:
    plain = base(3, image=image)
    n_plain = sum(p.numel() for p in plain.parameters())
    n_head = sum(p.numel() for p in plain.head.parameters())
    network = DomainHeads(copy.deepcopy(plain), n_groups=2)
    with torch.no_grad():
        network.weight.add_(torch.randn_like(network.weight))
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert trainable == n_plain + n_head  # trunk + G (q + 1) K
    x = torch.rand(5, 3, 8, 8) if image else torch.randn(5, 4)
    z = network.eval().heads(x)
    torch.testing.assert_close(network(x), z.sum(1))
    torch.testing.assert_close(network.answering(None).eval()(x), z.sum(1), rtol=1e-5, atol=1e-5)
    known = network.but(rule="known")
    group = torch.tensor([0, 1, 0, 1, -1])
    torch.testing.assert_close(known(x, group)[:4], z[torch.arange(4), group[:4]])
    torch.testing.assert_close(known.answering(1).eval()(x), z[:, 1], rtol=1e-5, atol=1e-5)
    likely = network.but(rule="sum_probabilities")(x)
    torch.testing.assert_close(likely.exp(), z.softmax(-1).sum(1))
    torch.testing.assert_close(network.but(rule="max")(x), z.amax(1))


def test_only_the_own_head_learns() -> None:
    network = DomainHeads(base(), n_groups=2).train()
    F.cross_entropy(network(torch.randn(6, 4), torch.ones(6, dtype=torch.long)), torch.ones(6).long()).backward()
    assert network.weight.grad[0].abs().sum() == 0
    assert network.weight.grad[1].abs().sum() > 0
    assert all(p.grad is None for p in network.base.head.parameters())
    assert all(p.grad.abs().sum() > 0 for p in network.base.body.trunk.parameters())
    with pytest.raises(ValueError, match="group"):
        network(torch.randn(2, 4))


def test_every_rule_is_saved_and_read_back(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    split = split_cohort(make_vectors(missing=10))
    answers = {}
    for rule in ("sum_logits", "known", "sum_probabilities", "max"):
        model = DomainIndependent(rule=rule).fit(split.train, split.validation, settings=vector_settings)
        answers[rule] = model.predict_proba(split.test)
        folder = tmp_path_factory.mktemp(rule)
        model.save(folder)
        np.testing.assert_array_equal(RoutedModel.load(folder).predict_proba(split.test), answers[rule])
    assert not np.allclose(answers["known"], answers["sum_logits"])
    with pytest.raises(SettingsError, match="rule"):
        DomainIndependent(rule="mean")


def test_predicting_a_network_that_takes_groups_passes_them(make_vectors: Callable[..., Cohort]) -> None:
    cohort = make_vectors(20)
    network = DomainHeads(base(), n_groups=2, rule="known")
    with torch.no_grad():
        network.bias[1] += 5
    z = network.eval().heads(torch.from_numpy(cohort.batch(slice(None))))
    torch.testing.assert_close(predict_outputs(network, cohort), z[torch.arange(20), torch.from_numpy(cohort.group)])


def test_one_group_is_erm(make_vectors: Callable[..., Cohort], vector_settings: TrainSettings) -> None:
    split = split_cohort(make_vectors(120, groups=1))
    erm = ERM().fit(split.train, split.validation, settings=vector_settings).predict_proba(split.test)
    heads = DomainIndependent().fit(split.train, split.validation, settings=vector_settings)
    np.testing.assert_allclose(heads.predict_proba(split.test), erm, atol=1e-5)
