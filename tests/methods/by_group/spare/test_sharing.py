"""SPARE with shared layers: nothing, the trunk, or everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from everygroup.cohort import Split
from everygroup.errors import SettingsError
from everygroup.methods import ERM, Auto, GroupModel, Lab, Mixture, Part, Spare, Store
from everygroup.methods.by_group.spare.trunk import SharedTrunk, TrunkOf
from everygroup.models import RoutedModel
from everygroup.networks import Classifier, NetworkSpec, build_network
from everygroup.settings import TrainSettings

from ...batches import batch_of

GROUPS = ("g0", "g1")


@pytest.fixture(scope="module")
def settings(vector_settings: TrainSettings) -> TrainSettings:
    return vector_settings.but(updates=40, backbone="mlp")


def fit(split: Split, settings: TrainSettings, store: Store | None = None, **hyper: object) -> RoutedModel:
    method = Spare(**{"min_group": 10, **hyper})  # type: ignore[arg-type]
    return method.fit(split.train, split.validation, settings=settings, store=store)


def shared(n_groups: int = 3, normalised: bool = False, trained: int | None = None) -> SharedTrunk:
    torch.manual_seed(0)
    return SharedTrunk(build_network(NetworkSpec("small_cnn", 3, (8, 8, 3))), n_groups, "half", normalised, trained)


X = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
Y = torch.tensor([0, 1, 2, 0, 1, 2])


NOBODY = torch.full((6,), -1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_sum_over_groups_of_weighted_means(smoothing: float) -> None:
    network = shared().eval()
    weight = torch.rand(6, 3, generator=torch.Generator().manual_seed(2))
    batch = batch_of(Y, NOBODY, weight, smoothing=smoothing)
    losses = [batch.losses(network.answering(g).eval()(X)) for g in range(3)]
    expected = sum((weight[:, g] * losses[g]).mean() for g in range(3))
    torch.testing.assert_close(network.loss(X, batch), expected)
    normalised = sum((weight[:, g] * losses[g]).sum() / weight[:, g].sum() for g in range(3))
    torch.testing.assert_close(shared(normalised=True).eval().loss(X, batch), normalised)


@pytest.mark.parametrize("normalised", [False, True])
def test_a_group_without_weight_gets_no_gradient(normalised: bool) -> None:
    network = shared(normalised=normalised).train()
    weight = torch.ones(6, 3)
    weight[:, 1] = 0
    network.loss(X, batch_of(Y, NOBODY, weight)).backward()
    for g in range(3):
        own = [p for module in network.specific_modules(g).values() for p in module.parameters()]
        assert all((p.grad.abs().sum() > 0) == (g != 1) for p in own)


def test_one_group_alone_is_plain_weighted_training(two: Split, settings: TrainSettings) -> None:
    weight = np.random.default_rng(0).random(len(two.train))
    lab = Lab(two.train, two.validation, settings).merged([[0, 1]])
    seen = lab.validation.where(two.validation.group == 0)
    plain = lab.train_network(validation=seen, weights=weight)
    trunk = lab.train_network(TrunkOf("half", False, 1), "trunk", validation=seen, weights=weight[:, None])
    found = trunk.answering(0).network.state_dict()
    for name, value in plain.network.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sharing", ["mini", "half"])
def test_groups_share_the_trunk_and_answer_apart(sharing: str, two: Split, settings: TrainSettings) -> None:
    store = Store()
    model = fit(two, settings, store, sharing=sharing)
    names = set(store.log.table["model"])
    assert names == {"group_model[g0]", "group_model[g1]", "group_predictor", f"spare {sharing}"}
    assert len(names) == Spare(sharing=sharing).cost(GROUPS)
    a, b = (model.networks[g].state_dict() for g in GROUPS)
    for key in a:
        assert torch.equal(a[key], b[key]) == ("trunk" in key)
    assert {type(model.networks[g]).__name__ for g in GROUPS} == {"Classifier"}
    score = model.predict_proba(two.test)
    assert (score.argmax(1) == two.test.y).mean() > 0.7
    independent = fit(two, settings, store)
    assert model.weights is not None and independent.weights is not None
    assert model.weights.equals(independent.weights)
    assert not np.array_equal(score, independent.predict_proba(two.test))


def test_full_sharing_is_erm(two: Split, settings: TrainSettings) -> None:
    store = Store()
    model = fit(two, settings, store, sharing="full")
    erm = ERM().fit(two.train, two.validation, settings=settings, store=store)
    assert set(store.log.table["model"]) == {"erm"}
    assert Spare(sharing="full").cost(GROUPS) == 1
    np.testing.assert_array_equal(model.predict_proba(two.test), erm.predict_proba(two.test))


def test_a_shared_trunk_has_one_candidate_for_all_groups(two: Split, settings: TrainSettings) -> None:
    store = Store()
    hyper = {"sharing": "half", "alpha": "validation", "alphas": [0.0, 1.0]}
    model = fit(two, settings, store, **hyper)
    assert len(set(store.log.table["model"])) == Spare(**hyper).cost(GROUPS) == 2 + 1 + 2  # type: ignore[arg-type]
    records = model.info["candidates"]
    means = {a: np.mean([r["validation_macro_f1"] for r in records if r["alpha"] == a]) for a in (0.0, 1.0)}
    assert [r["alpha"] for r in records if r["chosen"]] == [max(means, key=lambda a: means[a])] * 2


@pytest.mark.parametrize("hyper", [{"loss_norm": "sum_w_batch"}, {"weighting": "ranking"}], ids=str)
def test_options_that_go_with_sharing(
    hyper: dict[str, object], two: Split, settings: TrainSettings, shared_store: Store
) -> None:
    plain = fit(two, settings, shared_store, sharing="half")
    model = fit(two, settings, shared_store, sharing="half", **hyper)
    assert not np.array_equal(model.predict_proba(two.test), plain.predict_proba(two.test))


def test_the_trunk_of_groups_left_out_learns_as_if_they_were_not_there() -> None:
    gradients = []
    for n_groups, trained in ((2, None), (4, 2)):
        network = shared(n_groups, trained=trained).train()
        weight = torch.zeros(6, n_groups)
        weight[:, :2] = 1
        network.loss(X, batch_of(Y, NOBODY, weight)).backward()
        gradients.append(network.net.body.get_submodule("trunk.0").weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


def test_a_group_too_small_is_left_to_erm(two: Split, settings: TrainSettings) -> None:
    keep = two.train.group == 0
    keep[np.flatnonzero(~keep)[:5]] = True
    train = two.train.where(keep)
    method = Spare(sharing="half", small_groups="erm", min_group=10)
    store = Store()
    model = method.fit(train, two.validation, settings=settings, store=store)
    (trunk,) = [t.learner for t in store._trained.values() if isinstance(t.learner, SharedTrunk)]
    assert (trunk.n_groups, trunk.trained) == (2, 1)
    assert model.route == {"g0": "g0", "g1": "pooled"}
    group_model = GroupModel(small_groups="erm").fit(train, two.validation, settings=settings)
    inside = two.test.in_group("g1")
    np.testing.assert_array_equal(model.predict_proba(inside), group_model.predict_proba(inside))


def test_images_share_half_of_the_small_cnn(images: Split, image_settings: TrainSettings) -> None:
    quick = image_settings.but(updates=4)
    model = fit(images, quick, sharing="half")
    a, b = (net.state_dict() for name, net in model.networks.items() if name != "group predictor")
    same = {key for key in a if torch.equal(a[key], b[key])}
    assert {k for k in same if "num_batches" not in k} == {
        f"body.trunk.{k}"
        for k in (
            "0.weight",
            "3.weight",
            *(f"{i}.{s}" for i in (1, 4) for s in ("weight", "bias", "running_mean", "running_var")),
        )
    }


@pytest.mark.parametrize(
    "method", [Spare(sharing="half"), Mixture(candidates=["spare(sharing=half)"])], ids=["spare", "mixture"]
)
def test_a_backbone_without_a_half_is_refused_before_training(method: Part) -> None:
    network = build_network(NetworkSpec("mobilenetv3_small_050", 3, (32, 32, 3)))
    assert isinstance(network, Classifier)
    with pytest.raises(SettingsError, match="half is not known"):
        method.check_network(network)
    Spare(sharing="mini").check_network(network)
    Auto().check_network(network)
