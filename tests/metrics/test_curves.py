"""Points of curves: equal to scikit-learn's, few, and with intervals."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score, roc_curve

from everygroup.metrics import curves
from everygroup.metrics.curves import (
    Curve,
    design_effect,
    macro_points,
    precision_recall_points,
    reliability_points,
    risk_coverage_points,
    roc_points,
    thin,
)
from everygroup.metrics.scores import aurc

ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40).filter(
    lambda rows: len({r[0] for r in rows}) == 2
)


def test_the_examples_in_the_documentation_run() -> None:
    result = doctest.testmod(curves)
    assert result.attempted >= 9 and result.failed == 0


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_roc_and_precision_recall_equal_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    y, s = (np.array(c) for c in zip(*rows, strict=True))
    fpr, tpr, _ = roc_curve(y, s, drop_intermediate=False)
    roc = roc_points(y, s)
    np.testing.assert_allclose(roc.x, fpr)
    np.testing.assert_allclose(roc.y, tpr)
    precision, recall, _ = precision_recall_curve(y, s)
    pr = precision_recall_points(y, s)
    np.testing.assert_allclose(pr.y[1:], precision[:-1][::-1])
    np.testing.assert_allclose(pr.x[1:], recall[:-1][::-1])
    assert pr.x[0] == 0 and pr.y[0] == pr.y[1]
    for curve in (roc, pr):
        assert (curve.low <= curve.y + 1e-9).all() and (curve.y <= curve.high + 1e-9).all()


def test_thin_curves_keep_area_and_ends() -> None:
    rng = np.random.default_rng(0)
    y = rng.random(20_000) < 0.3
    s = rng.normal(size=20_000) + y
    curve = roc_points(y, s)
    assert curve.x.size <= 200 and (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert auc(curve.x, curve.y) == pytest.approx(roc_auc_score(y, s), abs=2e-3)
    risk = risk_coverage_points(y, s)
    assert risk.x.size <= 200 and risk.x[-1] == 1 and risk.y[-1] == pytest.approx(y.mean())
    assert precision_recall_points(y, s, limit=50).x.size <= 50
    assert thin(curve, 2).x.tolist() == [0.0, 1.0]


def test_calibration_equals_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    p = rng.random(600)
    y = rng.random(600) < p
    ours = reliability_points(p, y)
    observed, stated = calibration_curve(y, p, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(ours.y, observed, atol=1e-9)
    np.testing.assert_allclose(ours.x, stated, atol=1e-9)
    assert ours.n.sum() == 600
    wide = reliability_points(p, y, adaptive=False)
    observed, stated = calibration_curve(y, p, n_bins=10)
    np.testing.assert_allclose(wide.y, observed, atol=1e-9)


def test_calibration_intervals_cover_under_clusters() -> None:
    rng = np.random.default_rng(2)
    covered, naive, n = 0, 0, 0
    for _ in range(150):
        patient = np.repeat(np.arange(60), 5)
        p = np.full(300, 0.4)
        # all samples of a patient share the outcome
        y = (rng.random(60) < 0.4)[patient]
        curve = reliability_points(p, y, cluster=patient)
        plain = reliability_points(p, y)
        covered += int(curve.low[0] <= 0.4 <= curve.high[0])
        naive += int(plain.low[0] <= 0.4 <= plain.high[0])
        n += 1
    assert covered / n > 0.9 > 0.8 > naive / n


def test_risk_coverage_has_the_area_measured_elsewhere() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 3, 150), rng.dirichlet(np.ones(3), 150)
    curve = risk_coverage_points(p.argmax(axis=1) != y, p.max(axis=1))
    assert curve.y.mean() == pytest.approx(aurc(y, p).value)


def test_design_effect() -> None:
    patient = np.repeat(np.arange(50), 4)
    same = np.repeat(np.random.default_rng(0).random(50), 4)
    assert design_effect(same, patient) == pytest.approx(4.0)
    assert design_effect(same, None) == 1.0 and design_effect([1.0], [0]) == 1.0
    assert design_effect(np.ones(200), patient) == 4.0  # a constant says nothing: patients count once
    assert 1.0 <= design_effect(np.random.default_rng(1).random(200), patient) < 1.6


def test_curves_that_do_not_exist_are_empty() -> None:
    assert roc_points([1, 1], [0.1, 0.2]).x.size == 0
    assert precision_recall_points([0, 0], [0.1, 0.2]).x.size == 0
    assert risk_coverage_points([], []).x.size == 0
    assert reliability_points([], []).x.size == 0
    assert [curve.x.size for curve in macro_points([1, 1], [[0.9, 0.1], [0.2, 0.8]], points=5)] == [0, 5]


def test_macro_takes_what_a_threshold_reaches() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 3, 3000), rng.dirichlet(np.ones(3), 3000)
    p = 0.5 * p + 0.5 * rng.dirichlet(np.ones(3), 3000) * 0.5 + 0.25 * np.eye(3)[y]
    p /= p.sum(axis=1, keepdims=True)
    macro, _ = macro_points(y, p)
    assert auc(macro.x, macro.y) == pytest.approx(roc_auc_score(y, p, multi_class="ovr"), abs=0.01)
    assert macro.x.size == 101 and np.isnan(macro.low).all() and (np.diff(macro.y) >= 0).all()


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_macro_is_the_mean_of_the_whole_curves(digits: int) -> None:
    rng = np.random.default_rng(digits)
    y, p = rng.choice(4, 500, p=[0.5, 0.3, 0.198, 0.002]), rng.random((500, 20)).round(digits)
    rows = np.flatnonzero(rng.random(500) < 0.7)
    grid = np.linspace(0.0, 1.0, 101)

    def best(curve: Curve) -> np.ndarray:
        levels = np.unique(curve.x)
        return np.interp(grid, levels, [curve.y[curve.x == x].max() for x in levels])

    for points, mean in zip((roc_points, precision_recall_points), macro_points(y, p, rows=rows), strict=True):
        curves = [points(y[rows] == k, p[rows, k], limit=10**6) for k in range(20)]
        expected = np.mean([best(c) for c in curves if c.x.size], axis=0)
        np.testing.assert_allclose(mean.y, expected, atol=1e-12)
        assert (mean.n == rows.size).all()
