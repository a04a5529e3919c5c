"""Regression metrics against scikit-learn and scipy, and their own properties."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from everygroup.errors import PredictionsError
from everygroup.metrics import regression
from everygroup.metrics.regression import (
    METRICS,
    Errors,
    Spearman,
    bias,
    conditional_residual_gap,
    mae,
    outcome_bins,
    prediction_ks,
    prediction_wasserstein,
    r2,
    rmse,
    spearman,
)


def _data(seed: int = 0, n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.normal(60, 12, n).round()
    return y, y + rng.normal(1, 5, n).round(), rng.integers(0, 3, n)


def _weighted_spearman(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> np.ndarray:
    rows = np.arange(len(y))
    return Spearman(y, p).bind(rows, rows, len(y))(w)["spearman"]


ORACLES = {
    "mae": sk.mean_absolute_error,
    "rmse": sk.root_mean_squared_error,
    "bias": lambda y, p: float(np.mean(p - y)),
    "r2": sk.r2_score,
    "spearman": lambda y, p: stats.spearmanr(y, p).statistic,
}


def test_doctests() -> None:
    result = doctest.testmod(regression)
    assert result.attempted >= 9 and result.failed == 0


@pytest.mark.parametrize("metric", [mae, rmse, bias, r2, spearman])
def test_equals_the_oracle_overall_and_in_every_group(metric) -> None:
    y, p, group = _data()
    measured = metric(y, p, sensitive_features=group)
    oracle = ORACLES[metric.__name__]
    assert measured.value == pytest.approx(oracle(y, p), abs=1e-12)
    for g in range(3):
        assert measured.per_group[g] == pytest.approx(oracle(y[group == g], p[group == g]), abs=1e-12)
        assert measured.n_per_group[g] == (group == g).sum()
    assert metric(y, p).per_group == {}


def test_distances_equal_scipy_for_every_pair() -> None:
    y, p, group = _data(1)
    parts = [p[group == g] for g in range(3)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    ks, area = prediction_ks(y, p, sensitive_features=group), prediction_wasserstein(y, p, sensitive_features=group)
    assert ks.value == pytest.approx(max(stats.ks_2samp(parts[a], parts[b]).statistic for a, b in pairs), abs=1e-12)
    expected = max(stats.wasserstein_distance(parts[a], parts[b]) for a, b in pairs)
    assert area.value == pytest.approx(expected, abs=1e-12)
    rest = stats.wasserstein_distance(parts[0], p[group != 0])
    assert area.per_group[0] == pytest.approx(rest, abs=1e-12)
    alone = prediction_ks(y, p, sensitive_features=np.zeros(len(y)))
    assert np.isnan(alone.value) and alone.n_undefined == 1 and np.isnan(alone.per_group[0.0])


def test_shifting_a_groups_predictions_moves_its_bias_and_its_distance() -> None:
    y, p, group = _data(2)
    p = y.copy()
    shifted = np.where(group == 1, p + 7.0, p)
    for metric in (prediction_ks, prediction_wasserstein):
        assert metric(y, shifted, sensitive_features=group).value > metric(y, p, sensitive_features=group).value
    assert bias(y, shifted, sensitive_features=group).per_group[1] == pytest.approx(7.0)
    assert conditional_residual_gap(y, shifted, sensitive_features=group).value == pytest.approx(7.0)
    assert conditional_residual_gap(y, p, sensitive_features=group).value == 0.0


def test_over_and_underestimation_that_cancel_are_seen_within_bins() -> None:
    y = np.tile([10.0, 20.0], 50)
    group = np.repeat([0, 1], 50)
    p = y + np.where(group == 1, np.where(y > 15, -4.0, 4.0), 0.0)
    assert bias(y, p, sensitive_features=group).gap == 0.0
    assert conditional_residual_gap(y, p, sensitive_features=group, bins=[15]).value == pytest.approx(4.0)


def test_a_bin_without_a_group_is_left_out_and_counted() -> None:
    measured = conditional_residual_gap([1, 1, 9], [1, 3, 9], sensitive_features=["a", "b", "a"], bins=[5])
    assert measured.value == 2.0 and measured.n_undefined == 1
    assert np.isnan(conditional_residual_gap([1, 2], [1, 2], sensitive_features=["a", "a"]).value)


def test_bins_of_tied_outcomes() -> None:
    assert outcome_bins(np.full(5, 3.0), 4)[1] == ["all"]
    which, names = outcome_bins(np.array([1.0, 1.0, 1.0, 2.0, 3.0]), 4)
    assert names == ["<=1", "(1,2]", ">2"] and which.tolist() == [0, 0, 0, 1, 2]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=25))
def test_weighted_forms_equal_repeated_rows(rows: list[tuple[int, int, int]]) -> None:
    y, p, w = (np.array(c, dtype=float) for c in zip(*rows, strict=True))
    drawn = np.repeat(np.arange(len(rows)), w.astype(int))
    value = _weighted_spearman(y, p, w[:, None])[0]
    family = Errors(y, p)
    sums = family.values(w @ family.features)
    if not drawn.size:
        assert np.isnan(value) and all(np.isnan(v) for v in sums.values())
        return
    if len(set(y[drawn])) < 2 or len(set(p[drawn])) < 2:
        assert np.isnan(value)
    else:
        assert value == pytest.approx(stats.spearmanr(y[drawn], p[drawn]).statistic, abs=1e-12)
    assert sums["mae"] == pytest.approx(sk.mean_absolute_error(y[drawn], p[drawn]))
    assert sums["rmse"] == pytest.approx(sk.root_mean_squared_error(y[drawn], p[drawn]))
    if len(set(y[drawn])) < 2:
        assert np.isnan(sums["r2"])
    else:
        assert sums["r2"] == pytest.approx(sk.r2_score(y[drawn], p[drawn]), abs=1e-9)


def test_constant_outcomes_and_far_outcomes() -> None:
    assert np.isnan(r2([0.1] * 3, [0.1, 0.2, 0.3]).value) and np.isnan(r2([1e6 + 0.1] * 7, np.arange(7)).value)
    assert np.isnan(spearman([1, 1], [1, 2]).value) and spearman([1, 1], [1, 2]).n_undefined == 1
    y, p, _ = _data(3)
    assert r2(y + 1e7, p + 1e7).value == pytest.approx(sk.r2_score(y, p), abs=1e-9)


def test_missing_groups_count_only_overall() -> None:
    measured = mae([1, 2, 3], [1, 2, 9], sensitive_features=["a", "b", None])
    assert measured.value == 2.0 and measured.n_missing == 1 and measured.per_group == {"a": 0.0, "b": 0.0}


@pytest.mark.parametrize(
    ("y", "p", "group", "text"),
    [
        ([1, 2], [1], None, "y_pred has 1 values for 2"),
        ([1, float("nan")], [1, 2], None, "Position 1 of y_true is nan"),
        ([1, 2], [1, float("inf")], None, "Position 1 of y_pred is inf"),
        ([[1, 2]], [1, 2], None, "shape"),
        (["x", "y"], [1, 2], None, "not numbers"),
        ([1, 2], [1, 2], ["a"], "sensitive_features has 1 values"),
        ([], [], None, "empty"),
    ],
)
def test_bad_input_is_said(y, p, group, text: str) -> None:
    with pytest.raises(PredictionsError, match=text):
        mae(y, p, sensitive_features=group)


@pytest.mark.parametrize("bins", [0, [3, 2], [float("nan")]])
def test_bad_bins_are_said(bins) -> None:
    with pytest.raises(PredictionsError):
        conditional_residual_gap([1, 2], [1, 2], sensitive_features=["a", "b"], bins=bins)


def test_records() -> None:
    y, p, group = _data(4)
    for info in METRICS:
        measured = info.function(y, p, sensitive_features=group)
        assert info.low <= measured.value <= info.high
        perfect = info.function(y, y, sensitive_features=np.tile([0, 1], 100)) if info.kind == "performance" else None
        assert perfect is None or perfect.value == pytest.approx(info.optimum)
    assert {i.name: i.higher_is_better for i in METRICS} == {
        "mae": False,
        "rmse": False,
        "bias": None,
        "r2": True,
        "spearman": True,
        "prediction_ks": False,
        "prediction_wasserstein": False,
        "conditional_residual_gap": False,
    }


def test_no_rows_at_all_are_undefined() -> None:
    none = np.zeros(0)
    assert np.isnan(_weighted_spearman(none, none, np.zeros((0, 2)))).all()
