"""Entropy, selective prediction, and conformal sets by group."""

import doctest
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics import metric_info
from everygroup.metrics.conformal import conformal_coverage, conformal_quantile, split_conformal
from everygroup.metrics.scores import accuracy_at_coverage, aurc, entropy_error_auc
from everygroup.metrics.selective import Selective
from everygroup.metrics.uncertainty import mean_entropy, predictive_entropy, selective_risk


def sample(n: int = 400, k: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(k), n)
    y = (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    return y, p, rng.choice(["a", "b"], n, p=[0.8, 0.2])


@pytest.mark.parametrize("name", ["uncertainty", "conformal"])
def test_the_examples_in_the_documentation_run(name: str) -> None:
    result = doctest.testmod(import_module(f"everygroup.metrics.{name}"))
    assert result.attempted > 0 and result.failed == 0


def test_entropy_equals_scipy() -> None:
    _, p, _ = sample()
    np.testing.assert_allclose(predictive_entropy(p), stats.entropy(p, axis=1), rtol=1e-12)
    np.testing.assert_allclose(predictive_entropy([0.5, 0.0, 1.0]), [np.log(2), 0, 0])
    assert predictive_entropy([[1 / 3] * 3], normalised=True)[0] == pytest.approx(1.0)


def test_selective_risk_averages_over_the_orders_of_ties() -> None:
    rng = np.random.default_rng(0)
    wrong, sure = rng.integers(0, 2, 12), rng.integers(0, 3, 12) / 2
    slow = np.zeros(12)
    for _ in range(4000):
        order = np.lexsort((rng.random(12), -sure))
        slow += np.cumsum(wrong[order]) / np.arange(1, 13)
    np.testing.assert_allclose(selective_risk(wrong, sure), slow / 4000, atol=0.02)
    assert selective_risk(wrong, sure)[-1] == pytest.approx(wrong.mean())
    assert selective_risk([], []).size == 0


def test_area_and_accuracy_at_coverage() -> None:
    y, p, group = sample()
    wrong, sure = p.argmax(axis=1) != y, p.max(axis=1)
    order = np.argsort(-sure)
    measured = aurc(y, p, sensitive_features=group)
    assert measured.value == pytest.approx((np.cumsum(wrong[order]) / np.arange(1, 401)).mean())
    at = accuracy_at_coverage(y, p, sensitive_features=group)
    assert at.value == pytest.approx(1 - wrong[order[:320]].mean())
    inside = np.flatnonzero(group == "b")
    own = inside[np.argsort(-sure[inside])][: int(np.ceil(0.8 * inside.size))]
    assert at.per_group["b"] == pytest.approx(1 - wrong[own].mean())
    assert accuracy_at_coverage(y, p, coverage=1.0).value == pytest.approx(1 - wrong.mean())
    for share in (0.0, 1.1):
        with pytest.raises(SettingsError, match="coverage"):
            accuracy_at_coverage(y, p, coverage=share)


def test_entropy_tells_errors_as_scikit_learn_measures() -> None:
    y, p, group = sample()
    measured = entropy_error_auc(y, p, sensitive_features=group)
    wrong = p.argmax(axis=1) != y
    for g in "ab":
        inside = group == g
        expected = roc_auc_score(wrong[inside], stats.entropy(p[inside], axis=1))
        assert measured.per_group[g] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(entropy_error_auc([0, 1], [0.1, 0.9]).value)
    assert mean_entropy(y, p).value == pytest.approx(stats.entropy(p, axis=1).mean())


def test_every_metric_says_what_it_is() -> None:
    y, p, group = sample()
    for info in map(metric_info, ("mean_entropy", "aurc", "accuracy_at_80", "entropy_error_auc")):
        measured = info.function(y, p, sensitive_features=group)
        assert info.low <= measured.value <= info.high
        assert set(measured.per_group) == {"a", "b"}
        empty = info.function(y[:0], p[:0])
        assert np.isnan(empty.value) and empty.n_undefined == 1


# ---- conformal -----------------------------------------------------------------------------------------------------


def unequal(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A group 'b' on which the model is overconfident, so that one threshold covers it too little."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b"], n, p=[0.8, 0.2])
    logit = rng.normal(size=(n, 3)) * 2
    truth = np.where((group == "b")[:, None], logit * 0.3, logit)
    p, q = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in (logit, truth))
    return (rng.random(n)[:, None] > q.cumsum(axis=1)).sum(axis=1), p, group


