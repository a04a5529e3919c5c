"""Audit of anomaly scores: values are those of the pure functions; thresholds are shared by all groups."""

import numpy as np
import pytest

from everygroup.audit.tasks import audit_anomaly
from everygroup.errors import PredictionsError
from everygroup.metrics.anomaly import METRICS, normals_fpr
from everygroup.metrics.scores import auc, auprc

N = 400


def _data(seed: int = 0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y, group = (rng.random(N) < 0.3).astype(int), rng.choice(["a", "b", "c"], N)
    return y, (rng.normal(2.0 * y, 1, N) + shift * (group == "b")).round(1), group


def test_values_are_those_of_the_metrics() -> None:
    y, score, group = _data()
    normals = np.random.default_rng(1).normal(size=200)
    found = audit_anomaly(
        y, score, sensitive_features={"site": group}, validation_normals=normals, n_boot=100, intersections=1
    )
    functions = {i.name: i.function for i in METRICS} | {"auc": auc, "auprc": auprc}
    for name, function in functions.items():
        more = {"normals": normals} if name.startswith("normals_") else {}
        measured = function(y, score, sensitive_features=group, **more)
        if name.startswith("normal_score"):
            assert found.value("site", "gap", name) == pytest.approx(measured.value, abs=1e-12)
            continue
        assert found.value("site", "overall", name) == pytest.approx(measured.value, abs=1e-12)
        for g in "abc":
            assert found.value("site", g, name) == pytest.approx(measured.per_group[g], abs=1e-12)
    assert set(found.table["metric"]) == set(functions)
    assert found.table[["low", "high", "n_positive"]].notna().all().all()
    rates = found.table[
        found.table["metric"].isin(["fpr_at_tpr", "normals_tpr"]) & found.table["group"].isin(["a", "b"])
    ]
    assert (rates["interval"] == "wilson").all()
    assert set(found.intersections["metric"]) == {"sub_auroc", "fpr_at_tpr", "tpr_at_tpr", "normals_fpr", "normals_tpr"}
    assert found.settings["headline"] == "auc" and "of 100" in found.summary()


def test_a_shifted_group_is_found_and_the_baseline_compared() -> None:
    y, score, group = _data(2)
    shifted = score + 2.0 * (group == "b")
    normals = np.random.default_rng(1).normal(size=200)
    found = audit_anomaly(
        y,
        shifted,
        sensitive_features={"site": group},
        n_boot=200,
        baseline=score,
        validation_normals=normals,
        validation_normals_baseline=normals,
    )
    gaps = found.table[found.table["group"] == "gap"].set_index("metric")
    for name in ("normal_score_ks", "normal_score_wasserstein", "fpr_at_tpr", "normals_fpr", "sub_auroc"):
        assert gaps.loc[name, "p"] < 0.01
    assert gaps.loc["auc", "p"] > 0.05
    rows = found.comparison.set_index(["group", "metric"])
    assert rows.loc[("b", "normals_fpr"), "low"] > 0 and rows.loc[("b", "auc"), "change"] == pytest.approx(0, abs=1e-12)
    measured = normals_fpr(y, score, normals=normals, sensitive_features=group)
    assert rows.loc[("b", "normals_fpr"), "baseline_value"] == pytest.approx(measured.per_group["b"])
    assert rows.loc[("gap", "normal_score_ks"), "change"] > 0.2


def test_without_normals_and_with_many_scores() -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(900) < 0.3).astype(int)
    found = audit_anomaly(y, rng.normal(size=900), sensitive_features=rng.choice(["a", "b"], 900), n_boot=20)
    assert "normals_fpr" not in set(found.table["metric"]) and "equally full" in found.settings["distances"]


def test_a_group_without_anomalies_is_noted() -> None:
    y, score, group = _data(4)
    y[group == "c"] = 0
    found = audit_anomaly(y, score, sensitive_features={"site": group}, n_boot=50)
    rows = found.table[found.table["value"].isna()]
    assert set(rows["group"]) == {"c"} and (rows["note"] == "undefined").all()
    assert {"auc", "auprc", "auprc_lift", "sub_auroc", "tpr_at_tpr"} <= set(rows["metric"])
    gap = found.table[(found.table["group"] == "gap") & (found.table["metric"] == "auc")].iloc[0]
    assert gap["note"] == "left out: c"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"y_true": [0] * 20}, "no anomaly"),
        ({"y_true": [1] * 20}, "no normal"),
        ({"y_true": [0, 2] * 10}, "Position 1 of y_true is 2"),
        ({"y_score": [float("inf")] * 20}, "y_score is inf"),
        ({"y_score": [1.0]}, "y_score"),
        ({"baseline": [1.0]}, "baseline"),
        ({"baseline": [1.0] * 20, "validation_normals": [1.0]}, "one of the two"),
        ({"validation_normals": []}, "empty"),
        ({"tpr": 2}, "rate wanted"),
        ({"validation_normals": [1.0, 2.0], "quantile": 1}, "quantile"),
        ({"sensitive_features": None}, "no sensitive attribute"),
    ],
)
def test_bad_input_is_said(change: dict, text: str) -> None:
    call = {"y_true": [0, 1] * 10, "y_score": list(range(20)), "sensitive_features": {"g": ["a", "b"] * 10}} | change
    with pytest.raises(PredictionsError, match=text):
        audit_anomaly(call.pop("y_true"), call.pop("y_score"), **call)


def test_scores_that_run_the_wrong_way_stop_the_reader() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    score, sex = rng.normal(2.0 * y, 1), np.where(rng.random(200) < 0.5, "f", "m")
    for sign, severity in ((1, "note"), (-1, "stop")):
        found = audit_anomaly(y, sign * score, sensitive_features={"sex": sex}, n_boot=60)
        wrong = [flag for flag in found.flags if "worse than no information" in flag.text]
        assert [flag.severity for flag in wrong] == ([severity] if severity == "stop" else [])
