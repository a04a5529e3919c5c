"""Groups that look alike are put together before SPARE trains a network for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from everygroup.methods.spare.merging import clusters, mean_distances, merged_cohort

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import SettingsError, TrainingError
from everygroup.methods import ERM, Auto, RoutedModel, Spare, Store
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


def fit(split: Split, settings: TrainSettings, store: Store | None = None, **hyper: object) -> RoutedModel:
    method = Spare(**{"min_group": 10, "merge_to": 2, **hyper})  # type: ignore[arg-type]
    return method.fit(split.train, split.validation, settings=settings, store=store)


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
    assert len(store._trained) == Spare(merge_to=2).cost(split.train.groups) == 1 + 5
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
    plain = fit(split, settings, shared_store, merge_to=None)
    for k in (6, 9):
        same = fit(split, settings, shared_store, merge_to=k)
        assert "merged" not in same.info
        np.testing.assert_array_equal(same.predict_proba(split.test), plain.predict_proba(split.test))
        assert Spare(merge_to=k).cost(split.train.groups) == Spare().cost(split.train.groups)
    assert len(set(fit(split, settings, shared_store, merge_to=4).route.values())) == 4


def test_goes_with_other_options(split: Split, settings: TrainSettings, shared_store: Store) -> None:
    store = Store()
    model = fit(split, settings, store, alpha=1.0)
    assert model.group_predictor == "group predictor"  # needed to merge, so it is kept for routing
    assert len(store._trained) == Spare(merge_to=2, alpha=1.0).cost(split.train.groups) == 1 + 4
    erm = ERM().fit(split.train, split.validation, settings=settings, store=shared_store)
    full = fit(split, settings, shared_store, sharing="full")
    np.testing.assert_array_equal(full.predict_proba(split.test), erm.predict_proba(split.test))
    fit(split, settings, shared_store, sharing="adapters", adapter="head")


def test_auto_takes_a_clusters_network_and_its_weights_once(
    split: Split, settings: TrainSettings, shared_store: Store
) -> None:
    erm = ERM().fit(split.train, split.validation, settings=settings, store=shared_store)
    models = {"erm": erm, "spare alpha=0.5": fit(split, settings, shared_store)}
    chosen = {g: {"chosen": "erm" if g == "f" else "spare alpha=0.5"} for g in FAMILIES}
    mixed = Auto(spare={"merge_to": 2})._assemble(models, chosen)
    assert mixed.weights is not None
    assert mixed.weights["target_group"].value_counts().to_dict() == dict.fromkeys(
        ["a + c + e", "b + d + f"], len(split.train)
    )
    for g in FAMILIES:
        part = split.test.in_group(g)
        np.testing.assert_array_equal(mixed.predict_proba(part), models[chosen[g]["chosen"]].predict_proba(part))


def test_a_group_too_small_alone_is_not_too_small_together(split: Split, settings: TrainSettings) -> None:
    keep = np.ones(len(split.train), dtype=bool)
    keep[np.flatnonzero(split.train.group == 0)[5:]] = False
    few = split.train.where(keep)
    with pytest.raises(TrainingError, match="only 5 training samples"):
        Spare().fit(few, split.validation, settings=settings)
    model = Spare(merge_to=2, min_group=10).fit(few, split.validation, settings=settings)
    assert len(set(model.route.values())) == 2
    none = split.train.where(split.train.group != 0)
    with pytest.raises(TrainingError, match="Group a has no training samples"):
        Spare(merge_to=2).fit(none, split.validation, settings=settings)


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
    merged = merged_cohort(cohort, [[0, 3], [1], [2, 4, 5]])
    assert merged.groups == ("a + d", "b", "c + e + f")
    for name in ("y", "ids", "units", "rows"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(cohort, name))
    assert merged.group.tolist() == [0, 1, 2, 0, 2, 2, 0, 1, 2, 0, -1, -1]


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"merge_to": 1}, "merge_to = 1"),
        ({"merge_to": 2.5}, "merge_to"),
        ({"merge_to": True}, "merge_to"),
        ({"merge_to": 2, "alpha": {"a": 0.5}}, "alpha names groups"),
    ],
    ids=str,
)
def test_impossible_options(hyper: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        Spare(**hyper)  # type: ignore[arg-type]
    assert caught.value.fix
