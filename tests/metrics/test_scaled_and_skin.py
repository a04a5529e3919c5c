"""Equity-scaled forms; PQD, DPM, EOM, NAR."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everygroup import metrics as eg
from everygroup.metrics import metric_info

Y = [0, 0, 1, 1, 2, 2] * 2
ANSWERS = [0, 0, 1, 2, 2, 2, 0, 1, 1, 1, 2, 0]
GROUP = [0] * 6 + [1] * 6


def test_published_and_worked_values() -> None:
    assert eg.equity_scaled(0.6902, [0.7242, 0.7078, 0.6741]) == pytest.approx(0.646436, abs=1e-6)
    assert eg.equity_scaled(0.5, [0.4, 0.6], alpha=2) == pytest.approx(0.5 / 1.4)
    assert eg.equity_scaled_sd(0.8, [0.7, 0.9]) == pytest.approx(0.8 / (1 + np.sqrt(0.02)))
    assert eg.equity_scaled_group_mean([0.7, 0.9]) == pytest.approx(0.8 / 1.1)
    assert eg.performance_scaled_sd(0.8, [0.7, 0.9]) == pytest.approx(np.sqrt(0.02) / 0.8)
    assert eg.performance_scaled_range(0.8, [0.7, 0.9]) == pytest.approx(0.25)
    assert np.isnan(eg.performance_scaled_range(0.0, [0.0, 0.0]))
    for name, value in (
        ("pqd", 0.8), ("dpm", 5 / 9), ("eom", 0.5), ("nar", 2 / 9), ("ovr_accuracy_gap", 1 / 9),
    ):  # fmt: skip
        measured = getattr(eg, name)(Y, ANSWERS, sensitive_features=GROUP)
        assert measured.value == pytest.approx(value, abs=1e-12), name
        assert measured.n == 12 and measured.n_per_group == {0: 6, 1: 6}


@settings(deadline=None)
@given(st.lists(st.floats(0.1, 1), min_size=2, max_size=5), st.integers(0, 4), st.floats(0.01, 0.5))
def test_equal_groups_keep_the_value_and_distance_lowers_it(values: list[float], at: int, step: float) -> None:
    overall = float(np.mean(values))
    for form in (eg.equity_scaled, eg.equity_scaled_sd):
        assert form(overall, [overall] * 3) == pytest.approx(overall)
        away = np.array(values)
        away[at % len(values)] += step if away[at % len(values)] >= overall else -step
        assert form(overall, away) < form(overall, values) + 1e-12
    assert eg.equity_scaled_group_mean([overall] * 3) == pytest.approx(overall)


def test_scaled_metrics_join_the_overall_value_with_the_groups() -> None:
    rng = np.random.default_rng(0)
    y, group, score = rng.integers(0, 2, 200), rng.integers(0, 3, 200), rng.random(200)
    whole = eg.auc(y, score, sensitive_features=group)
    es = metric_info("es_auc").function(y, score, sensitive_features=group)
    values = list(whole.per_group.values())
    assert es.value == pytest.approx(whole.value / (1 + sum(abs(v - whole.value) for v in values)), abs=1e-12)
    assert es.per_group == whole.per_group
    assert metric_info("auc_scaled_sd").function(y, score, sensitive_features=group).value == pytest.approx(
        np.std(values, ddof=1) / whole.value
    )
    assert metric_info("es_accuracy_group_mean").function(Y, ANSWERS, sensitive_features=GROUP).value == pytest.approx(
        0.75 / (1 + 1 / 12)
    )
    assert np.isnan(metric_info("es_auc").function(y, score, sensitive_features=group * 0).value)
    undefined = eg.scaled_of(eg.auc, eg.equity_scaled)(y, score, sensitive_features=np.where(y == 1, "a", "b"))
    assert np.isnan(undefined.value)


def test_classes_without_a_ratio_are_left_out_and_counted() -> None:
    y, answer, group = [0, 1, 2, 0, 1, 1], [0, 1, 1, 0, 1, 0], ["a", "a", "a", "b", "b", "b"]
    eom = eg.eom(y, answer, sensitive_features=group)
    assert eom.value == pytest.approx((1 + 0.5) / 2) and eom.n_undefined == 1
    dpm = eg.dpm(y, answer, sensitive_features=group)
    assert dpm.value == pytest.approx(0.5) and dpm.n_undefined == 1
    nowhere = eg.eom([0, 1], [0, 1], sensitive_features=["a", "b"])
    assert np.isnan(nowhere.value) and nowhere.n_undefined == 2
    assert np.isnan(eg.pqd([0, 1], [1, 0], sensitive_features=["a", "b"]).value)
