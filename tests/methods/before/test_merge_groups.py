"""Groups that look alike are put together before anything is trained, whatever follows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import SettingsError, TrainingError
from everygroup.methods import ERM, GroupModel, Lab, Spare, Store, create_method
from everygroup.methods.before.merge_groups import clusters, mean_distances
from everygroup.methods.chain import Chain
from everygroup.methods.mixing import mixed as mix
from everygroup.models import RoutedModel
from everygroup.models.transforms.affine_by_value import AffineByValue
from everygroup.settings import TrainSettings

FAMILIES = {"a": 0, "b": 1, "c": 0, "d": 1, "e": 0, "f": 1}  # neighbours in name are far apart in looks


@pytest.fixture(scope="module")
def settings(vector_settings: TrainSettings) -> TrainSettings:
    return vector_settings.but(updates=60, selection="last")


@pytest.fixture(scope="module")
def split() -> Split:
    return split_cohort(families())


def families(n: int = 480, *, missing: int = 12) -> Cohort:
    """Six groups; within a family they hardly differ, the families stand 8 apart and turn the rule by a right angle."""
    rng = np.random.default_rng(0)
    names = np.array(list(FAMILIES))[np.arange(n) % 6]
    family = np.array([FAMILIES[g] for g in names])
    x = rng.standard_normal((n, 4)).astype(np.float32)
    x[:, 0] += 8 * family
    x[:, 3] += 0.7 * (np.arange(n) % 6 // 2)
    y = (np.where(family == 0, x[:, 1], x[:, 2]) > 0).astype(int)
    listed = names.tolist()
    listed[-missing:] = [""] * missing
    ids = [f"s{i:03d}" for i in range(n)]
    return Cohort.from_arrays(x, y, classes=["no", "yes"], sensitive_features={"site": listed}, ids=ids)


def in_families(cohort: Cohort) -> Cohort:
    """The same samples with the families for groups, as a user would have binned them."""
    names = [("a + c + e", "b + d + f")[FAMILIES[cohort.groups[g]]] if g >= 0 else "" for g in cohort.group]
    x = cohort.images[cohort.rows]
    return Cohort.from_arrays(x, cohort.y, classes=cohort.classes, sensitive_features={"f": names}, ids=cohort.ids)


def merged(to: int = 2, **hyper: object) -> Chain:
    return create_method([{"merge_groups": {"to": to}}, {"spare": {"min_group": 10, **hyper}}])


def fit(split: Split, settings: TrainSettings, store: Store | None = None, **hyper: object) -> RoutedModel:
    return merged(**hyper).fit(split.train, split.validation, settings=settings, store=store)


def test_finds_the_families_and_trains_their_networks(
    split: Split, settings: TrainSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store()
    model = fit(split, settings, store)
    assert model.groups == split.train.groups
    assert model.route == {g: ("a + c + e", "b + d + f")[f] for g, f in FAMILIES.items()}
    assert model.info["merged"]["clusters"] == model.route
    assert np.array(model.info["merged"]["distances"]).shape == (6, 6)
    assert "merged: a + c + e" in capsys.readouterr().err
    assert len(store._trained) == merged().cost(split.train.groups) == 1 + 5
    assert model.weights is not None
    assert set(model.weights["source_group"]) == {"a + c + e", "b + d + f", ""}

    by_hand = Spare(min_group=10).fit(in_families(split.train), in_families(split.validation), settings=settings)
    for name, network in by_hand.networks.items():
        if name != "group predictor":
            for key, value in network.state_dict().items():
                assert torch.equal(value, model.networks[name].state_dict()[key])
    known = split.test.where(split.test.group >= 0)
    # the same networks, but batches of other samples, which a matrix product may round otherwise
    np.testing.assert_allclose(model.predict_proba(known), by_hand.predict_proba(in_families(known)), atol=1e-6)

    model.save(tmp_path / "model")
    again = RoutedModel.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(split.test), model.predict_proba(split.test))
    assert again.info["merged"] == model.info["merged"]


def test_patients_without_a_group_are_routed_by_the_predictor_of_the_groups(
    split: Split, settings: TrainSettings, shared_store: Store
) -> None:
    model = fit(split, settings, shared_store)
    missing = split.train.where(split.train.group < 0)
    assert len(missing)
    table = model.predict(missing).table
    looks = (missing.batch(slice(None))[:, 0] > 4).astype(int)
    routed = [FAMILIES[r.removeprefix("predicted: ")] for r in table["route"]]
    assert (np.array(routed) == looks).mean() > 0.8
    assert model.predict_proba(split.test, routing="soft").sum(1) == pytest.approx(1)


def test_enough_groups_are_left_alone(split: Split, settings: TrainSettings, shared_store: Store) -> None:
    method = Spare(min_group=10)
    plain = method.fit(split.train, split.validation, settings=settings, store=shared_store)
    for k in (6, 9):
        same = fit(split, settings, shared_store, to=k)
        assert "merged" not in same.info
        np.testing.assert_array_equal(same.predict_proba(split.test), plain.predict_proba(split.test))
        assert merged(k).cost(split.train.groups) == method.cost(split.train.groups)
    assert len(set(fit(split, settings, shared_store, to=4).route.values())) == 4


def test_goes_with_other_options(split: Split, settings: TrainSettings, shared_store: Store) -> None:
    store = Store()
    model = fit(split, settings, store, alpha=1.0)
    assert model.group_predictor is None  # SPARE has none here
    assert len(store._trained) == merged(alpha=1.0).cost(split.train.groups) == 1 + 4
    erm = ERM().fit(split.train, split.validation, settings=settings, store=shared_store)
    full = fit(split, settings, shared_store, sharing="full")
    np.testing.assert_array_equal(full.predict_proba(split.test), erm.predict_proba(split.test))
    fit(split, settings, shared_store, sharing="adapters", adapter="head")


def test_a_mixture_takes_a_clusters_network_and_its_weights_once(
    split: Split, settings: TrainSettings, shared_store: Store
) -> None:
    erm = ERM().fit(split.train, split.validation, settings=settings, store=shared_store)
    models = {"erm": erm, "spare alpha=0.5": fit(split, settings, shared_store)}
    chosen = {g: "erm" if g == "f" else "spare alpha=0.5" for g in FAMILIES}
    mixed = mix(models, {g: {name: 1.0} for g, name in chosen.items()})
    assert mixed.weights is not None
    assert mixed.weights["target_group"].value_counts().to_dict() == dict.fromkeys(
        ["a + c + e", "b + d + f"], len(split.train)
    )
    for g in FAMILIES:
        part = split.test.in_group(g)
        np.testing.assert_array_equal(mixed.predict_proba(part), models[chosen[g]].predict_proba(part))


def test_a_group_too_small_alone_is_not_too_small_together(split: Split, settings: TrainSettings) -> None:
    keep = np.ones(len(split.train), dtype=bool)
    keep[np.flatnonzero(split.train.group == 0)[5:]] = False
    few = split.train.where(keep)
    with pytest.raises(TrainingError, match="only 5 training samples"):
        Spare().fit(few, split.validation, settings=settings)
    model = merged().fit(few, split.validation, settings=settings)
    assert len(set(model.route.values())) == 2
    none = split.train.where(split.train.group != 0)
    with pytest.raises(TrainingError, match="Group a has no training samples"):
        merged().fit(none, split.validation, settings=settings)


def test_mean_distances_are_symmetric_and_count_what_was_not_found_as_the_largest() -> None:
    group = np.array([0, 0, 1, -1])
    found = [np.array([0.0, 0.0, 3.0, 99.0]), np.array([1.0, np.nan, 0.0, 50.0])]
    # from g0 to g1: (1 + 99) / 2, from g1 to g0: 3
    np.testing.assert_allclose(mean_distances(found, group), [[0, 26.5], [26.5, 0]])


def test_average_linkage_not_single_nor_complete() -> None:
    """0 and 1 join; then 2 is 4.5 on average from them and 4.6 from 3: single and complete linkage differ."""
    d = np.array([[0, 1, 3, 9], [1, 0, 6, 9], [3, 6, 0, 4.6], [9, 9, 4.6, 0]], dtype=float)
    assert clusters(d, 2) == [[0, 1, 2], [3]]
    d[1, 2] = d[2, 1] = 6.4  # 4.7 on average: now 2 joins 3, though 0 is nearer than 3
    assert clusters(d, 2) == [[0, 1], [2, 3]]
    assert clusters(np.zeros((4, 4)), 3) != [[0, 1, 2, 3]]
    assert len(clusters(np.zeros((4, 4)), 3)) == 3


def test_merged_cohorts_keep_everything_but_the_groups() -> None:
    cohort = families(12, missing=2)
    together = cohort.with_merged_groups([[0, 3], [1], [2, 4, 5]])
    assert together.groups == ("a + d", "b", "c + e + f")
    for name in ("y", "ids", "units", "rows"):
        np.testing.assert_array_equal(getattr(together, name), getattr(cohort, name))
    assert together.group.tolist() == [0, 1, 2, 0, 2, 2, 0, 1, 2, 0, -1, -1]


def test_any_method_of_groups_may_follow(split: Split, settings: TrainSettings, shared_store: Store) -> None:
    chain = create_method("merge_groups + group_model")
    store = Store()
    model = chain.fit(split.train, split.validation, settings=settings, store=store)
    assert model.method == "merge_groups + group_model"
    assert model.info["hyperparameters"] == {"merge_groups": {"to": 2}, "group_model": {"small_groups": "error"}}
    assert len(store._trained) == chain.cost(split.train.groups) == 1 + 2
    assert model.route == {g: ("a + c + e", "b + d + f")[f] for g, f in FAMILIES.items()}
    by_hand = GroupModel().fit(in_families(split.train), in_families(split.validation), settings=settings)
    known = split.test.where(split.test.group >= 0)
    np.testing.assert_allclose(model.predict_proba(known), by_hand.predict_proba(in_families(known)), atol=1e-6)
    group_model = GroupModel().fit(split.train, split.validation, settings=settings, store=shared_store)
    assert not np.allclose(model.predict_proba(known), group_model.predict_proba(known), atol=1e-3)


def test_merged_twice_patients_are_still_routed_by_their_own_groups(split: Split, settings: TrainSettings) -> None:
    chain = create_method("merge_groups(to=4) + merge_groups(to=2) + group_model")
    model = chain.fit(split.train, split.validation, settings=settings)
    assert set(model.route) == set(FAMILIES)
    assert len(set(model.route.values())) == 2
    known = split.test.where(split.test.group >= 0)
    assert model.predict(known).table["route"].str.startswith("recorded: ").all()


def test_what_images_are_seen_through_later_holds_for_the_predictor_of_the_groups_too(
    split: Split, settings: TrainSettings
) -> None:
    lab = Lab(split.train, split.validation, settings)
    together = lab.merged([[0, 2, 4], [1, 3, 5]])
    halved = AffineByValue("site", [*FAMILIES, ""], np.full((7, 1), 0.5), np.zeros((7, 1)))
    known = Lab(*(part.where(part.group >= 0) for part in (split.train, split.validation)), settings)
    seen = known.merged([[0, 2, 4], [1, 3, 5]]).seen_through(halved)
    assert seen.merged_from is not None
    np.testing.assert_allclose(seen.merged_from.train.batch(slice(None)), known.train.batch(slice(None)) / 2)
    assert seen.merged_from.train.groups == split.train.groups
    assert together.merged_from is lab


@pytest.mark.parametrize("to", [1, 2.5, True, "two"], ids=str)
def test_impossible_numbers_of_clusters(to: object) -> None:
    with pytest.raises(SettingsError, match="to = ") as caught:
        create_method("merge_groups", {"to": to})
    assert caught.value.fix
