"""Anomaly scores by group against scikit-learn and scipy."""

import doctest

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from everygroup.errors import PredictionsError
from everygroup.metrics import anomaly, auc
from everygroup.metrics.anomaly import (
    METRICS,
    auprc_lift,
    fpr_at_tpr,
    normal_score_ks,
    normal_score_wasserstein,
    normals_tpr,
    sub_auroc,
    threshold_at_tpr,
    threshold_of_normals,
    tpr_at_tpr,
)


def _data(seed: int = 0, n: int = 300, shift: float = 0.0, decimals: int = 1) -> tuple:
    rng = np.random.default_rng(seed)
    y, group = (rng.random(n) < 0.3).astype(int), rng.integers(0, 3, n)
    return y, (rng.normal(2.0 * y, 1, n) + shift * (group == 1)).round(decimals) * 10, group


def test_doctests() -> None:
    result = doctest.testmod(anomaly)
    assert result.attempted >= 10 and result.failed == 0


def test_lift_is_average_precision_over_prevalence() -> None:
    y, score, group = _data()
    measured = auprc_lift(y, score, sensitive_features=group)
    assert measured.value == pytest.approx(average_precision_score(y, score) / y.mean(), abs=1e-12)
    for g in range(3):
        inside = group == g
        expected = average_precision_score(y[inside], score[inside]) / y[inside].mean()
        assert measured.per_group[g] == pytest.approx(expected, abs=1e-12)
    assert auprc_lift(y, np.zeros(300)).value == pytest.approx(1.0)


@pytest.mark.parametrize("tpr", [0.5, 0.95, 1.0])
def test_the_threshold_is_the_highest_that_reaches_the_rate(tpr: float) -> None:
    y, score, group = _data(1)
    fpr, rate, thresholds = roc_curve(y, score, drop_intermediate=False)
    first = int((rate >= tpr - 1e-12).argmax())
    assert threshold_at_tpr(y, score, tpr=tpr) == thresholds[first]
    measured = fpr_at_tpr(y, score, sensitive_features=group, tpr=tpr)
    assert measured.value == pytest.approx(fpr[first], abs=1e-12)
    inside = (group == 2) & (y == 0)
    assert measured.per_group[2] == pytest.approx((score[inside] >= thresholds[first]).mean())
    assert tpr_at_tpr(y, score, sensitive_features=group, tpr=tpr).value >= tpr


def test_the_threshold_of_validation_normals() -> None:
    y, score, group = _data(2)
    rng = np.random.default_rng(9)
    normals = rng.normal(0, 10, 500)
    threshold = threshold_of_normals(normals)
    assert (normals >= threshold).mean() <= 0.05 < (normals >= np.quantile(normals, 0.94)).mean()
    assert (np.zeros(10) >= threshold_of_normals(np.zeros(10))).sum() == 0
    measured = normals_tpr(y, score, normals=normals, sensitive_features=group)
    inside = (group == 0) & (y == 1)
    assert measured.per_group[0] == pytest.approx((score[inside] > np.quantile(normals, 0.95)).mean())


def test_a_shift_of_one_groups_scores_is_seen_by_all_but_the_auroc_within_groups() -> None:
    y, score, group = _data(3, n=3000, decimals=6)
    shifted = score + 15.0 * (group == 1)
    assert (
        auc(y, shifted, sensitive_features=group).per_group[1] == auc(y, score, sensitive_features=group).per_group[1]
    )
    for metric in (normal_score_ks, normal_score_wasserstein):
        assert metric(y, shifted, sensitive_features=group).value > 3 * metric(y, score, sensitive_features=group).value
    assert fpr_at_tpr(y, shifted, sensitive_features=group).gap > 3 * fpr_at_tpr(y, score, sensitive_features=group).gap
    assert sub_auroc(y, shifted, sensitive_features=group).gap > 2 * sub_auroc(y, score, sensitive_features=group).gap


