"""FairMoE: experts that are told apart by group, and a router that learns."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import SettingsError
from everygroup.methods import ERM, FairMoE
from everygroup.methods.learn.fair_moe import Specialists, mutual_information
from everygroup.models import RoutedModel
from everygroup.networks import Classifier, ExpertMixture, NetworkSpec, build_network
from everygroup.settings import TrainSettings

from ..batches import batch_of

X = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(1))
GROUP = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
BATCH = batch_of([0, 1, 2, 0, 1, 2, 0, 1], GROUP)


def plain(backbone: str = "small_cnn") -> Classifier:
    torch.manual_seed(0)
    network = build_network(NetworkSpec(backbone, 3, (8, 8, 3) if backbone == "small_cnn" else (4,)))
    assert isinstance(network, Classifier)
    return network


def mixture(**options: object) -> ExpertMixture:
    return ExpertMixture(plain(), **{"n_groups": 2, **options})  # type: ignore[arg-type]


def routers(network: ExpertMixture) -> dict[str, torch.nn.Parameter]:
    return {n: p for n, p in network.named_parameters() if ".router." in n}


def test_mutual_information_of_the_worked_examples() -> None:
    same = torch.tensor([0.3, 0.7]).repeat(8, 1)
    assert float(mutual_information(same, GROUP, 2)) == pytest.approx(0, abs=1e-6)
    apart = F.one_hot(GROUP, 2).float()
    assert float(mutual_information(apart, GROUP, 2)) == pytest.approx(math.log(2))
    by_hand = torch.tensor([[0.8, 0.2]]).repeat(8, 1)
    by_hand[4:] = torch.tensor([0.4, 0.6])
    joint = np.array([[0.4, 0.1], [0.2, 0.3]])
    wanted = (joint * np.log(joint / np.outer(joint.sum(1), joint.sum(0)))).sum()
    assert float(mutual_information(by_hand, GROUP, 2)) == pytest.approx(wanted, abs=1e-6)
    three = F.one_hot(torch.tensor([0, 1, 2, 0, 1, 2]), 3).float()
    assert float(mutual_information(three, three.argmax(1), 3)) == pytest.approx(math.log(3))
    assert float(mutual_information(torch.ones(8, 1), GROUP, 2)) == 0.0


def test_an_absent_group_and_a_routing_weight_of_0_have_finite_gradients() -> None:
    r = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    value = mutual_information(r, torch.tensor([0, 0, 2]), 4)
    value.backward()
    assert torch.isfinite(r.grad).all()
    shares = np.array([2 / 3, 1 / 3])
    assert float(value.detach()) == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-6)


def test_the_output_is_the_experts_mixed_by_the_router_and_starts_near_the_backbone() -> None:
    network, base = mixture(n_experts=3).eval(), plain().eval()
    found = network(X, GROUP)
    assert (found - base(X)).abs().max() < 0.05 * base(X).std()
    assert not torch.equal(found, base(X))
    layer = network._layers[0]
    layer.group = GROUP
    answer = layer(X)
    inputs = torch.cat([X.mean((2, 3)), F.one_hot(GROUP, 2).float()], 1)
    r = layer.router(inputs).softmax(1)
    torch.testing.assert_close(layer.routing, r)
    torch.testing.assert_close(answer, sum(r[:, e, None, None, None] * layer.experts[e](X) for e in range(3)))
    convolutions = sum(m.weight.numel() for m in base.modules() if isinstance(m, torch.nn.Conv2d))
    own = sum(p.numel() for p in routers(network).values())
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in base.parameters()) + own + (
        2 * convolutions
    )


def test_noise_is_seeded_spares_the_first_expert_and_is_of_the_size_asked_for() -> None:
    a, b, base = mixture(noise=0.1), mixture(noise=0.1), plain()
    for one, other in zip(a.parameters(), b.parameters(), strict=True):
        assert torch.equal(one, other)
    conv = next(m for m in base.modules() if isinstance(m, torch.nn.Conv2d))
    first, second = a._layers[0].experts
    assert torch.equal(first.weight, conv.weight)
    assert float(((second.weight - conv.weight).std() / conv.weight.std()).detach()) == pytest.approx(0.1, rel=0.1)


def test_routing_weights_may_be_divided_by_the_groups_sizes() -> None:
    network, balanced = mixture(), mixture(sizes=[0.8, 0.2])
    balanced.load_state_dict(network.state_dict())
    for r, q in zip(network.routed(X, GROUP)[1][:1], balanced.routed(X, GROUP)[1][:1], strict=True):
        divided = r / torch.tensor([0.8, 0.2])
        torch.testing.assert_close(q, divided / divided.sum(1, keepdim=True))


def test_the_router_learns_from_both_terms_and_the_mutual_information_from_nothing_but_features() -> None:
    network = mixture().train()

    def gradients(weight: float) -> dict[str, torch.Tensor]:
        network.zero_grad()
        Specialists(network, 2, weight).loss(X, BATCH).backward()
        return {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}

    off, on = gradients(0.0), gradients(1.0)
    assert set(off) == {n for n, _ in network.named_parameters()}
    for n in routers(network):
        assert off[n].abs().sum() > 0
        assert not torch.equal(off[n], on[n])
    assert torch.equal(off["base.body.head.weight"], on["base.body.head.weight"])


def test_the_reward_parts_the_groups_routes() -> None:
    network = mixture().train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)

    def shared() -> float:
        return sum(float(mutual_information(r.detach(), GROUP, 2)) for r in network.routed(X, GROUP)[1])

    before = shared()
    for _ in range(30):
        optimiser.zero_grad()
        Specialists(network, 2, 1.0).loss(X, BATCH).backward()
        optimiser.step()
    assert before < 0.01
    assert shared() > 0.9 * 4 * math.log(2)


def test_a_group_may_be_fixed_and_a_missing_one_is_averaged_over() -> None:
    network = mixture(noise=0.5).eval()
    with torch.no_grad():
        for layer in network._layers:
            layer.router[0].weight.mul_(5)
    for g in (0, 1):
        fixed = network.answering(g)
        assert isinstance(fixed, ExpertMixture)
        assert fixed.options["group"] == g
        assert not fixed.takes_group
        torch.testing.assert_close(fixed(X), network(X, torch.full((8,), g)))
    assert not torch.allclose(network.answering(0)(X), network.answering(1)(X))
    mean = torch.stack([network.answering(g)(X).softmax(1) for g in (0, 1)]).mean(0)
    torch.testing.assert_close(network.answering(None)(X).softmax(1), mean)
    some = torch.tensor([0, -1, 1, -1, 0, 0, 1, 1])
    mixed = network(X, some).softmax(1)
    torch.testing.assert_close(mixed[some < 0], mean[some < 0])
    torch.testing.assert_close(mixed[some == 1], network.answering(1)(X).softmax(1)[some == 1])
    with pytest.raises(ValueError, match="group"):
        network(X)
    with pytest.raises(ValueError, match="group"):
        network.train()(X, some)


def test_one_expert_is_erm(images: Split, image_settings: TrainSettings) -> None:
    """To the last bit, whatever the weight of the mutual information; nobody's group may be missing."""
    known = [p.where(p.group >= 0) for p in (images.train, images.validation, images.test)]
    short = image_settings.but(updates=8)
    erm = ERM().fit(known[0], known[1], settings=short).predict_proba(known[2])
    one = FairMoE(experts=1).fit(known[0], known[1], settings=short).predict_proba(known[2])
    np.testing.assert_array_equal(one, erm)


