"""auto: the candidate that is surely better for a group, else ERM; and the paired gain it decides by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from everygroup.methods._validation_gain import paired_gain
from sklearn.metrics import f1_score

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.methods import ERM, Auto, GroupModel, RoutedModel, Spare, Store
from everygroup.settings import TrainSettings

OPTIONS = {"n_boot": 300, "spare": {"min_group": 10}}


@pytest.fixture(scope="module")
def settings(vector_settings: TrainSettings) -> TrainSettings:
    return vector_settings.but(updates=60)


def world(rule: str, seed: int = 0) -> tuple[Cohort, Cohort, Cohort]:
    """Train, validation, test: two groups that look the same, the second small; in 'conflict' it has its own rule."""
    rng = np.random.default_rng(seed)
    parts = []
    for part, sizes in (("a", (800, 50)), ("b", (150, 120)), ("c", (150, 120))):
        group = np.repeat([0, 1], sizes)
        x = rng.standard_normal((len(group), 4)).astype(np.float32)
        if rule == "noise":
            y = rng.integers(0, 2, len(group))
        else:
            y = np.where(group == 0, x[:, 1] > 0, x[:, 2] > 0).astype(int)
        names = {"a": [f"g{g}" for g in group]}
        ids = [f"{part}{i}" for i in range(len(group))]
        parts.append(Cohort.from_arrays(x, y, classes=["no", "yes"], sensitive_features=names, ids=ids))
    return parts[0], parts[1], parts[2]


@pytest.fixture(scope="module")
def conflict(settings: TrainSettings) -> tuple[RoutedModel, Store, tuple[Cohort, Cohort, Cohort]]:
    train, validation, test = world("conflict")
    store = Store()
    return Auto(**OPTIONS).fit(train, validation, settings=settings, store=store), store, (train, validation, test)  # type: ignore[arg-type]


def test_takes_a_candidate_where_it_is_clearly_better_and_erm_elsewhere(
    conflict: tuple[RoutedModel, Store, tuple[Cohort, Cohort, Cohort]], settings: TrainSettings, tmp_path: Path
) -> None:
    model, store, (train, validation, test) = conflict
    choice = model.info["choice"]
    assert choice["g0"]["chosen"] == "erm"
    assert choice["g1"]["chosen"] == "group_model"
    assert choice["g1"]["candidates"]["group_model"]["low"] > 0
    assert set(choice["g1"]["candidates"]) == {"group_model", *(f"spare alpha={a}" for a in ("0.25", "0.5", "0"))}
    assert model.route == {"g0": "pooled", "g1": "g1: group_model"}
    for group, method in (("g0", ERM()), ("g1", GroupModel())):
        expected = method.fit(train, validation, settings=settings, store=store)
        part = test.in_group(group)
        np.testing.assert_array_equal(model.predict_proba(part), expected.predict_proba(part))
    names = set(store.log.table["model"])
    assert len(names) == Auto.info.cost(2) == 12
    assert {"spare[g0] alpha=0.25", "spare[g1] alpha=0"} <= names
    model.save(tmp_path / "model")
    again = RoutedModel.load(tmp_path / "model")
    assert again.info["choice"] == choice
    np.testing.assert_array_equal(again.predict_proba(test), model.predict_proba(test))


def test_pure_noise_stays_with_erm(settings: TrainSettings) -> None:
    left = 0
    for seed in range(4):
        train, validation, test = world("noise", seed)
        model = Auto(**OPTIONS).fit(train, validation, settings=settings.but(seed=seed))  # type: ignore[arg-type]
        chosen = [r["chosen"] for r in model.info["choice"].values()]
        left += sum(c != "erm" for c in chosen)
        if chosen == ["erm", "erm"]:
            assert model.weights is None
            assert model.group_predictor is None
            assert set(model.predict(test).table["route"]) == {"pooled"}
    assert left <= 1  # of 8 choices; the intervals let 1 in 20 pass


def test_a_group_with_few_validation_patients_stays_with_erm(
    conflict: tuple[RoutedModel, Store, tuple[Cohort, Cohort, Cohort]], settings: TrainSettings
) -> None:
    _, store, (train, validation, _) = conflict
    model = Auto(min_patients=121, **OPTIONS).fit(train, validation, settings=settings, store=store)  # type: ignore[arg-type]
    record = model.info["choice"]["g1"]
    assert (record["chosen"], record["candidates"]) == ("erm", {})
    assert record["note"] == "fewer than 121 validation patients"


def test_a_chosen_spare_network_brings_its_weights_and_the_group_predictor(
    conflict: tuple[RoutedModel, Store, tuple[Cohort, Cohort, Cohort]], settings: TrainSettings
) -> None:
    _, store, (train, validation, test) = conflict
    method = Auto(**OPTIONS)  # type: ignore[arg-type]
    parts = {
        "erm": ERM().fit(train, validation, settings=settings, store=store),
        "spare alpha=0.5": Spare(min_group=10).fit(train, validation, settings=settings, store=store),
    }
    record = {"chosen": "spare alpha=0.5"}
    mixed = method._assemble(parts, {"g0": {"chosen": "erm"}, "g1": record})
    assert mixed.weights is not None
    assert set(mixed.weights["target_group"]) == {"g1"}
    assert mixed.group_predictor == "group predictor"
    part = test.in_group("g1")
    np.testing.assert_array_equal(mixed.predict_proba(part), parts["spare alpha=0.5"].predict_proba(part))
    assert mixed.info["networks"].keys() == mixed.networks.keys()


def test_what_is_admitted_by_the_lower_end() -> None:
    validation = world("conflict")[1]
    rng = np.random.default_rng(0)
    right = validation.y
    poor = np.where(rng.random(len(right)) < 0.4, 1 - right, right)
    good = np.where(rng.random(len(right)) < 0.2, 1 - right, right)
    method = Auto(spare=None)
    chosen = method._choose(0, {"erm": poor, "group_model": good, "spare alpha=0": right}, validation, 0)
    assert chosen["chosen"] == "spare alpha=0"
    record = method._choose(0, {"erm": good, "group_model": poor, "spare alpha=0": good}, validation, 0)
    assert record["chosen"] == "erm"
    assert record["candidates"]["spare alpha=0"] == {"gain": 0.0, "low": 0.0}
    assert record["candidates"]["group_model"]["low"] < record["candidates"]["group_model"]["gain"] < 0


def test_gain_is_the_difference_of_macro_f1_and_patients_widen_the_interval() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 90)
    a, b = (np.where(rng.random(90) < p, rng.integers(0, 3, 90), y) for p in (0.3, 0.5))
    options = {"n_classes": 4, "level": 0.95, "n_boot": 2000}
    single = paired_gain(y, a, b, np.arange(90), **options)  # type: ignore[arg-type]
    expected = f1_score(y, a, average="macro", labels=[0, 1, 2]) - f1_score(y, b, average="macro", labels=[0, 1, 2])
    assert single.gain == pytest.approx(expected)
    assert single.low < single.gain
    assert paired_gain(y, a, b, np.arange(90), **{**options, "level": 0.99}).low < single.low  # type: ignore[arg-type]
    twice = [np.repeat(v, 2) for v in (y, a, b, np.arange(90))]
    by_patient = paired_gain(*twice, **options)  # type: ignore[arg-type]
    by_sample = paired_gain(*twice[:3], np.arange(180), **options)  # type: ignore[arg-type]
    assert by_patient.low == pytest.approx(single.low)
    assert by_sample.low > by_patient.low
    assert paired_gain(y, a, a, np.arange(90), **options).low == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("coverage", [0.9])
def test_the_lower_end_covers(coverage: float) -> None:
    missed = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 2, 150)
        a, b = (np.where(rng.random(150) < 0.3, 1 - y, y) for _ in range(2))  # the true gain is 0
        missed.append(paired_gain(y, a, b, np.arange(150), n_classes=2, level=coverage, n_boot=200, seed=seed).low > 0)
    assert 0.03 < np.mean(missed) < 0.18


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"level": 1.0}, "level"),
        ({"level": "high"}, "level"),
        ({"n_boot": 10}, "n_boot"),
        ({"min_patients": 0}, "min_patients"),
        ({"alphas": 0.5}, "alphas"),
        ({"alphas": [2.0]}, "alpha = 2"),
        ({"alphas": ["validation"]}, "alphas holds"),
        ({"spare": {"alpha": 0.5}}, "spare names 'alpha'"),
        ({"spare": {"tau": 0.5}}, "spare names 'tau'"),
        ({"spare": {"use": "both"}}, "use"),
    ],
    ids=str,
)
def test_impossible_hyperparameters(hyper: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        Auto(**hyper)  # type: ignore[arg-type]
    assert caught.value.fix
