"""Which metrics are shown, the tables that are written, and unusual input."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.audit import audit, audit_arrays
from everygroup.audit.result import FRAMES
from everygroup.errors import PredictionsError, SettingsError
from everygroup.files import safe_csv


def test_standard_all_and_named_metrics(make) -> None:
    p = make()

    def shown(**options) -> list[str]:
        table = audit(p, n_boot=3, attributes=["sex"], **options).table
        return table.loc[table["group"] == "overall", "metric"].tolist()

    standard = shown()
    assert standard == ["balanced_accuracy", "macro_f1", "accuracy", "auc", "auprc", "brier", "nll", "ece"]
    everything = shown(metrics="all")
    assert set(standard) < set(everything) and {"recall[c1]", "f1[c0]", "auc[c2]", "matthews"} < set(everything)
    assert shown(metrics=["recall", "ece"]) == ["recall[c0]", "recall[c1]", "recall[c2]", "ece"]
    assert shown(metrics="auc[c1]") == ["auc[c1]"]
    assert shown(metrics=["auroc", "tpr[c1]", "mcc", "sensitivity"])[:3] == ["auc", "recall[c1]", "matthews"]
    assert audit(p, n_boot=3, metrics=["ece"]).summary().count("Its calibration error (ECE") == 1
    with pytest.raises(SettingsError, match="'wisdom' is no metric"):
        shown(metrics=["wisdom"])
    with pytest.raises(SettingsError, match="No metric is named"):
        shown(metrics=[])
    with pytest.raises(SettingsError, match="auc needs scores"):
        audit(make(scores=False), n_boot=3, metrics=["auc"])


def test_new_columns_of_gaps(make) -> None:
    table = audit(make(), n_boot=100, attributes=["group"]).table.set_index(["group", "metric"])
    gap = table.loc[("gap", "accuracy")]
    assert 0 < gap["chance"] < gap["chance_high"] < gap["value"] and 0.05 < gap["detectable"] < 0.6
    assert gap["low"] > 0 and gap["interval"] == "simultaneous"
    assert (
        table.loc[("old", "accuracy"), "interval"] == "wilson" and table.loc[("old", "macro_f1"), "interval"] == "bca"
    )
    assert np.isnan(table.loc[("old", "accuracy"), "chance"]) and table.loc[("gap", "eodds_lab"), "interval"] == "moved"
    old = audit(make(), n_boot=100, attributes=["group"], interval="percentile").table
    assert set(old["interval"]) == {"percentile"}
    assert old["value"].equals(audit(make(), n_boot=100, attributes=["group"]).table["value"])


def test_differences_of_every_two_groups() -> None:
    rng = np.random.default_rng(0)
    y, site = rng.integers(0, 2, 300), rng.integers(0, 3, 300)
    pred = np.where(rng.random(300) < np.array([0.95, 0.9, 0.6])[site], y, 1 - y)
    result = audit_arrays(y, y_pred=pred, sensitive_features=site, n_boot=200)
    rows = result.differences[result.differences["metric"] == "accuracy"].set_index(["group_a", "group_b"])
    assert list(rows.index) == [("0", "1"), ("0", "2"), ("1", "2")]
    row = rows.loc[("0", "2")]
    assert row["difference"] == pytest.approx((y == pred)[site == 0].mean() - (y == pred)[site == 2].mean())
    assert 0 < row["low"] < row["difference"] < row["high"] and row["n_a"] == (site == 0).sum()
    assert (rows["p_holm"] >= rows["p"]).all() and row["p_holm"] < 0.05


def test_20_right_of_20_is_not_certain() -> None:
    y = np.zeros(40, dtype=int)
    pred = np.where(np.arange(40) < 20, 0, np.arange(40) % 2)
    result = audit_arrays(y, y_pred=pred, classes=[0, 1], sensitive_features=["a"] * 20 + ["b"] * 20, n_boot=50)
    row = result.table.set_index(["group", "metric"]).loc[("a", "accuracy")]
    assert row["value"] == 1 and row["low"] == pytest.approx(0.8389, abs=1e-4)


def test_every_table_is_written_and_formulas_are_guarded(tmp_path: Path) -> None:
    y = np.arange(80) % 2
    site = ["=cmd|' /C calc'!A0"] * 40 + ["@b"] * 40
    result = audit_arrays(
        y, y_pred=y, sensitive_features={"site": site, "sex": ["f", "m"] * 40}, n_boot=20, intersections=2
    )
    assert list(result.frames()) == list(FRAMES)
    written = {path.name for path in result.write(tmp_path)}
    assert {"summary.csv", "cells.csv", "differences.csv", "intersections.csv", "criteria.csv", "audit.json"} <= written
    assert "comparison.csv" not in written
    text = (tmp_path / "summary.csv").read_text()
    assert ",'=cmd|" in text and ",=cmd" not in text and ",'@b," in text
    assert "=cmd|' /C calc'!A0" in set(result.table["group"])


def test_numbers_are_not_guarded(tmp_path: Path) -> None:
    frame = pd.DataFrame({"=a": ["+1", "x"], "b": [-1.5, 2], "c": pd.array([-3, None], dtype="Int64")})
    path = safe_csv(frame, tmp_path / "t.csv")
    assert path.read_text() == "'=a,b,c\n'+1,-1.5,-3\nx,2.0,\n"


def test_an_id_given_as_a_group_is_told() -> None:
    n = 10_000
    y = np.arange(n) % 2
    with pytest.raises(PredictionsError, match="name has 10,000 different values in 10,000 samples: is it an id"):
        audit_arrays(y, y_pred=y, sensitive_features={"name": np.arange(n)}, attributes=["name"])
    with pytest.raises(PredictionsError, match="no sensitive attribute to audit"):
        audit_arrays(y, y_pred=y, sensitive_features={"name": np.arange(n)})


@pytest.mark.parametrize(
    ("y", "site"),
    [
        ([0] * 30, ["a"] * 15 + ["b"] * 15),  # one class
        ([0, 1] * 15, ["a"] * 30),  # one group
        ([0, 1] * 15, ["a"] * 29 + ["b"]),  # a group of one row
        ([0], ["a"]),
        ([0, 1], ["a", "b"]),
        ([0, 1] * 15, [""] * 30),  # nobody has a group
    ],
)
@pytest.mark.parametrize("scores", [False, True])
def test_meagre_data_are_audited_with_notes(y: list[int], site: list[str], scores: bool) -> None:
    columns = {"y_pred": y, "classes": ["no", "yes"]}
    if scores:
        columns = {"y_score": 0.2 + 0.6 * np.asarray(y, dtype=float), "classes": ["no", "yes"]}
    result = audit_arrays(y, sensitive_features={"site": site}, n_boot=10, intersections=1, **columns)
    gaps = result.table[result.table["group"] == "gap"]
    assert (gaps["value"].notna() | (gaps["note"] != "")).all()
    groups = result.table[~result.table["group"].isin(["gap", "worst", "overall"])]
    assert (groups["value"].notna() | (groups["note"] != "")).all()
    assert result.summary()
