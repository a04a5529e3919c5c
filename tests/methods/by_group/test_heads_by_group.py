"""What estimators of group-specific heads are, in closed form, and what each does on a world made for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import SettingsError
from everygroup.methods import Lab, Store, create_method
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings


def world(n: int, *, conflict: bool, small: float = 0.25, seed: int = 0) -> Split:
    """Two groups; in 'conflict' the small one has a rule of its own, else the same."""
    rng = np.random.default_rng(seed)
    group = (rng.random(n) < small).astype(int)
    x = rng.standard_normal((n, 5)).astype(np.float32)
    x[:, 4] += 1.5 * group
    rule = np.where((group == 1) & conflict, x[:, 1], x[:, 0])
    y = (rule + 0.5 * rng.standard_normal(n) > 0).astype(int)
    names = np.array(["big", "small"], dtype=object)[group]
    names[:4] = ""
    cohort = Cohort.from_arrays(x, y, classes=["no", "yes"], sensitive_features={"g": names.tolist()})
    return split_cohort(cohort, seed=seed)


@pytest.fixture(scope="module")
def conflict() -> Split:
    return world(1200, conflict=True)


@pytest.fixture(scope="module")
def store() -> Store:
    return Store()


@pytest.fixture
def fit(conflict: Split, head_settings: TrainSettings, store: Store):  # type: ignore[no-untyped-def]
    def fitted(method: str, split: Split = conflict, **settings: object) -> RoutedModel:
        return create_method(method).fit(
            split.train, split.validation, settings=head_settings.but(**settings), store=store
        )

    return fitted


def loss(model: RoutedModel, cohort: Cohort) -> float:
    return float(-np.log(model.predict_proba(cohort)[np.arange(len(cohort)), cohort.y]).mean())


@pytest.mark.parametrize(
    "method", ["group_weight", "blend", "partial_pooling", "mixture", "auto", "spare(in_group=1, level=0.1)"]
)
def test_a_small_group_with_a_rule_of_its_own_gains_and_nobody_loses(fit, conflict: Split, method: str) -> None:  # type: ignore[no-untyped-def]
    erm, model = fit("erm"), fit(method)
    small, big = (conflict.test.in_group(g) for g in ("small", "big"))
    assert loss(model, small) < loss(erm, small) - 0.05
    assert loss(model, big) < loss(erm, big) + 0.01


def test_saved_mixtures_answer_alike(fit, conflict: Split, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    model = fit("pca(n=4) + mixture + group_calibration")
    model.save(tmp_path)
    again = RoutedModel.load(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(conflict.test), model.predict_proba(conflict.test))
    assert again.mixtures == model.mixtures


def test_group_weight_at_its_ends_is_erm_and_the_groups_own_model(fit, conflict: Split) -> None:  # type: ignore[no-untyped-def]
    probabilities = fit("group_weight(omegas=[1.0])").predict_proba(conflict.test)
    erm_by_group = fit("erm(selection_by=group)").predict_proba(conflict.test)
    np.testing.assert_allclose(probabilities, erm_by_group, atol=1e-6)
    own, groups = fit("group_weight(omegas=[0.0])", l2=[0.1]), fit("group_model", l2=[0.1])
    known = conflict.test.where(conflict.test.group >= 0)
    np.testing.assert_allclose(own.predict_proba(known), groups.predict_proba(known), atol=0.02)  # other unit of x
    assert fit("group_weight").info["weights"]["small"] in ("omega=0", "omega=0.1")


def test_density_ratio_weights_are_the_odds_of_a_predictor_that_has_not_seen_the_patient(
    conflict: Split, head_settings: TrainSettings
) -> None:
    from everygroup.methods.by_group.density_ratio import DensityRatio

    lab = Lab(conflict.train, conflict.validation, head_settings)
    method = DensityRatio()
    odds = method._odds(lab, lab.group_predictor())
    known = lab.known
    np.testing.assert_allclose(odds[known, 0] * odds[known, 1], 1, rtol=1e-6)
    # the logit of the true ratio of densities is linear in x_4: log n_1 / n_0 + 1.5 x_4 - 1.5^2 / 2
    x, sizes = lab.train.batch(slice(None)), lab.group_sizes
    truth = np.log(sizes[1] / sizes[0]) + 1.5 * x[:, 4] - 1.125
    assert np.corrcoef(truth[known], np.log(odds[known, 1]))[0, 1] > 0.97
    assert odds[known & (lab.train.group == 0), 1].sum() == pytest.approx(sizes[1], rel=0.3)


def test_partial_pooling_is_a_ridge_on_shared_and_own_coefficients(fit, conflict: Split) -> None:  # type: ignore[no-untyped-def]
    kappa, l2 = 0.5, 0.02
    model = fit(f"partial_pooling(kappas=[{kappa}])", l2=[l2])
    x, g = conflict.train.batch(slice(None)).astype(float), conflict.train.group
    unit = x.std()
    member = (g[:, None] == np.arange(2)).astype(float)
    wide = np.concatenate([x, kappa * (member[:, :, None] * x[:, None]).reshape(len(x), -1), kappa * unit * member], 1)
    centred = (wide - wide.mean(0)) / np.sqrt(((wide - wide.mean(0)) ** 2).mean())
    theirs = LogisticRegression(C=1 / (l2 * len(x)), tol=1e-10, max_iter=10_000).fit(centred, conflict.train.y)
    known = g >= 0
    np.testing.assert_allclose(
        model.predict_proba(conflict.train.where(known)), theirs.predict_proba(centred[known]), atol=1e-4
    )
    missing = model.predict_proba(conflict.train.where(~known))
    np.testing.assert_allclose(missing, theirs.predict_proba(centred[~known]), atol=1e-4)
    erm = fit("erm", l2=[l2])
    none = fit("partial_pooling(kappas=[0.0])", l2=[l2])
    assert np.abs(none.predict_proba(conflict.test) - erm.predict_proba(conflict.test)).max() < 0.1


def test_group_input_gives_groups_a_bias_of_their_own_and_nothing_else(fit, conflict: Split) -> None:  # type: ignore[no-untyped-def]
    for options in ({}, {"optimiser": "adamw", "updates": 60, "lr": 0.02}):
        model = fit("group_input", **options)
        big, small, pooled = (model.networks[name].linear for name in ("big", "small", "pooled"))
        assert torch.equal(big.weight, small.weight) and torch.equal(big.weight, pooled.weight)
        assert not torch.equal(big.bias, small.bias)


def test_an_ensemble_of_heads_draws_patients_and_of_networks_seeds(fit, conflict: Split) -> None:  # type: ignore[no-untyped-def]
    heads = fit("ensemble")
    assert heads.mixtures == {"pooled": {f"member {i}": pytest.approx(1 / 3) for i in (1, 2, 3)}}
    erm = fit("erm")
    np.testing.assert_array_equal(
        heads.networks["member 1"].linear.weight.detach(), erm.networks["pooled"].linear.weight.detach()
    )
    assert not torch.equal(heads.networks["member 2"].linear.weight, heads.networks["member 3"].linear.weight)
    seeds = fit("ensemble(members=2)", backbone="mlp", updates=10)
    single = [fit("erm", backbone="mlp", updates=10, seed=s).predict_proba(conflict.test) for s in (0, 1)]
    np.testing.assert_allclose(seeds.predict_proba(conflict.test), np.mean(single, 0), atol=1e-12)


def test_a_blend_is_the_mean_of_two_models(fit, conflict: Split) -> None:  # type: ignore[no-untyped-def]
    known = conflict.test.where(conflict.test.group >= 0)
    parts = [fit(name).predict_proba(known) for name in ("erm", "group_model")]
    np.testing.assert_allclose(fit("blend(share=0.25)").predict_proba(known), 0.75 * parts[0] + 0.25 * parts[1])


def test_a_mixture_is_erm_where_there_is_nothing_to_gain_and_reports_what_it_did(fit) -> None:  # type: ignore[no-untyped-def]
    same = world(900, conflict=False, seed=3)
    model, erm = fit("mixture", same), fit("erm", same)
    record = model.info["mixture"]["small"]
    assert sum(record["shares"].values()) == pytest.approx(1)
    assert record["n"] == int((same.validation.group == 1).sum()) >= record["patients"]
    assert record["change"]["low"] < 0.02
    assert loss(model, same.test) < loss(erm, same.test) + 0.01
    missing = same.train.where(same.train.group < 0)
    np.testing.assert_allclose(  # answered as the density ratio's predictor of the group says
        model.predict_proba(missing), model.predict_proba(missing, when_missing="predicted"), atol=1e-12
    )
    assert model.predict_proba(missing, when_missing="pooled") == pytest.approx(erm.predict_proba(missing))


def test_a_group_without_validation_samples_is_erm(fit, conflict: Split) -> None:  # type: ignore[no-untyped-def]
    few = Split(
        conflict.train,
        conflict.validation.where(conflict.validation.group != 1),
        conflict.test,
        conflict.table,
        "",
    )
    for method in ("mixture(candidates=[density_ratio])", "group_weight"):
        model = fit(method, few)
        assert model.route["small"] == model.pooled


def test_what_is_for_vectors_or_networks_says_so(
    fit,
    images: Split,
    image_settings: TrainSettings,  # type: ignore[no-untyped-def]
) -> None:
    with pytest.raises(SettingsError, match="takes vectors"):
        create_method("pca").fit(images.train, images.validation, settings=image_settings)
    with pytest.raises(SettingsError, match="takes vectors"):
        create_method("partial_pooling").fit(images.train, images.validation, settings=image_settings)
    with pytest.raises(SettingsError, match="for linear heads"):
        fit("partial_pooling", backbone="mlp")
    with pytest.raises(SettingsError, match="linear heads on vectors are solved"):
        fit("specialise")


def test_spare_may_hold_its_group_and_set_the_level_of_others(fit, conflict: Split) -> None:  # type: ignore[no-untyped-def]
    table = fit("spare(scale=median, in_group=1, level=0.2)").weights
    own = table["source_group"] == table["target_group"]
    assert (table["weight"][own] == 1).all()
    assert table["weight"][~own & (table["target_group"] == "small")].mean() == pytest.approx(0.2)
    chosen = fit("spare(scale=median, in_group=1, level=[0.05, 1])").info["candidates"]
    assert {(c["group"], c["level"]) for c in chosen if c["chosen"]} >= {("small", 0.05)}
    paper = fit("spare").weights
    np.testing.assert_allclose(paper["weight"], np.exp(-0.5 * (paper["utility"] + paper["similarity"])), rtol=1e-12)


def test_pca_is_that_of_the_training_samples(fit, conflict: Split) -> None:  # type: ignore[no-untyped-def]
    (seen,) = fit("pca(n=2)").transforms
    x = conflict.train.batch(slice(None)).astype(float)
    _, _, v = np.linalg.svd(x - x.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(seen.basis.T @ v[:2].T), np.eye(2), atol=1e-3)
    assert fit("pca(n=64)").transforms[0].shape((5,)) == (5,)


def test_few_samples_leave_whole_patients_of_one_group(conflict: Split, head_settings: TrainSettings) -> None:
    units = np.array([f"u{i // 3}" for i in range(len(conflict.train))])
    lab = Lab(conflict.train.with_units(units), conflict.validation, head_settings)
    part = create_method("few_samples(n=30)").parts[0].prepare(lab)
    before, after = lab.group_sizes, part.group_sizes
    assert after[0] == before[0] and 25 <= after[1] <= 30
    share = (part.validation.group == 1).sum() / (lab.validation.group == 1).sum()
    assert share == pytest.approx(30 / before[1], abs=0.03)
    for unit in np.unique(part.train.units[part.train.group == 1]):
        inside = lab.train.group[lab.train.units == unit] == 1
        assert (part.train.group[part.train.units == unit] == 1).sum() == inside.sum()
    with pytest.raises(SettingsError, match="no group 'x'"):
        create_method("few_samples(group=x)").parts[0].prepare(lab)
