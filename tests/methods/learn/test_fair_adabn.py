"""FairAdaBN: statistics of a group's own, and a disparity penalty that has a gradient."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from everygroup.cohort import Cohort, Split
from everygroup.errors import SettingsError
from everygroup.methods import ERM, FairAdaBN
from everygroup.methods.learn.fair_adabn import AdaptiveNorms, statistical_disparity
from everygroup.models import RoutedModel
from everygroup.networks import Classifier, GroupBatchNorm, NetworkSpec, build_network
from everygroup.settings import TrainSettings

from ..batches import batch_of


def plain() -> Classifier:
    torch.manual_seed(0)
    network = build_network(NetworkSpec("small_cnn", 3, (8, 8, 3)))
    assert isinstance(network, Classifier)
    return network


X = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(1))
GROUP = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])


def test_the_disparity_of_the_worked_example_and_its_gradient() -> None:
    p = torch.tensor([[0.7, 0.3], [0.4, 0.6]], requires_grad=True)
    value = statistical_disparity(p, torch.tensor([0, 1]))
    assert float(value.detach()) == pytest.approx(0.18)
    value.backward()
    assert (p.grad.abs() > 0).all()
    three = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    assert float(statistical_disparity(three, torch.tensor([0, 1, 2]))) == pytest.approx(2 + 0.5 + 0.5)
    assert float(statistical_disparity(three, torch.tensor([0, 0, -1]))) == 0.0


def test_equal_statistics_give_the_standard_network_and_the_parameters_grow_as_stated() -> None:
    base = plain()
    network = GroupBatchNorm(copy.deepcopy(base), n_groups=2)
    torch.testing.assert_close(network.eval()(X, GROUP), base.eval()(X))
    torch.testing.assert_close(network(X, torch.full((8,), -1)), base(X))
    channels = sum(m.num_features for m in base.modules() if isinstance(m, torch.nn.BatchNorm2d))
    grown = sum(p.numel() for p in network.parameters()) - sum(p.numel() for p in base.parameters())
    assert grown == 2 * channels
    shared = GroupBatchNorm(copy.deepcopy(base), n_groups=2, shared_affine=True)
    assert sum(p.numel() for p in shared.parameters()) == sum(p.numel() for p in base.parameters())


def test_a_batch_of_one_group_leaves_the_other_alone_and_one_sample_or_a_missing_group_moves_nothing() -> None:
    network = GroupBatchNorm(plain(), n_groups=2).train()
    before = copy.deepcopy(network.state_dict())
    network(X, torch.zeros(8, dtype=torch.long))
    moved = [k for k, v in network.state_dict().items() if not torch.equal(v, before[k])]
    assert moved
    assert all(".norms.0." in k for k in moved)
    before = copy.deepcopy(network.state_dict())
    network(X[:3], torch.tensor([1, -1, -1]))
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    with pytest.raises(ValueError, match="group"):
        network(X)


def test_norms_that_hold_an_activation_keep_it_everywhere(images: Split, image_settings: TrainSettings) -> None:
    torch.manual_seed(0)
    base = build_network(NetworkSpec("test_efficientnet", 3, (32, 32, 3)))
    assert isinstance(base, Classifier)
    network = GroupBatchNorm(base, n_groups=2).eval()
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    known, missing = (torch.full((3,), g) for g in (0, -1))
    torch.testing.assert_close(network(x, missing), network(x, known))  # all norms are the same
    norm = network._norms[0].train()
    norm.group = torch.tensor([0, 0, 1])
    z = torch.randn(3, norm.norms[0].num_features, 4, 4)
    assert (norm(z)[2] >= -0.3).all() and norm.norms[1].training  # SiLU's smallest value; a norm has none

    short = image_settings.but(updates=2, backbone="test_efficientnet")
    model = FairAdaBN().fit(images.train, images.validation, settings=short)
    assert np.isfinite(model.predict_proba(images.test)).all()


def test_the_network_of_a_group_answers_as_the_whole_does() -> None:
    network = GroupBatchNorm(plain(), n_groups=2).train()
    for _ in range(3):
        network(X, GROUP)
    network.eval()
    for g in (0, 1):
        torch.testing.assert_close(network.answering(g).eval()(X), network(X, torch.full((8,), g)))
    assert not torch.allclose(network.answering(0).eval()(X), network.answering(1).eval()(X))


def test_every_part_of_the_loss_reaches_the_parameters_it_should() -> None:
    network = GroupBatchNorm(plain(), n_groups=2).train()
    batch = batch_of([0, 1, 2, 0, 1, 2, 0, 1], GROUP)
    gradients = {}
    for alpha in (0.0, 1.0):
        network.zero_grad()
        AdaptiveNorms(network, alpha).loss(X, batch).backward()
        gradients[alpha] = {n: p.grad.clone() for n, p in network.named_parameters()}
    assert all(g.abs().sum() > 0 for n, g in gradients[0.0].items() if not n.endswith("norms.0.num_batches_tracked"))
    assert all(not torch.equal(gradients[0.0][n], gradients[1.0][n]) for n in gradients[0.0])


def test_one_group_without_the_penalty_is_erm(images: Split, image_settings: TrainSettings) -> None:
    def of_group_0(part: Cohort) -> Cohort:
        inside = part.in_group(part.groups[0])
        table = {"g": ["all"] * len(inside)}
        return Cohort.from_arrays(
            np.asarray(inside.batch(slice(None))),
            inside.y,
            classes=inside.classes,
            sensitive_features=table,
            ids=inside.ids,
            units=inside.units,
        )

    train, validation, test = (of_group_0(p) for p in (images.train, images.validation, images.test))
    short = image_settings.but(updates=10)
    erm = ERM().fit(train, validation, settings=short).predict_proba(test)
    one = FairAdaBN(alpha=0, balanced_batches=False).fit(train, validation, settings=short).predict_proba(test)
    np.testing.assert_allclose(one, erm, atol=1e-6)


def test_it_is_saved_and_read_back_and_needs_batch_norm(
    images: Split,
    two: Split,
    image_settings: TrainSettings,
    vector_settings: TrainSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    model = FairAdaBN().fit(images.train, images.validation, settings=image_settings.but(updates=8))
    folder = tmp_path_factory.mktemp("model")
    model.save(folder)
    again = RoutedModel.load(folder)
    np.testing.assert_array_equal(again.predict_proba(images.test), model.predict_proba(images.test))
    with pytest.raises(SettingsError, match="batch norm"):
        FairAdaBN().fit(two.train, two.validation, settings=vector_settings)
    linear = build_network(NetworkSpec("linear", 2, (4,)))
    assert isinstance(linear, Classifier)
    with pytest.raises(SettingsError, match="batch norm"):
        FairAdaBN().check_network(linear)
    with pytest.raises(SettingsError, match="alpha"):
        FairAdaBN(alpha=math.inf)
