"""Subgroups of several attributes."""

import numpy as np
import pandas as pd
import pytest

from everygroup.audit import audit_arrays
from everygroup.errors import SettingsError
from everygroup.metrics import metric_info


def crossed(n: int = 400, *, unfair: bool = True, seed: int = 0):
    """Answers that are as often right for both sexes and both ages, but not for their conjunctions."""
    rng = np.random.default_rng(seed)
    sex, old = np.arange(n) % 2, (np.arange(n) // 2) % 2
    y = rng.integers(0, 2, n)
    right = rng.random(n) < (np.where(sex == old, 0.95, 0.55) if unfair else 0.75)
    features = {"sex": np.where(sex, "f", "m"), "age": np.where(old, "old", "young")}
    return y, np.where(right, y, 1 - y), features


def audited(**options) -> pd.DataFrame:
    y, pred, features = crossed(**options)
    return audit_arrays(y, y_pred=pred, sensitive_features=features, n_boot=300, intersections=2)


def test_fair_on_sex_and_on_age_but_not_on_both() -> None:
    # exact parity of selection by sex and by age: 5 of 10 each, and none in their conjunctions
    cell = [("f", "old", 5, 5), ("f", "young", 0, 5), ("m", "old", 0, 5), ("m", "young", 5, 5)]
    sex, age, pred = [], [], []
    for s, a, ones, n in cell * 4:
        sex += [s] * n
        age += [a] * n
        pred += [1] * ones + [0] * (n - ones)
    y = np.arange(80) % 2
    result = audit_arrays(
        y,
        y_pred=pred,
        sensitive_features={"sex": sex, "age": age},
        n_boot=300,
        intersections=2,
        metrics=["selection_rate"],
    )
    rows = result.intersections[result.intersections["metric"] == "selection_rate"]
    single, both = rows[rows["order"] == 1], rows[rows["order"] == 2]
    assert single["value"].tolist() == [0.5] * 4 and (single["violation"] == 0).all() and (single["p"] == 1).all()
    assert sorted(both["value"]) == [0, 0, 1, 1] and (both["p_adjusted"] < 0.05).all()
    assert both["violation"].tolist() == [0.125] * 4
    title = metric_info("selection_rate").title
    assert any(
        f.startswith(f"sex x age: no single attribute shows a difference in {title}") for f in map(str, result.flags)
    )
    table = result.table[result.table["metric"] == "selection_rate"]
    assert (table.loc[table["group"] == "gap", "value"] == 0).all()


def test_rows_are_those_of_the_metrics_and_smallest_come_first() -> None:
    result = audited()
    rows = result.intersections
    y, pred, features = crossed()
    assert rows["n"].is_monotonic_increasing and set(rows["order"]) == {1, 2}
    assert set(rows["attribute"]) == {"sex", "age", "sex x age"}
    inside = (features["sex"] == "f") & (features["age"] == "old")
    row = rows.set_index(["group", "metric"]).loc[("f, old", "accuracy")]
    assert row["value"] == pytest.approx((y == pred)[inside].mean()) and row["n"] == inside.sum()
    assert row["difference"] == pytest.approx((y == pred)[inside].mean() - (y == pred).mean())
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert row["violation"] == pytest.approx(abs(row["difference"]) / 4)
    recall = rows.set_index(["group", "metric"]).loc[("f, old", "sensitivity")]
    measured = metric_info("recall[1]").function(y[inside], pred[inside])
    assert recall["value"] == pytest.approx(measured.value) and recall["n_positive"] == y[inside].sum()


def test_shrinking_and_adjusting() -> None:
    rows = audited().intersections
    accuracy = rows[rows["metric"] == "accuracy"]
    assert (accuracy["shrunken"].abs() <= accuracy["difference"].abs() + 1e-12).all()
    assert (accuracy["p_adjusted"] >= accuracy["p"]).all()
    # differences that are there are kept, chance differences are drawn to 0
    clear = accuracy[accuracy["order"] == 2]
    assert (clear["shrunken"].abs() > 0.8 * clear["difference"].abs()).all()
    chance = audited(unfair=False, n=200).intersections
    chance = chance[chance["metric"] == "accuracy"]
    assert (chance["shrunken"].abs() < 0.5 * chance["difference"].abs() + 1e-9).all()


def test_p_of_subgroups_is_not_too_small_under_the_null() -> None:
    low = [
        (audited(unfair=False, n=120, seed=s).intersections.query("metric == 'accuracy'")["p_adjusted"] <= 0.05).any()
        for s in range(12)
    ]
    assert sum(low) <= 3


def test_small_and_missing_subgroups_and_three_classes() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 60)
    sex = np.array(["f"] * 30 + ["m"] * 28 + [""] * 2, dtype=object)
    age = np.array(["old"] * 5 + ["young"] * 55)
    result = audit_arrays(y, y_pred=y, sensitive_features={"sex": sex, "age": age}, n_boot=40, intersections=2)
    rows = result.intersections.set_index(["group", "metric"])
    assert (
        rows.loc[("f, old", "balanced_accuracy"), "note"] == "n too small"
        and rows.loc[("f, old", "macro_f1"), "n"] == 5
    )
    assert np.isnan(rows.loc[("f, old", "accuracy"), "p"]) and rows.loc[("f, old", "accuracy"), "shrunken"] == 0
    assert "missing" not in set(result.intersections["group"])
    assert result.intersections["n_positive"].isna().all()
    plain = audit_arrays(y, y_pred=y, sensitive_features={"sex": sex, "age": age}, n_boot=5)
    assert plain.intersections.empty


def test_too_many_subgroups_are_refused() -> None:
    rng = np.random.default_rng(0)
    columns = {name: rng.integers(0, 12, 600) for name in "abcd"}
    with pytest.raises(SettingsError, match="subgroups of up to 4 attributes"):
        audit_arrays(
            rng.integers(0, 2, 600), y_pred=np.ones(600, int), sensitive_features=columns, n_boot=5, intersections=4
        )
