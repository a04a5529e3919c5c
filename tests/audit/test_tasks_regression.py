"""Audit of a regression: values are those of the pure functions, and the statistics hold."""

import numpy as np
import pandas as pd
import pytest

from everygroup.audit import Audit
from everygroup.audit.tasks import audit_regression
from everygroup.errors import EverygroupError, PredictionsError, SettingsError
from everygroup.metrics import metric_info
from everygroup.metrics.distances import Distances
from everygroup.metrics.regression import METRICS, outcome_bins

N = 240


def _data(seed: int = 0, n: int = N) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    y = rng.normal(60, 12, n).round()
    features = pd.DataFrame({"sex": rng.choice(["f", "m"], n), "site": rng.choice(["a", "b", "c"], n)})
    return y, (y + rng.normal(0, 5, n)).round(), features


@pytest.fixture(scope="module")
def result() -> Audit:
    y, p, features = _data()
    p = p + 6.0 * (features["sex"] == "m").to_numpy()
    return audit_regression(y, p, sensitive_features=features, n_boot=200, baseline=y + 1.0, intersections=2)


def test_values_are_those_of_the_metrics(result: Audit) -> None:
    y, p, features = _data()
    p = p + 6.0 * (features["sex"] == "m").to_numpy()
    for info in METRICS:
        for attribute in ("sex", "site"):
            measured = info.function(y, p, sensitive_features=features[attribute])
            if info.kind == "performance":
                assert result.value(attribute, "overall", info.name) == pytest.approx(measured.value, abs=1e-12)
                for group, value in measured.per_group.items():
                    assert result.value(attribute, str(group), info.name) == pytest.approx(value, abs=1e-12)
                assert result.value(attribute, "gap", info.name) == pytest.approx(measured.gap, abs=1e-12)
            else:
                assert result.value(attribute, "gap", info.name) == pytest.approx(measured.value, abs=1e-12)


def test_every_estimate_has_n_and_an_interval_and_every_gap_a_p(result: Audit) -> None:
    table = result.table
    assert table[["value", "low", "high"]].notna().all().all() and (table["n"] > 0).all()
    inside = table[table["group"] != "worst"]
    shares = inside["metric"].isin(["mae", "rmse", "bias", "r2", "spearman"])
    assert (inside["low"] <= inside["value"] + 1e-9)[shares].all()
    assert (inside["value"] <= inside["high"] + 1e-9)[shares].all()
    gaps = table[table["group"] == "gap"].set_index(["attribute", "metric"])
    assert gaps["p"].between(0, 1).all()
    assert gaps.loc[("sex", "bias"), "p"] < 0.01 and gaps.loc[("sex", "conditional_residual_gap"), "p"] < 0.01
    assert gaps.loc[("site", "bias"), "p"] > 0.05
    assert result.settings["headline"] == "mae" and "Is off by 5.5 in the group m (sex)" in result.summary()
    assert set(table["metric"]) == {i.name for i in METRICS}


def test_residuals_within_bins_of_the_outcome_are_cells(result: Audit) -> None:
    y, p, features = _data()
    p = p + 6.0 * (features["sex"] == "m").to_numpy()
    at, names = outcome_bins(y, 4)
    expected = pd.DataFrame({"bin": pd.Categorical.from_codes(at, names), "group": features["sex"], "error": p - y})
    expected = expected.groupby(["bin", "group"], observed=False)["error"].agg(["mean", "size"]).reset_index()
    cells = result.cells[result.cells["attribute"] == "sex"]
    assert cells["metric"].unique().tolist() == ["bias"]
    assert cells["value"].tolist() == pytest.approx(expected["mean"].tolist(), abs=1e-12)
    assert cells["label"].tolist() == expected["bin"].tolist() and cells["n"].tolist() == expected["size"].tolist()
    assert (cells["low"] < cells["value"]).all() and (cells["value"] < cells["high"]).all()


