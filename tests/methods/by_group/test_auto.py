"""auto: the candidate that is surely better for a group, else ERM; and the paired gain it decides by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from everygroup.cohort import Cohort, split_cohort
from everygroup.errors import SettingsError
from everygroup.methods import ERM, Auto, Before, GroupModel, Lab, Spare, Store, create_method
from everygroup.methods import method as entered
from everygroup.methods.by_group._validation_gain import paired_gain
from everygroup.methods.by_group.auto import PORTFOLIO, combined, labels
from everygroup.methods.parts import REGISTERED
from everygroup.models import RoutedModel
from everygroup.models.transforms import AffineByValue
from everygroup.settings import TrainSettings

SPARES = [f"spare(small_groups=erm, min_group=10, alpha={a})" for a in (0.25, 0.5, 0.0)]
OPTIONS = {"n_boot": 300, "candidates": ["group_model(small_groups=erm)", *SPARES]}


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
    assert len(store._trained) == 12 <= Auto.info.cost(2) == Auto().cost(["g0", "g1"]) == 18
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
    parts = {
        "erm": ERM().fit(train, validation, settings=settings, store=store),
        "spare alpha=0.5": Spare(min_group=10).fit(train, validation, settings=settings, store=store),
    }
    record = {"chosen": "spare alpha=0.5"}
    mixed = combined(parts, {"g0": {"chosen": "erm"}, "g1": record})
    assert mixed.weights is not None
    assert set(mixed.weights["target_group"]) == {"g1"}
    assert mixed.group_predictor == "group predictor"
    part = test.in_group("g1")
    np.testing.assert_array_equal(mixed.predict_proba(part), parts["spare alpha=0.5"].predict_proba(part))
    assert mixed.info["networks"].keys() == mixed.networks.keys()


def test_any_chains_may_be_candidates(settings: TrainSettings) -> None:
    train, validation, test = world("conflict")
    chains = ["group_dro(step_size=0.1)", "group_dro", "resampling + group_dro + fairprune(rounds=1)", "group_model"]
    method, store = Auto(candidates=chains, n_boot=100), Store()
    names = ["group_dro step_size=0.1", "group_dro step_size=0.01", "resampling + group_dro + fairprune", "group_model"]
    model = method.fit(train, validation, settings=settings, store=store)
    assert list(model.info["choice"]["g0"]["candidates"]) == names
    assert model.info["choice"]["g1"]["chosen"] == "group_model"
    assert model.group_predictor is None
    assert method.cost(["g0", "g1"]) == 1 + 1 + 1 + 2 + 1 + 2 == len(store._trained)

    models = {"erm": ERM(), "group_dro": create_method("group_dro(step_size=0.5)")}
    fits = {name: m.fit(train, validation, settings=settings, store=store) for name, m in models.items()}
    mixed = combined(fits, {"g0": {"chosen": "group_dro"}, "g1": {"chosen": "group_dro"}})
    assert mixed.route == {"g0": "pooled: group_dro", "g1": "pooled: group_dro"}  # its network, not ERM's, and once
    np.testing.assert_array_equal(mixed.predict_proba(test), fits["group_dro"].predict_proba(test))
    assert set(mixed.networks) == {"pooled", "pooled: group_dro"}


def test_candidates_are_told_apart_by_what_differs() -> None:
    written = ["spare(scale=rank)", "spare", "erm(selection_by=group)", "merge_groups + spare", *PORTFOLIO[:2]]
    assert labels([create_method(text) for text in written]) == [
        "spare alpha=0.5 scale=rank small_groups=error",
        "spare alpha=0.5 scale=none small_groups=error",
        "erm selection_by=group",
        "merge_groups + spare",
        "group_model",
        "spare alpha=0.25 scale=none small_groups=erm",
    ]


def test_refuses_a_candidate_that_sees_images_in_its_own_way(
    monkeypatch: pytest.MonkeyPatch, settings: TrainSettings
) -> None:
    train, validation, test = world("conflict")
    scaled = AffineByValue("a", ["g0", "g1"], np.ones((2, 1)), np.array([[0.0], [1.0]]))

    class Shifted(Before):
        def prepare(self, lab: Lab) -> Lab:
            return lab.seen_through(scaled)

    monkeypatch.setitem(REGISTERED, "shifted", Shifted)  # forgotten after the test
    entered("A shift by group", "none", name="shifted")(Shifted)
    with pytest.raises(SettingsError, match="'shifted \\+ erm' differs from ERM in more than its networks: transforms"):
        Auto(candidates=["shifted + erm"]).fit(train, validation, settings=settings.but(updates=2))
    options = {"candidates": ["group_model"], "n_boot": 100}
    front = create_method(["shifted", {"auto": options}]).fit(train, validation, settings=settings)
    assert [t.name for t in front.transforms] == ["affine_by_value"]
    shifted = test.seen_through(scaled)
    inner = Auto(**options).fit(  # type: ignore[arg-type]
        train.seen_through(scaled), validation.seen_through(scaled), settings=settings
    )
    assert front.info["choice"] == inner.info["choice"]
    np.testing.assert_allclose(front.predict_proba(test), inner.predict_proba(shifted), rtol=1e-6)


def test_groups_that_were_put_together_choose_each_for_itself(
    make_vectors: Callable[..., Cohort], settings: TrainSettings
) -> None:
    split = split_cohort(make_vectors(400, 4))
    chain = create_method("merge_groups + auto(candidates=[group_model], min_patients=5, n_boot=100)")
    model = chain.fit(split.train, split.validation, settings=settings.but(updates=20))
    assert list(model.route) == list(model.info["choice"]) == ["g0", "g1", "g2", "g3"]
    clusters = {name.split(": ")[0] for name in model.route.values()} - {"pooled"}
    assert all(" + " in name or name in model.groups for name in clusters)
    assert len(model.networks) <= 1 + 2 + 1
    assert np.isfinite(model.predict_proba(split.test)).all()


def test_what_is_admitted_by_the_lower_end() -> None:
    train, validation, _ = world("conflict")
    lab = Lab(train, validation, TrainSettings.make({"seed": 0}))
    rng = np.random.default_rng(0)
    right = validation.y
    poor = np.where(rng.random(len(right)) < 0.4, 1 - right, right)
    good = np.where(rng.random(len(right)) < 0.2, 1 - right, right)
    method = Auto(candidates=["group_model"])
    chosen = method._choose(0, {"erm": poor, "group_model": good, "spare alpha=0": right}, lab)
    assert chosen["chosen"] == "spare alpha=0"
    record = method._choose(0, {"erm": good, "group_model": poor, "spare alpha=0": good}, lab)
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
        ({"candidates": "erm"}, "candidates"),
        ({"candidates": []}, "candidates"),
        ({"candidates": ["group_model", "erm"]}, "'erm' more than once"),
        ({"candidates": ["spare", "spare(alpha=0.5)"]}, "'spare' more than once"),
        ({"candidates": ["group_modl"]}, "did you mean 'group_model'"),
        ({"candidates": ["spare(tau=0.5)"]}, "tau"),
        ({"candidates": ["group_model + spare"]}, "both train the networks"),
    ],
    ids=str,
)
def test_impossible_hyperparameters(hyper: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        Auto(**hyper)  # type: ignore[arg-type]
    assert caught.value.fix
