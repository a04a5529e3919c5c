"""SPARE: Algorithm 1 and its limits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.console import clear_warnings, recorded_warnings
from everygroup.errors import SettingsError, TrainingError
from everygroup.methods import ERM, Auto, GroupModel, Mixture, Part, Spare, Store
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings
from everygroup.spare import spare_weights


def fit(split: Split, settings: TrainSettings, store: Store | None = None, **hyper: object) -> RoutedModel:
    return Spare(**hyper).fit(split.train, split.validation, settings=settings, store=store)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "hyper",
    [
        {"alpha": "abc"},
        {"alpha": None},
        {"alpha": True},
        {"alpha": float("nan")},
        {"alpha": [0.5]},
        {"alpha": {"g0": 0.5, "g1": "x"}},
        {"alpha": {"g0": 0.5, "g1": False}},
        {"temperature": "x"},
        {"temperature": float("inf")},
        {"cross_fit": "two"},
        {"cross_fit": 2.5},
        {"cross_fit": -1},
        {"min_group": "many"},
        {"min_group": True},
        {"pooled": "yes"},
    ],
    ids=str,
)
def test_words_for_numbers_are_refused(hyper: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(hyper))) as caught:
        Spare(**hyper)  # type: ignore[arg-type]
    assert caught.value.fix


def test_numbers_of_numpy_are_numbers() -> None:
    Spare(alpha=np.float32(0.5), temperature=1, cross_fit=np.int64(2), min_group=np.int32(5))  # type: ignore[arg-type]


def weight_of(model: RoutedModel, target: str) -> np.ndarray:
    assert model.weights is not None
    return model.weights.loc[model.weights["target_group"] == target, "weight"].to_numpy()


@pytest.fixture(scope="module")
def fitted(two: Split, vector_settings: TrainSettings, shared_store: Store) -> RoutedModel:
    return fit(two, vector_settings, shared_store)


def test_weights_follow_the_paper(fitted: RoutedModel, two: Split) -> None:
    table = fitted.weights
    assert table is not None
    assert list(table["target_group"].unique()) == ["g0", "g1"]
    assert len(table) == 2 * len(two.train)
    expected = np.exp(-(0.5 * table["utility"] + 0.5 * table["similarity"]))
    np.testing.assert_allclose(table["weight"], expected, rtol=1e-6)
    assert table["weight"].between(0, 1, inclusive="right").all()
    for target in ("g0", "g1"):
        part = table[table["target_group"] == target]
        inside = part["source_group"] == target
        assert part.loc[inside, "weight"].mean() > part.loc[~inside, "weight"].mean()
        assert list(part["id"]) == list(two.train.ids)


def test_utility_is_the_distance_to_the_line_and_similarity_zero_where_predicted(
    fitted: RoutedModel, two: Split
) -> None:
    x = two.train.batch(slice(None)).astype(np.float64)
    table = fitted.weights
    assert table is not None
    head = fitted.networks["group predictor"].body.head
    w, b = head.weight.detach().double().numpy(), head.bias.detach().double().numpy()
    margin = x @ (w[1] - w[0]) + b[1] - b[0]  # > 0: predicted g1
    similarity = table.loc[table["target_group"] == "g1", "similarity"].to_numpy()
    assert (similarity[margin > 0] == 0).all()
    np.testing.assert_allclose(similarity[margin < 0], -margin[margin < 0] / np.linalg.norm(w[1] - w[0]), rtol=1e-4)


def test_uniform_weights_are_erm(two: Split, vector_settings: TrainSettings) -> None:
    settings = vector_settings.but(selection="last")
    model = fit(two, settings, temperature=1e30)
    assert (weight_of(model, "g0") == 1).all()
    erm = ERM().fit(two.train, two.validation, settings=settings)
    for name in ("g0", "g1"):
        for k, v in erm.networks["pooled"].state_dict().items():
            assert torch.equal(model.networks[name].state_dict()[k], v)


def test_alpha_one_trains_no_group_predictor(two: Split, vector_settings: TrainSettings) -> None:
    store = Store()
    model = fit(two, vector_settings, store, alpha=1.0)
    assert model.group_predictor is None
    assert "group_predictor" not in set(store.log.table["model"])
    assert model.weights is not None
    assert model.weights["similarity"].isna().all()
    with pytest.raises(SettingsError, match="no group predictor"):
        model.predict(two.test, routing="soft")


def test_alpha_zero_trains_no_group_models(two: Split, vector_settings: TrainSettings) -> None:
    store = Store()
    model = fit(two, vector_settings, store, alpha=0.0)
    assert set(store.log.table["model"]) == {
        "group_predictor",
        *(f"spare[{g}] alpha=0 temperature=1" for g in ("g0", "g1")),
    }
    assert Spare(alpha=0.0).cost(["g0", "g1"]) == 1 + 2
    assert model.weights is not None
    assert model.weights["utility"].isna().all()
    np.testing.assert_allclose(model.weights["weight"], np.exp(-model.weights["similarity"]), rtol=1e-6)


def test_a_group_model_is_trained_for_the_groups_that_use_it(two: Split, vector_settings: TrainSettings) -> None:
    store = Store()
    hyper = {"alpha": {"g0": 0.0, "g1": 0.5}, "min_group": 10_000}
    model = fit(two, vector_settings, store, **{**hyper, "min_group": 10})
    last = {"spare[g0] alpha=0 temperature=1", "spare[g1] alpha=0.5 temperature=1"}
    names = {"group_model[g1]", "group_predictor", *last}
    assert set(store.log.table["model"]) == names
    assert len(store._trained) == Spare(**hyper).cost(["g0", "g1"]) == 1 + 1 + 2  # type: ignore[arg-type]
    assert model.weights is not None
    missing = model.weights.groupby("target_group")["utility"].apply(lambda u: u.isna().all())
    assert missing.to_dict() == {"g0": True, "g1": False}
    clear_warnings()
    fit(two, vector_settings.but(updates=5), **hyper)
    assert [w.split(":")[0] for w in recorded_warnings()] == ["Group g1"]


def test_alpha_zero_keeps_the_group_models_that_something_else_needs(
    two: Split, vector_settings: TrainSettings
) -> None:
    store, method = Store(), Spare(alpha=0.0, min_group=10, misclassified="drop")
    model = method.fit(two.train, two.validation, settings=vector_settings.but(updates=20), store=store)
    assert len(store._trained) == method.cost(["g0", "g1"]) == 2 + 1 + 2
    assert (weight_of(model, "g0") == 0).any()


def test_similarity_only_with_groups_far_apart_ignores_the_other_group(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    cohort = make_vectors(apart=1e5)
    flip = cohort.group == 1
    y = np.where(flip, 1 - cohort.y, cohort.y)
    names = {"a": [cohort.groups[g] for g in cohort.group]}
    other = Cohort.from_arrays(cohort.images, y, classes=cohort.classes, sensitive_features=names, ids=cohort.ids)
    first, second = split_cohort(cohort), split_cohort(other)
    second_parts = [other.where(np.isin(other.ids, part.ids)) for part in (first.train, first.validation)]
    assert second.hash  # the same samples are used below, whatever the other split is
    settings = vector_settings.but(lr=1e-3, updates=60)
    a = fit(first, settings, alpha=0.0)
    b = Spare(alpha=0.0).fit(*second_parts, settings=settings)
    assert weight_of(a, "g0")[first.train.group == 1].max() < 1e-100
    for k, v in a.networks["g0"].state_dict().items():
        assert torch.equal(v, b.networks["g0"].state_dict()[k])


def test_three_groups_and_missing_ones(make_vectors: Callable[..., Cohort], vector_settings: TrainSettings) -> None:
    split = split_cohort(make_vectors(400, groups=3, missing=30))
    assert (split.train.group < 0).any()
    model = fit(split, vector_settings, min_group=10)
    assert set(model.route) == {"g0", "g1", "g2"}
    assert model.weights is not None
    assert (model.weights["source_group"] == "").sum() == 3 * (split.train.group < 0).sum()
    near, far = (
        model.weights.query("target_group == 'g0' and source_group == @g")["weight"].mean() for g in ("g1", "g2")
    )
    assert near > far
    predictions = model.predict(split.test)
    missing = predictions.table["group"] == ""
    assert predictions.table.loc[missing, "route"].str.startswith("predicted: ").all()
    assert predictions.table.loc[~missing, "route"].str.startswith("recorded: ").all()


def test_deterministic_and_cached(two: Split, vector_settings: TrainSettings, tmp_path: object) -> None:
    a = fit(two, vector_settings, Store(tmp_path))  # type: ignore[arg-type]
    store = Store(tmp_path)  # type: ignore[arg-type]
    b = fit(two, vector_settings, store)
    c = fit(two, vector_settings)
    assert a.weights is not None
    pd.testing.assert_frame_equal(a.weights, b.weights, check_exact=True)
    pd.testing.assert_frame_equal(a.weights, c.weights, check_exact=True)
    np.testing.assert_array_equal(a.predict_proba(two.test), c.predict_proba(two.test))


def test_weights_do_not_depend_on_the_order_of_samples(fitted: RoutedModel, two: Split, shared_store: Store) -> None:
    from everygroup.boundary import boundary_distances

    order = np.random.default_rng(0).permutation(len(two.train))
    distance = boundary_distances(fitted.networks["group predictor"], two.train.where(order), target=0).distance
    similarity = fitted.weights.loc[fitted.weights["target_group"] == "g0", "similarity"]  # type: ignore[union-attr]
    np.testing.assert_allclose(distance, similarity.to_numpy()[order], rtol=1e-5, atol=1e-7)


def test_small_groups_take_their_utility_from_erm(two: Split, vector_settings: TrainSettings) -> None:
    clear_warnings()
    model = fit(two, vector_settings, min_group=10_000)
    assert model.pooled == "pooled"
    assert any("measured on ERM" in w for w in recorded_warnings())
    assert model.weights is not None
    wide = model.weights.pivot_table(index="id", columns="target_group", values="utility")
    np.testing.assert_array_equal(wide["g0"], wide["g1"])


@pytest.mark.parametrize(
    "hyper",
    [
        {"scale": "median"},
        {"alpha": {"g0": 0.2, "g1": 0.9}},
        {"cross_fit": 2},
        {"misclassified": "zero_distance"},
        {"misclassified": "drop"},
        {"use": "sampler"},
        {"loss_norm": "sum_w_batch"},
        {"loss_norm": "none"},
        {"search_preset": "accurate"},
    ],
    ids=str,
)
def test_options_train_and_matter(
    hyper: dict[str, object], fitted: RoutedModel, two: Split, vector_settings: TrainSettings, shared_store: Store
) -> None:
    model = fit(two, vector_settings, shared_store, **hyper)
    score = model.predict_proba(two.test)
    assert (score.argmax(1) == two.test.y).mean() > 0.75
    if hyper != {"search_preset": "accurate"}:  # on a linear model both presets are exact
        assert not np.array_equal(score, fitted.predict_proba(two.test))
    assert model.info["hyperparameters"] == Spare(**hyper).hyperparameters  # type: ignore[arg-type]


def test_misclassified_drop_gives_weight_zero(two: Split, vector_settings: TrainSettings, shared_store: Store) -> None:
    model = fit(two, vector_settings, shared_store, misclassified="drop")
    weight = weight_of(model, "g0")
    assert 0 < (weight == 0).sum() < len(weight) / 2


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"alpha": 1.5}, "alpha"),
        ({"temperature": 0.0}, "temperature"),
        ({"scale": "mean"}, "scale"),
        ({"use": "both"}, "use"),
        ({"cross_fit": 1}, "cross_fit"),
    ],
)
def test_impossible_hyperparameters(hyper: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Spare(**hyper)  # type: ignore[arg-type]


def test_alpha_for_every_group_and_enough_patients(two: Split, vector_settings: TrainSettings) -> None:
    with pytest.raises(SettingsError, match="no value for group 'g1'"):
        fit(two, vector_settings, alpha={"g0": 0.5})
    with pytest.raises(TrainingError, match="cannot be cut into"):
        fit(two, vector_settings, cross_fit=1000)


def test_one_group_is_refused(two: Split, vector_settings: TrainSettings) -> None:
    one = [
        Cohort.from_arrays(c.batch(slice(None)), c.y, classes=c.classes, sensitive_features=["x"] * len(c), ids=c.ids)
        for c in (two.train, two.validation)
    ]
    with pytest.raises(SettingsError, match="needs at least 2 groups"):
        Spare().fit(*one, settings=vector_settings)


@pytest.mark.slow
def test_mild_shift_and_little_in_group_data_favours_spare() -> None:
    """A linear diagnosis model on sectors that turn with tone: SPARE above ERM and above GroupModel on average."""
    from everygroup.datasets import toy

    settings = TrainSettings.make(
        {"updates": 400, "batch_size": 256, "lr": 3e-2, "weight_decay": 1e-3, "backbone": "linear", "augment": "none"}
        | {"sampler": "replacement", "selection": "last", "warmup": 0.0, "clip_norm": None, "optimiser": "adamw"}
    )
    gains = []
    for seed in range(5):
        world = toy.rotating_sectors(40, 1500, 0.8, n_validation=40, seed=seed)
        accuracy = {}
        store = Store()
        for name, method in (
            ("erm", ERM()),
            ("group_model", GroupModel(small_groups="erm")),
            ("spare", Spare(min_group=10, small_groups="erm")),
        ):
            model = method.fit(world.train, world.validation, settings=settings.but(seed=seed), store=store)
            answer = model.predict_proba(world.test).argmax(1)
            accuracy[name] = (answer == world.test.y).mean()
        gains.append((accuracy["spare"] - accuracy["erm"], accuracy["spare"] - accuracy["group_model"]))
    over_erm, over_group_model = np.mean(gains, axis=0)
    assert over_erm > 0.02
    assert over_group_model > 0.01


def test_pure_function_agrees_with_the_method(fitted: RoutedModel) -> None:
    table = fitted.weights
    assert table is not None
    part = table[table["target_group"] == "g0"]
    np.testing.assert_array_equal(part["weight"], spare_weights(part["utility"], part["similarity"]))


@pytest.mark.parametrize("method", [Spare(small_groups="erm", min_group=10), Auto()], ids=["spare", "auto"])
def test_only_one_group_with_training_samples_is_erm(method: Part, two: Split, vector_settings: TrainSettings) -> None:
    train, short, store = two.train.in_group("g0"), vector_settings.but(updates=10), Store()
    model = method.fit(train, two.validation, settings=short, store=store)
    erm = ERM().fit(train, two.validation, settings=short, store=store)
    np.testing.assert_array_equal(model.predict_proba(two.test), erm.predict_proba(two.test))
    assert any("Only group g0 has training samples" in line for line in recorded_warnings())
    utility = Spare(small_groups="erm", min_group=10, alpha=1.0)  # needs no other group
    assert utility.fit(train, two.validation, settings=short, store=store).route == {"g0": "g0", "g1": "pooled"}


def test_alpha_may_name_groups_by_number() -> None:
    assert Spare(alpha={1: 0.2, "2": 0.9}).alpha == {"1": 0.2, "2": 0.9}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "method", [Spare(scale="paper_size"), Mixture(candidates=["spare(scale=paper_size)"])], ids=["spare", "mixture"]
)
def test_a_scale_for_images_is_refused_before_training(
    method: Part, two: Split, vector_settings: TrainSettings
) -> None:
    store = Store()
    with pytest.raises(SettingsError, match="needs images"):
        method.fit(two.train, two.validation, settings=vector_settings, store=store)
    assert not store._trained
