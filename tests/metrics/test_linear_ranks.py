"""The expansion of areas under curves against the exact areas."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from everygroup.metrics.linear_ranks import LinearRanks, curve_of
from everygroup.metrics.scores import Ranks

METRICS = ("auc", "auprc", "auc[c1]", "auprc[c1]", "accuracy_at_80")


def _families(n_classes: int, n: int = 3000) -> tuple[Ranks, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n_classes)
    y = rng.integers(0, n_classes, n)
    score = rng.standard_normal((n, n_classes))
    score[np.arange(n), y] += 1.2
    names = [f"c{k}" for k in range(n_classes)]
    return Ranks(y, score.round(1), names, metrics=METRICS), np.arange(n), np.arange(n) // 2


def test_areas_and_placements_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    positive, score = rng.random(200) < 0.3, rng.integers(0, 9, 200).astype(float)
    curve = curve_of(score, positive)
    assert curve.auc == pytest.approx(roc_auc_score(positive, score), abs=1e-12)
    assert curve.precision == pytest.approx(average_precision_score(positive, score), abs=1e-12)
    for side in (positive, ~positive):
        assert curve.placement[side].mean() == pytest.approx(curve.auc, abs=1e-12)
    assert curve.derivative.sum() == pytest.approx(0.0, abs=1e-12)  # twice all weights is the same precision
    for row in range(0, 200, 17):
        h = 1e-6
        weight = np.ones(200)
        weight[row] += h
        moved = average_precision_score(positive, score, sample_weight=weight)
        assert (moved - curve.precision) / h == pytest.approx(curve.derivative[row], abs=1e-5)
    assert np.isnan(curve_of(score, np.zeros(200, bool)).auc)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_replicates_and_shuffles_follow_the_exact_ones(n_classes: int) -> None:
    exact, rows, unit = _families(n_classes)
    n_units, rng = rows.size // 2, np.random.default_rng(0)
    slow, fast = (f.bind(rows, unit, n_units) for f in (exact, LinearRanks(exact)))
    ones = np.ones((n_units, 1), dtype=np.float32)
    for metric in METRICS:
        assert fast(ones)[metric] == pytest.approx(slow(ones)[metric], abs=1e-12)
    drawn = rng.multinomial(n_units, np.ones(n_units) / n_units, 200).T
    for weights in (drawn.astype(np.float32), (rng.random((n_units, 200)) < 0.4).astype(np.float32)):
        expected, found = slow(weights), fast(weights)
        assert list(found) == list(METRICS)
        for metric in METRICS:
            spread = expected[metric].std()
            assert found[metric].std() == pytest.approx(spread, rel=0.03)
            assert np.corrcoef(found[metric], expected[metric])[0, 1] > 0.99
            assert abs((found[metric] - expected[metric]).mean()) < 0.25 * spread


def test_few_rows_are_ranked_exactly_and_absent_classes_are_left_out() -> None:
    exact, rows, unit = _families(5)
    few = rows[:60]
    slow, fast = (f.bind(few, unit[few], 30) for f in (exact, LinearRanks(exact)))
    weights = np.random.default_rng(0).integers(0, 3, (30, 9)).astype(np.float32)
    for metric in METRICS:
        np.testing.assert_array_equal(fast(weights)[metric], slow(weights)[metric])
    only = LinearRanks(exact).only(["auprc"])
    assert only.metrics == ("auprc",) and only.null("auc") == "label"
    other = LinearRanks(exact).only(["accuracy_at_80"]).bind(rows, unit, rows.size // 2)
    assert list(other(np.full((rows.size // 2, 2), 2, dtype=np.float32))) == ["accuracy_at_80"]
    present = rows[exact.y_true != 1]
    found = LinearRanks(exact).bind(present, np.arange(present.size), present.size)
    value = found(np.full((present.size, 2), 2, dtype=np.float32))
    assert np.isnan(value["auc[c1]"]).all() and not np.isnan(value["auc"]).any()


@pytest.mark.parametrize("metrics", [["auc"], ["auprc", "auprc[c1]"], ["auc", "auprc", "auc[c0]"]])
def test_areas_are_functions_of_sums_over_units(metrics: list[str]) -> None:
    exact, rows, unit = _families(5)
    family, n_units = LinearRanks(_named(exact, metrics)), 1500
    found = family.linear(rows, unit, n_units)
    assert found is not None and found.features.shape[0] == n_units
    weights = (np.random.default_rng(0).random((n_units, 50)) < 0.5).astype(np.float32)
    expected = family.bind(rows, unit, n_units)(weights)
    ours = found.values(np.asarray(weights.T @ found.features)[:, None])
    assert list(ours) == list(expected)
    for metric, values in expected.items():
        assert ours[metric][:, 0] == pytest.approx(values, abs=1e-5)
    assert LinearRanks(exact).linear(rows, unit, n_units) is None  # the order tells accuracy_at_80
    assert family.linear(rows[:60], unit[:60], 30) is None


def _named(exact: Ranks, metrics: list[str]) -> Ranks:
    return Ranks(exact.y_true, exact.y_score, exact.classes, metrics=metrics)
