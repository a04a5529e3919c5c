"""SPARE's options beyond the plain method: weighting, ablations, choice on validation, cross-fitting."""

from __future__ import annotations

import numpy as np
import pytest

from everygroup.cohort import Cohort, Split
from everygroup.console import recorded_warnings
from everygroup.errors import SettingsError
from everygroup.methods import ERM, Spare, Store
from everygroup.models import RoutedModel
from everygroup.networks import predict_outputs
from everygroup.settings import TrainSettings
from everygroup.spare import centroid_distance, logit_gap, mean_discrepancy, spare_weights, strategy_weights
from everygroup.training import Trained

GROUPS = ("g0", "g1")


@pytest.fixture(scope="module")
def settings(vector_settings: TrainSettings) -> TrainSettings:
    return vector_settings.but(updates=40)


def fit(split: Split, settings: TrainSettings, store: Store | None = None, **hyper: object) -> RoutedModel:
    method = Spare(**{"min_group": 10, **hyper})  # type: ignore[arg-type]
    return method.fit(split.train, split.validation, settings=settings, store=store)


def table(model: RoutedModel, target: str, column: str) -> np.ndarray:
    assert model.weights is not None
    return model.weights.loc[model.weights["target_group"] == target, column].to_numpy()


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"alpha": "by_hand"}, "alpha"),
        ({"alphas": 0.5}, "alphas"),
        ({"alphas": []}, "alphas"),
        ({"alphas": [0.5, 1.5]}, "alphas = 1.5"),
        ({"alphas": ["x"]}, "alphas"),
        ({"temperature": [1, -1]}, r"temperature = \[1, -1\]: .*greater than 0"),
        ({"temperature": []}, "temperature"),
        ({"quantiles": [2.0]}, "quantiles = 2"),
        ({"weighting": "rank"}, "weighting"),
        ({"shuffle": "yes"}, "shuffle"),
        ({"keep_in_group": 1}, "keep_in_group"),
        ({"utility": "gap"}, "utility"),
        ({"similarity": "cosine"}, "similarity"),
        ({"utility": "none", "similarity": "none"}, "keep utility or similarity"),
        ({"features": "erm"}, "features"),
        ({"feature_level": "cell"}, "feature_level"),
        ({"sharing": "most"}, "sharing"),
        ({"scale": "paper_size", "similarity": "mmd"}, "no length in pixels"),
        ({"sharing": "half", "use": "sampler"}, "one batch"),
        ({"initial": "erm"}, "Unknown hyper-parameter 'initial'"),
        ({"merge_to": 2}, "Unknown hyper-parameter 'merge_to'"),
    ],
    ids=lambda v: str(sorted(v)) if isinstance(v, set) else str(v),
)
def test_impossible_options(hyper: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        Spare(**hyper)  # type: ignore[arg-type]
    assert caught.value.fix


@pytest.mark.parametrize("weighting", ["group_weight", "ranking"])
def test_weights_are_the_strategys(weighting: str, two: Split, settings: TrainSettings, shared_store: Store) -> None:
    model = fit(two, settings, shared_store, weighting=weighting, alpha=0.25)
    for t, target in enumerate(GROUPS):
        d = 0.25 * table(model, target, "utility") + 0.75 * table(model, target, "similarity")
        np.testing.assert_allclose(
            table(model, target, "weight"), strategy_weights(weighting, d, two.train.group, t), rtol=1e-6
        )


def test_frequency_weights_need_no_distance_and_no_other_network(two: Split, settings: TrainSettings) -> None:
    store = Store()
    model = fit(two, settings, store, weighting="group_frequency")
    assert set(store.log.table["model"]) == {"spare[g0]", "spare[g1]"}
    assert Spare(weighting="group_frequency").cost(GROUPS) == 2
    for target in GROUPS:
        weight = table(model, target, "weight")
        masses = [weight[two.train.group == g].sum() for g in (0, 1)]
        assert masses[0] == pytest.approx(masses[1])
        assert np.isnan(table(model, target, "utility")).all()


def count(store: Store) -> int:
    return len(set(store.log.table["model"]))


def test_selection_takes_the_best_threshold_of_the_groups_own_validation(two: Split, settings: TrainSettings) -> None:
    store = Store()
    model = fit(two, settings, store, weighting="selection", quantiles=[0.2, 0.8])
    assert count(store) == Spare(weighting="selection", quantiles=[0.2, 0.8]).cost(GROUPS) == 2 + 1 + 2 * 2
    for t, target in enumerate(GROUPS):
        tried = [r for r in model.info["candidates"] if r["group"] == target]
        assert [r["quantile"] for r in tried] == [0.2, 0.8]
        (chosen,) = [r for r in tried if r["chosen"]]
        assert chosen["validation_macro_f1"] == max(r["validation_macro_f1"] for r in tried)
        weight = table(model, target, "weight")
        inside = two.train.group == t
        assert (weight[inside] == 1).all()
        assert weight[~inside].mean() == pytest.approx(1 - chosen["quantile"], abs=0.02)


def test_alpha_and_temperature_are_chosen_on_validation(two: Split, settings: TrainSettings) -> None:
    store = Store()
    method = Spare(alpha="validation", alphas=[0.0, 1.0], temperature=[0.3, 1.0], min_group=10)
    model = method.fit(two.train, two.validation, settings=settings, store=store)
    assert count(store) == method.cost(GROUPS) == 2 + 1 + 2 * 4
    for target in GROUPS:
        tried = [r for r in model.info["candidates"] if r["group"] == target]
        assert [(r["alpha"], r["temperature"]) for r in tried] == [(0.0, 0.3), (0.0, 1.0), (1.0, 0.3), (1.0, 1.0)]
        best = max(tried, key=lambda r: r["validation_macro_f1"])
        (chosen,) = [r for r in tried if r["chosen"]]
        assert chosen is best
        inside = two.validation.in_group(target)
        right = model.predict_proba(inside).argmax(1) == inside.y
        assert 0 < right.mean() <= 1
        weight = spare_weights(
            table(model, target, "utility"),
            table(model, target, "similarity"),
            alpha=best["alpha"],
            temperature=best["temperature"],
        )
        np.testing.assert_array_equal(table(model, target, "weight"), weight)


def test_shuffling_keeps_every_source_groups_weights(two: Split, settings: TrainSettings, shared_store: Store) -> None:
    plain, mixed = (fit(two, settings, shared_store, shuffle=s) for s in (False, True))
    for target in GROUPS:
        a, b = table(plain, target, "weight"), table(mixed, target, "weight")
        assert not np.array_equal(a, b)
        for g in (0, 1):
            members = two.train.group == g
            np.testing.assert_array_equal(np.sort(a[members]), np.sort(b[members]))
    again = fit(two, settings, shared_store, shuffle=True)
    np.testing.assert_array_equal(table(mixed, "g0", "weight"), table(again, "g0", "weight"))


@pytest.mark.parametrize(
    ("hyper", "networks", "scale"),
    [
        ({"similarity": "none"}, {"group_model", "spare"}, "none"),
        ({"utility": "none"}, {"group_predictor", "spare"}, "none"),
        ({"similarity": "fcd"}, {"group_model", "group_predictor", "spare"}, "median"),
        ({"similarity": "mmd", "features": "group_model"}, {"group_model", "spare"}, "median"),
        ({"utility": "logit_gap"}, {"group_model", "group_predictor", "spare"}, "median"),
        ({"utility": "logit_gap", "scale": "rank"}, {"group_model", "group_predictor", "spare"}, "rank"),
    ],
    ids=lambda v: str(sorted(v)) if isinstance(v, set) else str(v),
)
def test_rows_of_the_ablation(
    hyper: dict[str, str], networks: set[str], scale: str, two: Split, settings: TrainSettings
) -> None:
    store = Store()
    model = fit(two, settings, store, **hyper)
    assert {name.split("[")[0] for name in store.log.table["model"]} == networks
    assert count(store) == Spare(**hyper).cost(GROUPS)  # type: ignore[arg-type]
    assert model.info["scale"] == scale
    x, group = two.train.batch(slice(None)), two.train.group  # a linear model's features are its inputs
    for t, target in enumerate(GROUPS):
        utility, similarity = table(model, target, "utility"), table(model, target, "similarity")
        if hyper.get("similarity") == "fcd":
            np.testing.assert_allclose(similarity, centroid_distance(x, group, t))
        if hyper.get("similarity") == "mmd":
            np.testing.assert_allclose(similarity, mean_discrepancy(x, group, t))
        if hyper.get("utility") == "logit_gap":
            first = trained(store, f"group_model[{target}]")
            np.testing.assert_allclose(utility, logit_gap(predict_outputs(first.network, two.train)))
        if hyper.get("similarity") == "none":
            expected = spare_weights(utility, None, alpha=1)
        elif hyper.get("utility") == "none":
            assert np.isnan(utility).all()
            expected = spare_weights(None, similarity, alpha=0)
        else:
            expected = spare_weights(utility, similarity, scale=scale)
        np.testing.assert_allclose(table(model, target, "weight"), expected)


def trained(store: Store, name: str) -> Trained:
    (found,) = [t for t in store._trained.values() if t.log[0]["model"] == name]
    return found


def test_group_level_features_give_one_distance_a_group(
    two: Split, settings: TrainSettings, shared_store: Store
) -> None:
    model = fit(two, settings, shared_store, similarity="fcd", feature_level="group")
    similarity = table(model, "g0", "similarity")
    assert (similarity[two.train.group == 0] == 0).all()
    assert len(np.unique(similarity[two.train.group == 1].round(9))) == 1


def test_cross_fitted_logit_gaps_are_those_of_other_networks_inside_the_group_only(
    two: Split, settings: TrainSettings, shared_store: Store
) -> None:
    plain, crossed = (fit(two, settings, shared_store, utility="logit_gap", cross_fit=k) for k in (0, 2))
    changed = table(plain, "g0", "utility") != table(crossed, "g0", "utility")
    assert changed[two.train.group == 0].mean() > 0.9
    assert not changed[two.train.group == 1].any()


def test_cross_fitted_distances_of_a_small_group_are_those_of_folds_of_everybody(
    two: Split, settings: TrainSettings
) -> None:
    store = Store()
    options = {"min_group": 10**6, "utility": "logit_gap", "similarity": "none"}
    plain, crossed = (fit(two, settings, store, **options, cross_fit=k) for k in (0, 2))
    names = set(store.log.table["model"])
    assert {n for n in names if "fold" in n} == {"erm fold 1", "erm fold 2"}
    for target in GROUPS:
        assert (table(plain, target, "utility") != table(crossed, target, "utility")).mean() > 0.9
    folds = [trained(store, f"erm fold {k}").network for k in (1, 2)]
    either = np.stack([logit_gap(predict_outputs(f, two.train).double().numpy()) for f in folds])
    assert (either == table(crossed, "g0", "utility")).any(0).all()


def test_a_fold_without_which_one_class_is_left_is_measured_with_a_warning(two: Split, settings: TrainSettings) -> None:
    inside = np.flatnonzero(two.train.group == 1)
    y, units = two.train.y.copy(), two.train.units.copy()
    y[inside] = 0
    y[inside[:2]], units[inside[:2]] = 1, "one"
    names = {"a": [GROUPS[g] for g in two.train.group]}
    images = two.train.batch(slice(None))
    train = Cohort.from_arrays(
        images, y, classes=two.train.classes, sensitive_features=names, ids=two.train.ids, units=units
    )
    model = Spare(min_group=10, cross_fit=3).fit(train, two.validation, settings=settings)
    assert np.isfinite(model.predict_proba(two.test)).all()
    assert any("fold 2: all 52 training samples are 'no'" in line for line in recorded_warnings())


def test_cost_counts_the_folds(two: Split, settings: TrainSettings) -> None:
    store = Store()
    fit(two, settings, store, cross_fit=2, pooled=True)
    assert count(store) == Spare(cross_fit=2, pooled=True).cost(GROUPS) == 2 + 1 + 2 + 2 * 3 + 1


@pytest.mark.slow
def test_shuffled_weights_fall_back_to_erm() -> None:
    """Where the gain is per sample, the control loses it: rotating sectors, a linear model, mild shift."""
    from everygroup.datasets import toy

    settings = TrainSettings.make(
        {"updates": 400, "batch_size": 256, "lr": 3e-2, "weight_decay": 1e-3, "backbone": "linear", "augment": "none"}
        | {"sampler": "replacement", "selection": "last", "warmup": 0.0, "clip_norm": None, "optimiser": "adamw"}
    )
    accuracy: dict[str, list[float]] = {"erm": [], "spare": [], "shuffled": []}
    for seed in range(4):
        world, store = toy.rotating_sectors(40, 1500, 0.8, n_validation=40, seed=seed), Store()
        for name, method in (
            ("erm", ERM()),
            ("spare", Spare(min_group=10, small_groups="erm")),
            ("shuffled", Spare(min_group=10, small_groups="erm", shuffle=True)),
        ):
            model = method.fit(world.train, world.validation, settings=settings.but(seed=seed), store=store)
            accuracy[name].append((model.predict_proba(world.test).argmax(1) == world.test.y).mean())
    erm, spare, shuffled = (np.mean(accuracy[name]) for name in ("erm", "spare", "shuffled"))
    assert spare > erm + 0.02
    assert abs(shuffled - erm) < 0.01


def test_paper_size_undoes_the_size_of_the_images(images: Split, image_settings: TrainSettings, two: Split) -> None:
    side = images.train.sample_shape[0]
    found = {
        scale: Spare(min_group=0, scale=scale).fit(
            images.train, images.validation, settings=image_settings.but(updates=4), store=Store()
        )
        for scale in ("none", "paper_size")
    }
    for g in images.train.groups:
        raw, scaled = (table(found[scale], g, "weight") for scale in ("none", "paper_size"))
        assert scaled == pytest.approx(raw ** (128 / side)), "w = exp(-d): a factor of d is a power of w"
        assert table(found["paper_size"], g, "utility") == pytest.approx(table(found["none"], g, "utility"))
    with pytest.raises(SettingsError, match="needs images"):
        fit(two, image_settings.but(updates=4, backbone="linear", augment="none"), scale="paper_size")