def test_sub_auroc_is_an_auc_with_common_normals_or_anomalies() -> None:
    y, score, group = _data(4)
    normals = sub_auroc(y, score, sensitive_features=group)
    anomalous = sub_auroc(1 - y, -score, sensitive_features=group)
    assert normals.value == pytest.approx(roc_auc_score(y, score), abs=1e-12)
    assert anomalous.value == pytest.approx(roc_auc_score(y, score), abs=1e-12)
    for g in range(3):
        kept = (y == 0) | (group == g)
        assert normals.per_group[g] == pytest.approx(roc_auc_score(y[kept], score[kept]), abs=1e-12)
        kept = (y == 1) | (group == g)
        assert anomalous.per_group[g] == pytest.approx(roc_auc_score(y[kept], score[kept]), abs=1e-12)
    weights = [(y[group == g] == 1).sum() for g in range(3)]
    mean = np.average([normals.per_group[g] for g in range(3)], weights=weights)
    assert mean == pytest.approx(normals.value, abs=1e-12)


def test_distances_of_normals_equal_scipy() -> None:
    y, score, group = _data(5)
    parts = [score[(group == g) & (y == 0)] for g in range(3)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    assert normal_score_ks(y, score, sensitive_features=group).value == pytest.approx(
        max(stats.ks_2samp(parts[a], parts[b]).statistic for a, b in pairs), abs=1e-12
    )
    assert normal_score_wasserstein(y, score, sensitive_features=group).value == pytest.approx(
        max(stats.wasserstein_distance(parts[a], parts[b]) for a, b in pairs), abs=1e-12
    )


def test_groups_without_anomalies_or_normals_are_undefined() -> None:
    y, score, group = [0, 1, 0, 0, 1], [1, 2, 3, 4, 5], ["a", "a", "b", "b", "c"]
    assert np.isnan(auprc_lift(y, score, sensitive_features=group).per_group["b"])
    assert np.isnan(sub_auroc(y, score, sensitive_features=group).per_group["b"])
    assert np.isnan(fpr_at_tpr(y, score, sensitive_features=group).per_group["c"])
    distance = normal_score_ks(y, score, sensitive_features=group)
    assert distance.value == 1.0 and list(distance.per_group) == ["a", "b"]
    assert np.isnan(sub_auroc([1, 1], [1, 2]).value)
    missing = normal_score_ks(y, score, sensitive_features=["a", "a", "b", None, "b"])
    assert missing.n_missing == 1 and missing.value == 1.0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: auprc_lift([0, 2], [1, 2]), "Position 1 of y_true is 2"),
        (lambda: auprc_lift([0, 1], [1, float("nan")]), "Position 1 of y_score is nan"),
        (lambda: auprc_lift([0, 1], [1]), "1 values for 2"),
        (lambda: threshold_at_tpr([0, 0], [1, 2]), "no anomaly"),
        (lambda: threshold_at_tpr([0, 1], [1, 2], tpr=0), "rate wanted"),
        (lambda: threshold_of_normals([]), "empty"),
        (lambda: threshold_of_normals([1, 2], quantile=1), "quantile"),
        (lambda: normal_score_ks([1, 1], [1, 2], sensitive_features=["a", "b"]), "no normal"),
    ],
)
def test_bad_input_is_said(call, text: str) -> None:
    with pytest.raises(PredictionsError, match=text):
        call()


def test_records() -> None:
    y, score, group = _data(6)
    for info in METRICS:
        more = {"normals": score[y == 0]} if info.name.startswith("normals_") else {}
        measured = info.function(y, score, sensitive_features=group, **more)
        assert info.low <= measured.value <= info.high
        assert info.higher_is_better == (info.name in ("auprc_lift", "tpr_at_tpr", "normals_tpr", "sub_auroc"))
        if info.kind == "performance" and np.isfinite(info.optimum):
            more = {"normals": np.zeros(9)} if more else {}
            assert info.function(y, y, sensitive_features=group, **more).value == info.optimum
