"""Experts that the group's router mixes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from everygroup.cohort import Split
from everygroup.errors import SettingsError
from everygroup.methods import Store, create_method
from everygroup.networks import NetworkSpec, build_network
from everygroup.networks.gated import GatedExperts
from everygroup.settings import TrainSettings

X = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
GROUP = torch.tensor([0, 1, 0, 1, -1, 0, 1])


@pytest.fixture
def net() -> GatedExperts:
    torch.manual_seed(0)
    return GatedExperts(build_network(NetworkSpec("mlp", 3, (4,))), n_groups=2, n_experts=3, top=2, width=5).eval()  # type: ignore[arg-type]


def test_it_starts_as_its_backbone_and_mixes_the_best_experts(net: GatedExperts) -> None:
    torch.testing.assert_close(net(X, GROUP)[GROUP >= 0], net.base(X)[GROUP >= 0])
    share = net.routing(net.base.features(X), GROUP.clamp_min(0))
    torch.testing.assert_close(share.sum(1), torch.ones(7))
    assert ((share > 0).sum(1) == 2).all()


def test_a_router_learns_from_its_group_alone_and_experts_from_those_that_call_them(net: GatedExperts) -> None:
    for expert in net.experts:
        torch.nn.init.normal_(expert[2].weight)  # type: ignore[index]
    net(X[GROUP == 0], GROUP[GROUP == 0]).square().sum().backward()
    assert net.router.grad is not None
    assert net.router.grad[0].abs().sum() > 0
    assert net.router.grad[1].abs().sum() == 0
    assert net.base.head.weight.grad is not None
    for g in (0, 1):
        fixed = net.answering(g)
        torch.testing.assert_close(fixed(X), net(X, torch.full((7,), g)))
        torch.testing.assert_close(fixed.head(fixed.features(X)), fixed(X))
    mean = torch.stack([net.answering(g)(X).softmax(1) for g in (0, 1)]).mean(0)
    torch.testing.assert_close(net(X, GROUP)[4].exp(), mean[4])


def test_no_experts_are_erm_and_too_few_are_refused(
    two: Split, vector_settings: TrainSettings, shared_store: Store
) -> None:
    fit = {"settings": vector_settings, "store": shared_store}
    erm, off = (create_method(n).fit(two.train, two.validation, **fit) for n in ("erm", "gated_experts(experts=0)"))
    np.testing.assert_array_equal(off.predict_proba(two.test), erm.predict_proba(two.test))
    with pytest.raises(SettingsError, match="top=3 of 2"):
        create_method("gated_experts(experts=2,top=3)").fit(two.train, two.validation, **fit)