def test_the_comparison_is_paired_and_tells_levelling_down(result: Audit) -> None:
    rows = result.comparison.set_index(["attribute", "group", "metric"])
    assert rows.loc[("sex", "f", "mae"), "baseline_value"] == pytest.approx(1.0)
    gap = rows.loc[("sex", "gap", "mae")]
    assert gap["note"] == "levelled down" and gap["change"] > 0
    assert set(result.comparison["metric"]) == {i.name for i in METRICS}
    worse = _data()[0] + 3.0
    y, _, features = _data()
    better_gap = y + np.where(features["sex"] == "m", 1.0, 2.5)
    again = audit_regression(y, worse, sensitive_features=features[["sex"]], baseline=better_gap, n_boot=99)
    assert "levelled down" in " ".join(map(str, again.flags))


def test_intersections_show_what_single_attributes_hide() -> None:
    rng = np.random.default_rng(1)
    sex, site = np.tile(["f", "m"], 200), np.repeat(["a", "b"], 200)
    bad = (sex == "f") == (site == "a")
    y = rng.normal(0, 10, 400)
    p = y + rng.normal(0, np.where(bad, 6, 1), 400)
    found = audit_regression(y, p, sensitive_features={"sex": sex, "site": site}, n_boot=200, intersections=2)
    rows = found.intersections[(found.intersections["metric"] == "mae")].set_index("group")
    assert (rows.loc[["f, a", "m, b", "f, b", "m, a"], "p_adjusted"] < 0.02).all()
    assert any(
        "no single attribute shows a difference in Mean absolute error" in flag for flag in map(str, found.flags)
    )


def test_null_gaps_have_uniform_p() -> None:
    p_values = []
    for seed in range(30):
        y, p, features = _data(seed + 100, n=60)
        found = audit_regression(y, p, sensitive_features=features[["sex"]], n_boot=60, interval="percentile")
        p_values.append(found.table.set_index(["group", "metric"]).loc["gap", "p"])
    p_values = pd.DataFrame(p_values)
    assert (p_values.mean() > 0.3).all() and (p_values.mean() < 0.7).all()
    assert ((p_values <= 0.1).mean() <= 0.25).all()


def test_patients_are_resampled_whole() -> None:
    y, p, features = _data(3)
    once = audit_regression(y, p, sensitive_features=features[["sex"]], n_boot=200)
    four = [np.tile(v, 4) for v in (y, p, features["sex"], np.arange(N))]
    repeated = audit_regression(four[0], four[1], sensitive_features={"sex": four[2]}, cluster=four[3], n_boot=200)
    widths = [
        t.table.set_index(["group", "metric"]).loc[("f", "mae"), ["low", "high"]].diff().iloc[-1]
        for t in (once, repeated)
    ]
    assert widths[1] == pytest.approx(widths[0], rel=0.2)


def test_missing_small_and_single_groups() -> None:
    y, p, features = _data(4)
    sex = features["sex"].to_list()
    sex[:5], sex[5:8] = [None] * 5, ["x"] * 3
    found = audit_regression(y, p, sensitive_features={"sex": sex}, n_boot=50)
    table = found.table.set_index(["group", "metric"])
    assert table.loc[("missing", "mae"), "n"] == 5 and table.loc[("x", "mae"), "note"] == "n too small"
    assert "5 of 240 samples have no value" in " ".join(map(str, found.flags))
    alone = audit_regression(y, p, sensitive_features={"sex": ["f"] * N}, n_boot=50)
    gaps = alone.table[alone.table["group"] == "gap"]
    assert gaps["value"].isna().all() and (gaps["note"] == "fewer than two groups can be compared").all()


def test_constant_outcomes_are_undefined_and_said() -> None:
    features = {"sex": ["f", "m"] * 20}
    found = audit_regression(np.full(40, 7.0), np.arange(40.0), sensitive_features=features, n_boot=50)
    assert np.isnan(found.value("sex", "f", "r2")) and np.isnan(found.value("sex", "f", "spearman"))
    assert "All outcomes are equal" in " ".join(map(str, found.flags))
    rows = found.table[found.table["value"].isna()]
    assert ((rows["note"] != "") | (rows["group"] == "overall")).all()