def test_group_wise_sets_cover_every_group_and_common_ones_may_not() -> None:
    alpha, coverage = 0.1, {"marginal": [], "mondrian": []}
    for seed in range(20):
        y, p, group = unequal(2000, seed)
        first, second = slice(0, 1000), slice(1000, 2000)
        common = split_conformal(y[first], p[first], alpha=alpha)
        own = split_conformal(y[first], p[first], sensitive_features=group[first], alpha=alpha)
        assert own.mondrian and not common.mondrian
        for name, conformal in (("marginal", common), ("mondrian", own)):
            table = conformal_coverage(conformal, y[second], p[second], sensitive_features=group[second])
            coverage[name].append(table.set_index("group")["coverage"])
            row = table.set_index("group").loc["b"]
            n, m = row["n"], row["n_calibration"]
            if name == "mondrian":
                # 3 standard errors: of the rows judged, and of the calibration rows the threshold rests on
                assert row["coverage"] >= 1 - alpha - 3 * np.sqrt(alpha * (1 - alpha) * (1 / n + 1 / m))
    mean = {name: sum(values) / len(values) for name, values in coverage.items()}
    se = 3 * np.sqrt(alpha * (1 - alpha) / (20 * 200))
    assert mean["mondrian"]["b"] >= 1 - alpha - se and mean["mondrian"]["a"] >= 1 - alpha - se
    assert mean["marginal"]["overall"] >= 1 - alpha - se
    assert mean["marginal"]["b"] < 1 - alpha - 0.05  # what one threshold hides


def test_quantile_is_the_order_statistic_of_the_guarantee() -> None:
    values = np.arange(1, 20) / 20
    assert conformal_quantile(values, 0.1) == 18 / 20
    assert conformal_quantile(values, 0.05) == 19 / 20
    assert conformal_quantile(values, 0.04) == np.inf
    assert conformal_quantile([], 0.1) == np.inf


def test_unseen_and_missing_groups_get_every_class_or_their_own_threshold() -> None:
    y, p, group = sample(300, 3)
    group = group.astype(object)
    group[:40] = None
    own = split_conformal(y, p, sensitive_features=group)
    assert set(own.quantile) == {"a", "b", "missing"} and own.n["missing"] == 40
    assert own.sets(p[:1], ["never seen"]).all()
    table = conformal_coverage(own, y, p, sensitive_features=group)
    assert table["group"].tolist() == ["overall", "a", "b", "missing"]
    assert (table["low"] <= table["coverage"]).all() and (table["coverage"] <= table["high"]).all()
    assert table["set_size"].between(0, 3).all() and table["n_calibration"].iloc[0] == 300
    one = conformal_coverage(split_conformal(y, p), y, p, sensitive_features=["a"] * 300)
    assert one["n_calibration"].tolist() == [300, 300]


def test_mistakes_are_named() -> None:
    y, p, group = sample(20)
    with pytest.raises(SettingsError, match="alpha"):
        split_conformal(y, p, alpha=1.0)
    with pytest.raises(PredictionsError, match="1 values"):
        split_conformal(y, p, sensitive_features=["a"])
    with pytest.raises(SettingsError, match="by group"):
        split_conformal(y, p, sensitive_features=group).sets(p)


# ---- under replicate weights ---------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30))
def test_weighted_selective_risk_equals_that_of_the_drawn_rows(rows: list[tuple[bool, int, int]]) -> None:
    wrong, sure, weight = (np.array(c) for c in zip(*rows, strict=True))
    order = Selective.of(wrong, sure)
    w = weight.astype(np.float32)[:, None]
    drawn = np.repeat(np.arange(len(rows)), weight)
    if not drawn.size:
        assert np.isnan(order.evaluate(w)[0][0]) and np.isnan(order.evaluate(w)[1][0])
        return
    risk = selective_risk(wrong[drawn], sure[drawn])
    assert order.evaluate(w)[0][0] == pytest.approx(risk.mean(), abs=1e-9)
    for share in (0.3, 0.8, 1.0):
        kept = int(np.ceil(share * drawn.size - 1e-9))
        assert order.evaluate(w, share)[1][0] == pytest.approx(1 - risk[kept - 1], abs=1e-9)


def test_selective_risk_without_rows_is_undefined() -> None:
    empty = Selective.of([], [], [], 3)
    ones = np.ones((3, 2), dtype=np.float32)
    assert np.isnan(empty.evaluate(ones)).all()