def test_it_is_saved_and_read_back_with_three_groups(image_settings: TrainSettings, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 90)
    pictures = (rng.random((90, 8, 8, 3)) * 100 + 100 * y[:, None, None, None]).astype(np.uint8)
    names = [["a", "b", "c"][i % 3] if i % 10 else "" for i in range(90)]
    split = split_cohort(Cohort.from_arrays(pictures, y, sensitive_features={"g": names}))
    short = image_settings.but(updates=4)
    model = FairMoE(experts=3, balance="group_size").fit(split.train, split.validation, settings=short)
    model.save(tmp_path / "model")
    again = RoutedModel.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(split.test), model.predict_proba(split.test))
    assert [n.options["group"] for n in again.networks.values() if isinstance(n, ExpertMixture)] == [0, 1, 2]
    with pytest.raises(SettingsError, match="expert for each of 3 groups, not 2"):
        FairMoE(balance="group_size").fit(split.train, split.validation, settings=short)


def test_what_cannot_be_is_refused(make_vectors: Callable[..., Cohort], vector_settings: TrainSettings) -> None:
    wrong: list[dict[str, object]] = [{"experts": 0}, {"mi_weight": -1}, {"noise": math.inf}, {"balance": "cells"}]
    for values in wrong:
        with pytest.raises(SettingsError, match=next(iter(values))):
            FairMoE(**values)  # type: ignore[arg-type]
    split = split_cohort(make_vectors(80))
    with pytest.raises(SettingsError, match="needs a backbone with convolutions"):
        FairMoE().fit(split.train, split.validation, settings=vector_settings)
    with pytest.raises(SettingsError, match="convolutions"):
        FairMoE().check_network(plain("linear"))
    patches = Classifier(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 4, stride=4)))
    with pytest.raises(SettingsError, match="3x3"):
        FairMoE().check_network(patches)
    FairMoE().check_network(copy.deepcopy(plain()))