def test_distances_of_many_values_are_close_to_exact() -> None:
    rng = np.random.default_rng(0)
    values, group = rng.normal(size=5000), rng.integers(0, 2, 5000)
    values += 0.5 * group
    family = Distances(values, np.ones(5000, bool), ks="prediction_ks", wasserstein="prediction_wasserstein")
    assert not family.exact
    sums = np.stack([np.asarray(family.features[group == g].sum(axis=0)).reshape(-1) for g in (0, 1)])
    found = family.gap_values(sums)
    for name, limit in (("prediction_ks", 0.005), ("prediction_wasserstein", 0.005)):
        exact = metric_info(name).function(values, values, sensitive_features=group).value
        assert float(found[name]) == pytest.approx(exact, abs=limit)
    assert np.isnan(family.gap_values(sums[:1])["prediction_ks"])
    n = audit_regression(values, values, sensitive_features={"g": group.astype(str)}, n_boot=5)
    assert "equally full bins" in n.settings["distances"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"y_pred": [1.0]}, PredictionsError),
        ({"y_pred": [float("nan")] * 40}, PredictionsError),
        ({"sensitive_features": {"sex": ["f"]}}, PredictionsError),
        ({"sensitive_features": {}}, PredictionsError),
        ({"sensitive_features": {"id": list(range(40))}}, PredictionsError),
        ({"baseline": [1.0]}, PredictionsError),
        ({"cluster": [1]}, PredictionsError),
        ({"bins": 0}, PredictionsError),
        ({"n_boot": 0}, SettingsError),
        ({"intersections": -1}, SettingsError),
        ({"n_bots": 10}, SettingsError),
        ({"attributes": ["age"]}, PredictionsError),
    ],
)
def test_bad_input_is_said(change: dict, error: type[EverygroupError]) -> None:
    call = {"y_pred": np.arange(40.0), "sensitive_features": {"sex": ["f", "m"] * 20}} | change
    with pytest.raises(error):
        audit_regression(np.arange(40.0), call.pop("y_pred"), **call)


def test_the_interval_of_a_distance_holds_its_value_and_zero_where_there_is_none() -> None:
    holds = 0
    for seed in range(20):
        y, p, features = _data(seed + 300, n=80)
        found = audit_regression(y, p, sensitive_features=features[["sex"]], n_boot=80)
        rows = found.table.set_index(["group", "metric"]).loc["gap"]
        for name in ("prediction_ks", "prediction_wasserstein"):
            row = rows.loc[name]
            assert row["low"] <= row["value"] <= row["high"] and row["interval"] == "moved"
        holds += rows.loc["prediction_ks", "low"] == 0
    assert holds >= 16
    shifted = audit_regression(y, p + 30.0 * (features["sex"] == "m"), sensitive_features=features[["sex"]], n_boot=80)
    ends = shifted.table.set_index(["group", "metric"]).loc[("gap", "prediction_wasserstein")]
    assert 10 < ends["low"] < ends["value"] < ends["high"]


def test_the_grouping_of_training_is_not_crossed_where_the_others_settle_it() -> None:
    y, p, features = _data()
    features = features[["site"]].assign(group=features["site"].map({"a": "0", "b": "0", "c": "1"}))
    found = audit_regression(y, p, sensitive_features=features, n_boot=10, intersections=2)
    assert set(found.intersections["attribute"]) == {"site"}


def test_predictions_that_fall_or_never_change_stop_the_reader() -> None:
    y, p, features = _data()
    for given, text in ((-p, "fall where outcomes rise"), (np.full(len(y), 3.0), "All predictions are equal")):
        found = audit_regression(y, given, sensitive_features=features[["sex"]], n_boot=60)
        assert [text in f.text for f in found.flags if f.severity == "stop"] == [True]
    assert not any(f.severity == "stop" for f in audit_regression(y, p, sensitive_features=features, n_boot=60).flags)
