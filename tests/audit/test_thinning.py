"""Large samples: the spread of a part, scaled, is that of all rows."""

import numpy as np
import pytest

from everygroup.audit import audit_arrays, measurement, thinning
from everygroup.audit.engine import Plan, Values
from everygroup.audit.measurement import measure
from everygroup.audit.partition import Partition
from everygroup.audit.shuffles import shuffled_values
from everygroup.metrics.linear_ranks import LinearRanks
from everygroup.metrics.scores import Ranks, losses
from everygroup.statistics import limit, permutation_p


@pytest.mark.parametrize("per_cluster", [1, 2])
def test_thinned_replicates_have_the_spread_of_all_rows(per_cluster: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    n = 6000
    cluster = np.arange(n) // per_cluster
    group = (rng.random(n // per_cluster) < 0.2).astype(np.int64)[cluster]
    y = rng.integers(0, 2, n)
    p = np.clip(0.5 + 0.25 * (y - 0.5) + 0.2 * rng.normal(size=n), 0.01, 0.99)
    score = np.stack([1 - p, p], axis=1)
    families = [Ranks(y, score, ["0", "1"], metrics=["auc"]), losses(y, score, ["brier"])]
    part = Partition.of("site", ["a", "b"], group, cluster, min_n=10)
    plan = Plan(n_boot=400)
    full = measure(families, part, cluster, plan, y)
    most = 1500 // per_cluster
    monkeypatch.setattr(measurement, "is_large", lambda *a: thinning.is_large(*a, most=most))
    monkeypatch.setattr(measurement, "Thinned", lambda *a: thinning.Thinned(*a, most=most))
    part_only = measure(families, part, cluster, plan, y)
    for m in ("auc", "brier"):
        assert part_only.point.performance[m] == pytest.approx(full.point.performance[m])
        ours, all_rows = part_only.replicates.performance[m], full.replicates.performance[m]
        assert ours.std(axis=0) == pytest.approx(all_rows.std(axis=0), rel=0.2)
        assert np.abs(ours.mean(axis=0) - all_rows.mean(axis=0)).max() < 0.5 * all_rows.std(axis=0).min()
        assert np.mean(part_only.null_gaps[m]) == pytest.approx(np.mean(full.null_gaps[m]), rel=0.2)
        low, high = part_only.limits[m]
        assert (high - low) == pytest.approx(full.limits[m][1] - full.limits[m][0], rel=0.25)
    assert thinning.is_large(part, cluster, plan, most=most) and not thinning.is_large(part, cluster, plan)


def test_too_many_sums_for_a_covariance_are_shuffled_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    n, k, n_groups = 900, 4, 6
    y, group = rng.integers(0, k, n), rng.integers(0, n_groups, n)
    score = rng.dirichlet(np.ones(k), n)
    score[np.arange(n), y] += 0.3
    score /= score.sum(axis=1, keepdims=True)
    families = [LinearRanks(Ranks(y, score, list("abcd"), metrics=["auc"])), losses(y, score, ["brier"])]
    part = Partition.of("site", list("abcdef"), group, np.arange(n), min_n=10)

    def nulls(limit: bool) -> Values:
        return shuffled_values(families, part, np.arange(n), Plan(n_boot=400), y, limit=limit)

    one_by_one, drawn = nulls(False), nulls(True)
    assert set(drawn.limited) == {"auc", "brier"}
    monkeypatch.setattr(limit, "MOST_SUMS", 4)
    too_many = nulls(True)
    assert not too_many.limited
    for m in ("auc", "brier"):
        np.testing.assert_array_equal(too_many.performance[m], one_by_one.performance[m])
        gap = np.ptp(one_by_one.performance[m], axis=1)
        assert permutation_p(np.median(gap), np.ptp(too_many.performance[m], axis=1)) == pytest.approx(0.5, abs=0.02)
        assert permutation_p(np.median(gap), np.ptp(drawn.performance[m], axis=1)) == pytest.approx(0.5, abs=0.1)


def test_an_audit_of_many_rows_and_classes_says_that_shuffles_are_drawn_from_their_limit() -> None:
    rng = np.random.default_rng(0)
    n, k = 30_000, 60
    y = rng.integers(0, k, n)
    pred = np.where(rng.random(n) < 0.5, y, rng.integers(0, k, n))
    group = rng.integers(0, 2, n)
    found = audit_arrays(y, y_pred=pred, sensitive_features={"site": group}, n_boot=200)
    told = [flag for flag in found.flags if "too many to shuffle one by one" in flag.text]
    assert [flag.severity for flag in told] == ["note"] and "30,000" in told[0].text
    gaps = found.table[found.table["group"] == "gap"].set_index("metric")
    assert (gaps.loc[["balanced_accuracy", "macro_f1", "accuracy"], "p"] > 0.01).all()
    few = audit_arrays(y[:5000], y_pred=pred[:5000], sensitive_features={"site": group[:5000]}, n_boot=50)
    assert not any("one by one" in flag.text for flag in few.flags)
