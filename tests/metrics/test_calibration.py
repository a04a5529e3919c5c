"""Calibration error, Brier, log loss, the recalibration line, and what chance alone gives."""

import doctest
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics import calibration_null
from everygroup.metrics.calibration import METRICS, brier, ece, ece_adaptive, mass_bins, nll, width_bins
from everygroup.metrics.calibration_null import expected_ece
from everygroup.metrics.recalibration import (
    calibration_in_the_large,
    calibration_intercept,
    calibration_slope,
    recalibrate,
)


def scores(n: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(k), n)
    y = (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    return y, p, rng.integers(0, 3, n)


@pytest.mark.parametrize("name", ["calibration", "calibration_null", "recalibration"])
def test_the_examples_in_the_documentation_run(name: str) -> None:
    result = doctest.testmod(import_module(f"everygroup.metrics.{name}"))
    assert result.attempted > 0 and result.failed == 0


def test_hand_values() -> None:
    assert ece([1, 0, 1, 1], [0.95, 0.85, 0.65, 0.55], n_bins=10).value == pytest.approx(0.425)
    assert brier([1, 0, 0], [0.9, 0.2, 0.7]).value == pytest.approx(0.18)
    # top label: confidences .95 .85 .65 .55 of which the first, third and fourth are right
    top = np.array([[0.95, 0.03, 0.02], [0.1, 0.85, 0.05], [0.2, 0.15, 0.65], [0.55, 0.25, 0.2]])
    assert ece([0, 0, 2, 0], top, n_bins=10).value == pytest.approx(0.425)


@pytest.mark.parametrize("k", [2, 4])
def test_brier_and_log_loss_equal_scikit_learn_in_every_group(k: int) -> None:
    y, p, group = scores(300, k)
    b, n = brier(y, p, sensitive_features=group), nll(y, p, sensitive_features=group)
    for g in (0, 1, 2):
        inside = group == g
        reference = (
            brier_score_loss(y[inside], p[inside, 1])
            if k == 2
            else np.mean(((np.eye(k)[y[inside]] - p[inside]) ** 2).sum(axis=1))
        )
        assert b.per_group[g] == pytest.approx(reference, abs=1e-12)
        assert n.per_group[g] == pytest.approx(log_loss(y[inside], p[inside], labels=range(k)), abs=1e-12)
    sure = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert nll([0, 0], sure).value == pytest.approx(log_loss([0, 0], sure, labels=[0, 1]), rel=1e-12)


def test_limits() -> None:
    y = np.array([1] * 30 + [0] * 70)
    constant = np.full(100, 0.3)
    assert ece(y, constant).value == pytest.approx(0.0, abs=1e-12)
    assert ece_adaptive(y, constant).value == pytest.approx(0.0, abs=1e-12)
    assert brier(y, constant).value == pytest.approx(0.21)
    for metric in (ece, brier, nll):
        assert metric(y, y.astype(float)).value == pytest.approx(0.0, abs=1e-12)


def test_equal_width_bins_close_on_the_right_and_hold_both_ends() -> None:
    np.testing.assert_array_equal(width_bins(np.array([0.0, 0.1, 0.100001, 0.5, 1.0]), 10), [0, 0, 1, 4, 9])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(1, 8))
def test_equal_mass_bins_keep_ties_together_and_order(values: list[int], n_bins: int) -> None:
    stated = np.array(values) / 6
    bins = mass_bins(stated, n_bins)
    assert bins.min() >= 0 and bins.max() < n_bins
    order = np.argsort(stated, kind="stable")
    assert (np.diff(bins[order]) >= 0).all()
    assert all(len(set(bins[stated == v])) == 1 for v in set(stated))


def test_equal_mass_bins_are_equal_without_ties() -> None:
    counts = np.bincount(mass_bins(np.random.default_rng(0).random(600), 15))
    np.testing.assert_array_equal(counts, np.full(15, 40))
    assert mass_bins(np.zeros(0)).size == 0
    none = np.zeros(0)
    assert np.isnan(ece_adaptive(none.astype(int), none).value) and np.isnan(ece(none.astype(int), none).value)


def test_equal_mass_error_equals_a_slow_form() -> None:
    y, p, _ = scores(450, 2, seed=5)
    order = np.argsort(p[:, 1])
    slow = sum(abs((y[part] - p[part, 1]).sum()) for part in np.split(order, 15)) / 450
    assert ece_adaptive(y, p).value == pytest.approx(slow, abs=1e-12)


def test_one_class_against_the_rest() -> None:
    y, p, _ = scores(200, 3)
    names = np.array(["a", "b", "c"])
    one = ece(names[y], p, classes=["a", "b", "c"], positive="b").value
    assert one == pytest.approx(ece((y == 1).astype(int), p[:, 1]).value)
    assert ece(names[y], p, positive="b").value == pytest.approx(one)
    assert ece(y, p, positive=1).value == pytest.approx(one)
    with pytest.raises(PredictionsError, match="Unknown class 'z'"):
        ece(names[y], p, positive="z")


def test_missing_groups_count_overall_only() -> None:
    y, p, _ = scores(60, 2)
    group = ["a"] * 20 + ["b"] * 20 + [""] * 20
    measured = brier(y, p, sensitive_features=group)
    assert measured.n_missing == 20 and set(measured.per_group) == {"a", "b"}
    assert measured.value == pytest.approx(brier_score_loss(y, p[:, 1]))


