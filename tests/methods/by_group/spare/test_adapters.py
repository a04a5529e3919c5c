"""SPARE with ERM's trunk held and small parts for each group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from everygroup.cohort import Split
from everygroup.errors import SettingsError
from everygroup.methods import ERM, Lab, Spare, Store
from everygroup.methods.by_group.spare.adapters import Adapters
from everygroup.models import RoutedModel
from everygroup.networks import Classifier, FrozenTrunk, NetworkSpec, build_network
from everygroup.networks.frozen_trunk import PARTS
from everygroup.settings import TrainSettings
from everygroup.training import Learner

from ...batches import batch_of

GROUPS = ("g0", "g1")


@pytest.fixture(scope="module")
def settings(vector_settings: TrainSettings) -> TrainSettings:
    return vector_settings.but(updates=40, backbone="mlp")


def fit(split: Split, settings: TrainSettings, store: Store | None = None, **hyper: object) -> RoutedModel:
    method = Spare(**{"min_group": 10, "sharing": "adapters", **hyper})  # type: ignore[arg-type]
    return method.fit(split.train, split.validation, settings=settings, store=store)


@pytest.mark.parametrize("adapter", PARTS)
def test_the_trunk_stays_erms_and_the_parts_do_not(
    adapter: str, images: Split, image_settings: TrainSettings, shared_store: Store, tmp_path: Path
) -> None:
    quick = image_settings.but(updates=12)
    model = fit(images, quick, shared_store, adapter=adapter)
    erm = model.networks["pooled"].state_dict()
    plain_erm = ERM().fit(images.train, images.validation, settings=quick, store=shared_store)
    assert all(torch.equal(v, erm[k]) for k, v in plain_erm.networks["pooled"].state_dict().items())
    norms = {name for name, m in model.networks["pooled"].named_modules() if isinstance(m, nn.BatchNorm2d)}
    states = [model.networks[g].state_dict() for g in images.train.groups]
    for state in states:
        if adapter == "lora":
            held = {k.removeprefix("base."): v for k, v in state.items() if k.startswith("base.")}
            assert held.keys() == erm.keys()
            assert all(torch.equal(v, erm[k]) for k, v in held.items())
            assert all(v.abs().sum() > 0 for k, v in state.items() if k.startswith("b."))
        else:
            moved = {k for k, v in state.items() if not torch.equal(v, erm[k])}
            own = {k for k in erm if k.rpartition(".")[0] in norms}
            assert moved == ({"body.head.weight", "body.head.bias"} if adapter == "head" else own)
    assert any(not torch.equal(states[0][k], states[1][k]) for k in states[0])
    sizes = model.info["parameters"]
    total = sum(p.numel() for p in model.networks["pooled"].parameters())
    assert sizes["held"] + (0 if adapter == "lora" else sizes["trained_per_group"]) == total
    assert sizes["trained_per_group"] < total / 4

    score = model.predict_proba(images.test)
    model.save(tmp_path / "model")
    again = RoutedModel.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(images.test), score)
    assert again.info["parameters"] == sizes


def test_adds_one_network_for_erm_and_no_other(two: Split, settings: TrainSettings) -> None:
    store = Store()
    model = fit(two, settings, store)
    names = {"erm", "group_model[g0]", "group_model[g1]", "group_predictor", "spare[g0]", "spare[g1]"}
    assert set(store.log.table["model"]) == names
    assert len(names) == Spare(sharing="adapters").cost(GROUPS)
    independent = Spare(min_group=10).fit(two.train, two.validation, settings=settings, store=store)
    assert model.weights is not None
    assert model.weights.equals(independent.weights)
    assert (model.predict_proba(two.test).argmax(1) == two.test.y).mean() > 0.75


def test_rank_0_is_erm(two: Split, settings: TrainSettings) -> None:
    store = Store()
    model = fit(two, settings, store, rank=0)
    erm = ERM().fit(two.train, two.validation, settings=settings, store=store)
    np.testing.assert_array_equal(model.predict_proba(two.test), erm.predict_proba(two.test))
    assert set(store.log.table["model"]) == {"erm"}
    assert Spare(sharing="adapters", rank=0).cost(GROUPS) == 1


@pytest.mark.parametrize("adapter", ["lora", "head"])
def test_without_learning_every_group_is_erm(adapter: str, two: Split, settings: TrainSettings) -> None:
    still = settings.but(lr=1e-30)
    model = fit(two, still, adapter=adapter)
    erm = ERM().fit(two.train, two.validation, settings=still)
    np.testing.assert_array_equal(model.predict_proba(two.test), erm.predict_proba(two.test))


def test_weights_act_as_in_spare(two: Split, settings: TrainSettings) -> None:
    """One group's head on a linear model is all of it: SPARE's weighted training, begun where ERM ended."""
    linear = settings.but(backbone="linear", selection="last")
    store = Store()
    held = fit(two, linear, store, adapter="head")
    assert held.weights is not None
    lab = Lab(two.train, two.validation, linear, store)
    erm = lab.erm().network.state_dict()

    class Warm:
        key = "warm"

        def learner(self, lab: Lab) -> Learner:
            network = lab.network()
            network.load_state_dict(erm)
            return Learner(network)

    for group in GROUPS:
        weight = held.weights.loc[held.weights["target_group"] == group, "weight"].to_numpy()
        warm = lab.train_network(Warm(), "warm", weights=weight / weight.mean())
        for name, value in warm.network.state_dict().items():
            torch.testing.assert_close(held.networks[group].state_dict()[name], value)


@pytest.mark.parametrize(
    "hyper",
    [{"loss_norm": "sum_w_batch"}, {"use": "sampler"}, {"rank": 1}, {"adapter": "head"}],
    ids=str,
)
def test_options_that_go_with_adapters(
    hyper: dict[str, object], two: Split, settings: TrainSettings, shared_store: Store
) -> None:
    plain = fit(two, settings, shared_store)
    model = fit(two, settings, shared_store, **hyper)
    assert not np.array_equal(model.predict_proba(two.test), plain.predict_proba(two.test))


def test_features_of_the_group_models_can_be_measured(two: Split, settings: TrainSettings) -> None:
    model = fit(two, settings, similarity="fcd", features="group_model")
    assert isinstance(model.networks["g0"], FrozenTrunk)
    assert model.weights is not None
    assert np.isfinite(model.weights["similarity"]).all()


def test_a_sample_without_weight_gives_no_gradient_and_no_statistics() -> None:
    torch.manual_seed(0)
    base = build_network(NetworkSpec("small_cnn", 3, (8, 8, 3)))
    assert isinstance(base, Classifier)
    network = FrozenTrunk(base, parts="batchnorm").train()
    x, y = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0])
    x.requires_grad_(True)
    weight = torch.tensor([1.0, 2.0, 0.5, 0.0])
    learner, batch = Adapters(network, False), batch_of(y, [0, 0, 0, 0], weight)
    learner.before_update(batch)
    learner.loss(x, batch).backward()
    assert x.grad is not None
    assert [bool(g.abs().sum() > 0) for g in x.grad] == [True, True, True, False]


def test_what_does_not_fit_is_refused() -> None:
    for hyper, message in (
        ({"adapter": "bias"}, "adapter"),
        ({"rank": -1}, "rank"),
        ({"rank": 1.5}, "rank"),
    ):
        with pytest.raises(SettingsError, match=message) as caught:
            Spare(**hyper)  # type: ignore[arg-type]
        assert caught.value.fix
    network = build_network(NetworkSpec("mlp", 3, (4,)))
    assert isinstance(network, Classifier)
    with pytest.raises(SettingsError, match="no batch norm"):
        Spare(sharing="adapters", adapter="batchnorm").check_network(network)
    Spare(sharing="adapters").check_network(network)
    assert all(p.requires_grad for p in network.parameters())