def test_mistakes_are_named() -> None:
    with pytest.raises(PredictionsError, match="Position 1 of y_score is not in"):
        ece([0, 1], [0.5, 1.5])
    with pytest.raises(PredictionsError, match="2 values for 3 samples"):
        brier([0, 1, 1], [0.5, 0.5, 0.1], sensitive_features=["a", "b"])
    with pytest.raises(SettingsError, match="n_bins is 0"):
        ece([0, 1], [0.5, 0.5], n_bins=0)


# ---- bias and null -------------------------------------------------------------------------------------------------


def test_calibration_error_of_a_perfect_model_falls_with_n_as_simulated() -> None:
    rng = np.random.default_rng(0)
    means = []
    for n in (20, 200, 2000):
        values = []
        for _ in range(60):
            p = rng.random(n)
            values.append(ece((rng.random(n) < p).astype(int), p).value)
        means.append(np.mean(values))
        assert expected_ece(p).value == pytest.approx(means[-1], rel=0.15)
    assert means[0] > 2.5 * means[1] > 5 * means[2] > 0  # the bias of a small group


def test_large_bins_need_no_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    p = np.random.default_rng(0).random(6000)
    simulated = expected_ece(p, n_sim=400).value
    monkeypatch.setattr(calibration_null, "MANY", 50)
    assert expected_ece(p).value == pytest.approx(simulated, rel=0.05)


def test_expected_error_of_top_label_and_of_nobody() -> None:
    _, p, _ = scores(200, 4)
    measured = expected_ece(p, sensitive_features=[0] * 180 + [1] * 20, n_sim=50)
    assert measured.per_group[1] > 1.5 * measured.per_group[0] > 0
    assert np.isnan(expected_ece(np.zeros((0, 2))).value)


# ---- recalibration -------------------------------------------------------------------------------------------------


def test_slope_and_intercept_equal_unpenalised_logistic_regression() -> None:
    y, p, group = scores(400, 2, seed=3)
    slope = calibration_slope(y, p, sensitive_features=group)
    intercept = calibration_intercept(y, p, sensitive_features=group)
    x = np.log(p[:, 1] / p[:, 0])[:, None]
    for g in (0, 1, 2):
        inside = group == g
        model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x[inside], y[inside])
        assert slope.per_group[g] == pytest.approx(model.coef_[0, 0], abs=1e-5)
        assert intercept.per_group[g] == pytest.approx(model.intercept_[0], abs=1e-5)


def test_standard_errors_equal_statsmodels_with_and_without_clusters() -> None:
    sm = pytest.importorskip("statsmodels.api")
    y, p, _ = scores(300, 2, seed=4)
    patient = np.repeat(np.arange(100), 3)
    x = sm.add_constant(np.log(p[:, 1] / p[:, 0]))
    plain, ours = sm.Logit(y, x).fit(disp=0), recalibrate(p[:, 1], y)
    np.testing.assert_allclose([ours.intercept, ours.slope], plain.params, rtol=1e-6)
    np.testing.assert_allclose([ours.intercept_error, ours.slope_error], plain.bse, rtol=1e-6)
    low, high = ours.slope_interval
    np.testing.assert_allclose([low, high], plain.conf_int()[1], rtol=1e-6)
    np.testing.assert_allclose(ours.intercept_interval, plain.conf_int()[0], rtol=1e-6)
    robust = sm.GLM(y, x, family=sm.families.Binomial()).fit(cov_type="cluster", cov_kwds={"groups": patient})
    clustered = recalibrate(p[:, 1], y, cluster=patient)
    ratio = np.array([clustered.intercept_error, clustered.slope_error]) / robust.bse
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)  # up to the small-sample factor
    assert ratio[0] == pytest.approx(1.0, abs=0.01)


def test_in_the_large_is_the_shift_of_the_log_odds() -> None:
    assert calibration_in_the_large([0, 1] * 20, [0.2] * 40).value == pytest.approx(np.log(4))
    rng = np.random.default_rng(0)
    logit = rng.normal(size=20_000)
    y = (rng.random(20_000) < 1 / (1 + np.exp(-(logit - 0.7)))).astype(int)
    assert calibration_in_the_large(y, 1 / (1 + np.exp(-logit))).value == pytest.approx(-0.7, abs=0.05)


@pytest.mark.parametrize(
    ("y", "p"),
    [
        ([1, 1, 1], [0.2, 0.5, 0.9]),
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]),
        ([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9]),
        ([0, 0, 1, 1], [0.1, 0.5, 0.5, 0.9]),
        ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3]),
    ],
)
def test_a_line_that_does_not_exist_is_undefined(y: list[int], p: list[float]) -> None:
    measured = calibration_slope(y, p)
    assert np.isnan(measured.value) and measured.n_undefined == 1


def test_extreme_scores_and_one_cluster() -> None:
    fit = recalibrate([1.0, 0.0, 1.0, 0.0, 0.9, 0.9], [1, 0, 0, 1, 1, 0])
    assert np.isfinite([fit.slope, fit.intercept, fit.slope_error]).all()
    assert np.isnan(recalibrate([0.2, 0.5, 0.4, 0.6], [0, 1, 1, 0], cluster=["p"] * 4).slope)
    y, p, _ = scores(300, 4)
    assert 0.3 < calibration_slope(y, p).value < 2
    assert calibration_slope(y, p, positive=2).value == pytest.approx(1.0, abs=0.4)


def test_every_metric_says_what_it_is() -> None:
    y, p, group = scores(200, 2)
    for info in METRICS:
        measured = info.function(y, p, sensitive_features=group)
        assert info.low <= measured.value <= info.high and info.higher_is_better is False
        assert len(measured.per_group) == 3
