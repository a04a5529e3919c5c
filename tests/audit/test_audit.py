"""The audit of one set of predictions."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.audit import Audit, audit, audit_arrays
from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics import auc, balanced_accuracy, eodds, eopp1, macro_f1

COLUMNS = ["data_set", "method", "seed", "attribute", "group", "metric", "value", "low", "high", "n"]
COLUMNS += ["successes", "trials", "n_positive", "note", "p", "chance", "chance_high", "detectable", "interval"]


def test_values_are_those_of_the_metrics(make) -> None:
    p = make()
    result = audit(p, n_boot=20)
    assert list(result.table.columns) == COLUMNS
    assert result.comparison.empty and result.table["method"].unique().tolist() == ["erm"]
    for name, function in (("macro_f1", macro_f1), ("balanced_accuracy", balanced_accuracy)):
        measured = function(p.y_true, p.y_pred, sensitive_features=p.group, classes=range(3))
        assert result.value("group", "young", name) == pytest.approx(measured.per_group[0])
        assert result.value("group", "old", name) == pytest.approx(measured.per_group[1])
        assert result.value("group", "overall", name) == pytest.approx(measured.value)
        assert result.value("group", "gap", name) == pytest.approx(measured.gap)
        assert result.value("group", "worst", name) == pytest.approx(measured.per_group[1])
    ranked = auc(p.y_true, p.y_score, sensitive_features=p.group)
    assert result.value("group", "old", "auc") == pytest.approx(ranked.per_group[1])
    assert result.value("group", "overall", "auc") == pytest.approx(ranked.value)
    lab = eopp1(p.y_true, p.y_pred, sensitive_features=p.group)
    strict = eodds(p.y_true, p.y_pred, sensitive_features=p.group, variant="strict")
    assert result.value("group", "gap", "eopp1_lab") == pytest.approx(lab.value)
    assert result.value("group", "gap", "eodds_strict") == pytest.approx(strict.value)
    assert np.isnan(result.value("group", "nobody", "auc"))


def test_every_estimate_has_an_interval_around_it_and_its_n(make) -> None:
    table = audit(make(), n_boot=200).table
    assert (table["low"] <= table["high"]).all()
    single = table[~table["group"].isin(["gap"])]
    assert ((single["low"] <= single["value"]) & (single["value"] <= single["high"])).all()
    n = single[single["metric"] == "auc"].set_index(["attribute", "group"])["n"]
    assert n["group", "young"] + n["group", "old"] == n["group", "overall"] == 240
    assert not table.duplicated(["attribute", "group", "metric"]).any()
    assert set(table["attribute"]) == {"group", "sex"}
    overall = table[table["group"] == "overall"].drop(columns="attribute")
    assert len(overall.drop_duplicates()) * 2 == len(overall)


def test_a_real_gap_has_a_small_p_and_chance_has_not(make) -> None:
    table = audit(make(), n_boot=200).table.set_index(["attribute", "group", "metric"])
    for metric in ("macro_f1", "accuracy", "balanced_accuracy", "auc", "eopp1_lab", "eodds_strict"):
        assert table.loc[("group", "gap", metric), "p"] == pytest.approx(1 / 201)
    chance = audit(make(gap=0.0), n_boot=200).table.set_index(["attribute", "group", "metric"])
    assert (chance.xs("gap", level="group")["p"] > 0.02).all()


def test_permutation_p_of_the_audit_is_uniform_under_the_null() -> None:
    from scipy import stats

    p = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 2, 60)
        score = np.clip(0.4 + 0.2 * y + 0.15 * rng.normal(size=60), 0, 1)
        result = audit_arrays(y, y_score=score, sensitive_features=rng.integers(0, 2, 60), n_boot=60, seed=seed)
        rows = result.table.set_index(["group", "metric"])
        p.append([rows.loc[("gap", m), "p"] for m in ("auc", "accuracy", "eodds_strict")])
    ranked, *counted = np.array(p).T
    assert stats.kstest(ranked, "uniform").pvalue > 0.01
    # gaps of counts tie often in small groups, which makes their p too large but never too small
    assert all((q <= 0.05).mean() <= 0.08 for q in counted)


def test_same_seed_same_audit_other_seed_other_intervals(make) -> None:
    p = make()
    pd.testing.assert_frame_equal(audit(p, n_boot=20).table, audit(p, n_boot=20).table)
    assert not audit(p, n_boot=20).table["low"].equals(audit(p, n_boot=20, seed=1).table["low"])


def test_images_of_one_patient_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    patient_right = rng.random(40) < 0.7
    y = np.zeros(400, dtype=int)
    answer = np.where(np.repeat(patient_right, 10), 0, 1)
    sex = np.repeat(rng.choice(["f", "m"], 40), 10)

    def width(**options) -> float:
        result = audit_arrays(y, y_pred=answer, classes=[0, 1], sensitive_features=sex, n_boot=200, **options)
        rows = result.table.set_index(["group", "metric"])
        return float(rows.loc[("overall", "accuracy"), "high"] - rows.loc[("overall", "accuracy"), "low"])

    assert width(cluster=np.repeat(np.arange(40), 10)) > 2 * width()
    assert width(cluster=np.repeat(np.arange(40), 10), stratify=False) > 2 * width()


def test_binary_counts_positives_and_multi_class_leaves_them_empty(make) -> None:
    table = audit(make(n_classes=2), n_boot=5).table
    y = make(n_classes=2).y_true
    assert table.loc[table["group"] == "overall", "n_positive"].unique().tolist() == [(y == 1).sum()]
    assert audit(make(), n_boot=5).table["n_positive"].isna().all()


def test_small_missing_and_undefined_groups_are_shown_and_left_out_of_gaps() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 100)
    answer = np.where(rng.random(100) < 0.8, y, 1 - y)
    site = np.array(["a"] * 40 + ["b"] * 40 + ["c"] * 6 + [""] * 4 + ["d"] * 10, dtype=object)
    answer[80:86] = 1 - y[80:86]
    y[90:] = answer[90:] = 1
    result = audit_arrays(y, y_score=0.2 + 0.6 * answer, sensitive_features={"site": site}, n_boot=30)
    rows = result.table.set_index(["group", "metric"])
    assert rows.loc[("c", "accuracy"), "note"] == "n too small" and rows.loc[("c", "accuracy"), "value"] == 0
    assert (
        rows.loc[("missing", "accuracy"), "note"] == "left out of gaps" and rows.loc[("missing", "accuracy"), "n"] == 4
    )
    assert rows.loc[("gap", "accuracy"), "n"] == 90 and rows.loc[("gap", "accuracy"), "note"] == "left out: c"
    assert np.isnan(rows.loc[("d", "auc"), "value"]) and rows.loc[("d", "auc"), "note"] == "undefined"
    assert rows.loc[("gap", "auc"), "n"] == 80 and rows.loc[("gap", "auc"), "note"] == "left out: c, d"
    assert rows.loc[("worst", "accuracy"), "note"] != "worst group: c"
    text = " ".join(map(str, result.flags))
    assert "site: 4 of 100 samples have no value" in text
    assert "site: group c has 6 samples (fewer than 10): n too small" in text
    assert "AUC undefined in group d" in text
    assert "site: no sample of 0 in group d" in text


def test_a_group_of_one_patient_has_no_interval_and_is_left_out_of_gaps() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 120)
    answer = np.where(rng.random(120) < 0.8, y, 1 - y)
    patient = np.concatenate([np.arange(80) // 2, np.full(20, 100), np.full(20, 101)])
    site = np.array(["a"] * 40 + ["b"] * 40 + ["c"] * 20 + [""] * 20, dtype=object)
    result = audit_arrays(y, y_pred=answer, sensitive_features={"site": site}, cluster=patient, n_boot=30)
    rows = result.table.set_index(["group", "metric"])
    one = rows.loc[("c", "accuracy")]
    assert one["note"] == "one patient or lesion" and 0 < one["value"] < 1 and np.isnan(one["low"])
    assert np.isnan(rows.loc[("missing", "accuracy"), "high"])
    assert rows.loc[("a", "accuracy"), "low"] < rows.loc[("a", "accuracy"), "high"]
    assert rows.loc[("gap", "accuracy"), "n"] == 80 and rows.loc[("gap", "accuracy"), "note"] == "left out: c"
    assert result.cells.set_index("group").loc["c", "low"].isna().all()
    assert any(
        "the 20 samples of group c are of one patient or lesion: no interval" in f for f in map(str, result.flags)
    )
    alone = audit_arrays(y, y_pred=answer, sensitive_features=site, cluster=np.zeros(120), n_boot=5)
    assert alone.table["low"].isna().all()


def test_patients_at_many_sites_have_intervals_as_wide_as_without_strata() -> None:
    rng = np.random.default_rng(1)
    unit = np.repeat(np.arange(150), 8)
    right = rng.random(1200) < rng.beta(1.4, 0.6, 150)[unit]
    y = rng.integers(0, 2, 1200)
    site = rng.integers(0, 8, 1200).astype(str)

    def width(**options) -> float:
        result = audit_arrays(
            y, y_pred=np.where(right, y, 1 - y), sensitive_features=site, cluster=unit, n_boot=300, **options
        )
        row = result.table.set_index(["group", "metric"]).loc[("overall", "accuracy")]
        return float(row["high"] - row["low"])

    assert width() == pytest.approx(width(stratify=False), rel=0.2)


def test_classes_never_answered_are_flagged() -> None:
    y = np.array([0, 1, 2] * 40)
    answer = y.copy()
    answer[:60][y[:60] == 2] = 0
    columns = {"y_pred": answer, "sensitive_features": {"site": ["a"] * 60 + ["b"] * 60}, "n_boot": 5}
    text = " ".join(map(str, audit_arrays(y, **columns).flags))
    assert "site: 2 was never answered in group a; its precision is undefined." in text
    assert "never answered in group b" not in text
    columns["metrics"] = ["macro_precision"]
    text = " ".join(map(str, audit_arrays(y, **columns).flags))
    assert "its precision is undefined and left out of macro precision." in text
    lab = " ".join(map(str, audit_arrays(y, convention="lab", **columns).flags))
    assert "its precision is counted as 0 in macro precision." in lab


def test_the_summary_says_whether_a_gap_is_beyond_chance(make) -> None:
    chance = audit(make(gap=0.0, seed=1), n_boot=100, attributes=["group"], metrics=["balanced_accuracy"])
    p = chance.table.set_index(["group", "metric"]).loc[("gap", "balanced_accuracy"), "p"]
    assert p > 0.05 and f"cannot be told apart from chance (p = {p:.3f})" in chance.summary()
    clear = audit(make(), n_boot=100, attributes=["group"], metrics=["balanced_accuracy"])
    assert "unlikely to be chance (p = 0.010)" in clear.summary()


def test_rare_classes_are_listed(make) -> None:
    y = np.arange(120) % 12
    result = audit_arrays(y, y_pred=y, sensitive_features=["a"] * 60 + ["b"] * 60, n_boot=5)
    assert any(
        "fewer than 10 samples of 0, 1, 2, 3, 4 and 7 more classes in group a" in f for f in map(str, result.flags)
    )
    assert "no scores, so AUC is left out" in " ".join(map(str, result.flags))
    assert "auc" not in set(result.table["metric"])


def test_without_two_comparable_groups_there_is_no_gap(make) -> None:
    result = audit(make(), n_boot=5, min_n=200)
    gaps = result.table[result.table["group"] == "gap"]
    assert gaps["value"].isna().all() and (gaps["note"] == "fewer than two groups can be compared").all()
    assert result.summary().startswith("No two groups are large enough")
    assert "so there is no gap" in " ".join(map(str, result.flags))


def test_lab_convention_counts_absent_classes_as_zero() -> None:
    y = [0] * 20 + [1] * 10 + [0] * 20
    options = {"y_pred": y, "sensitive_features": ["a"] * 30 + ["b"] * 20, "n_boot": 5, "metrics": ["macro_f1"]}
    assert audit_arrays(y, **options).value("attribute", "b", "macro_f1") == 1.0
    assert audit_arrays(y, convention="lab", **options).value("attribute", "b", "macro_f1") == 0.5


def test_attributes_same_as_the_grouping_or_with_many_values_are_left_out_unless_named(make) -> None:
    p = make()
    names = [("young", "old")[g] for g in p.group]
    q = make(sensitive_features={"agegroup": names, "age": np.arange(240)})
    result = audit(q, n_boot=5)
    assert set(result.table["attribute"]) == {"group"}
    text = " ".join(map(str, result.flags))
    assert "agegroup is the grouping used in training" in text
    assert "age has 240 different values and is left out; give bins" in text
    named = audit(q, n_boot=5, attributes=["agegroup"])
    assert set(named.table["attribute"]) == {"agegroup"}


def test_a_group_named_like_a_row_of_the_audit_is_quoted(make) -> None:
    result = audit(make(groups=["gap", "old"]), n_boot=5)
    assert "'gap'" in set(result.table["group"])


def test_unknown_labels_and_mixed_splits_are_flagged(make, changed) -> None:
    p = make(split=["train"] * 120 + ["test"] * 120)
    p = changed(p, "y_true", ["" if row < 10 else v for row, v in enumerate(p.table["y_true"])])
    result = audit(p, n_boot=5)
    assert "10 of 240 samples have no known label and are left out." in map(str, result.flags)
    assert "mix the splits test, train" in " ".join(map(str, result.flags))
    assert any(
        "training samples" in str(f) and f.severity == "stop" for f in audit(make(split="train"), n_boot=5).flags
    )
    assert result.settings["n"] == 230


def test_cells_hold_the_recall_of_every_label_and_group(make) -> None:
    p = make()
    cells = audit(p, n_boot=20).cells.set_index(["attribute", "label", "group"])
    inside = (p.y_true == 1) & (p.group == 1)
    assert cells.loc[("group", "c1", "old"), "n"] == inside.sum()
    assert cells.loc[("group", "c1", "old"), "value"] == pytest.approx((p.y_pred[inside] == 1).mean())


def test_files_and_summary(make, tmp_path: Path) -> None:
    result = audit(make(), n_boot=20, data_set="toy", method="mine", run_seed=3)
    back = pd.read_csv(result.to_csv(tmp_path / "s.csv"))
    assert len(back) == len(result.table) and back["data_set"].unique().tolist() == ["toy"]
    assert back["seed"].unique().tolist() == [3] and back["method"].unique().tolist() == ["mine"]
    loaded = json.loads(result.to_json(tmp_path / "a.json").read_text())
    assert {"summary", "flags", "settings", *result.frames()} == set(loaded)
    assert loaded["table"][0]["n_positive"] is None
    assert all(set(flag) == {"severity", "text", "attribute", "metric"} for flag in loaded["flags"])
    assert loaded["summary"] == result.summary() and "averaged over the classes in the group old" in result.summary()


def test_summary_without_flags(make) -> None:
    assert audit(make(), n_boot=5, attributes=["group"]).summary().endswith("(p = 0.167).")
    assert (
        "1 thing to heed, the first: These are the training samples"
        in audit(make(split="train", scores=False), n_boot=5).summary()
    )


def test_mistakes_are_named(make, changed) -> None:
    unlabelled = changed(make(), "y_true", "")
    with pytest.raises(PredictionsError, match="No sample has a known label"):
        audit(unlabelled)
    with pytest.raises(PredictionsError, match="no sensitive attribute"):
        audit(make(group=None, groups=None, sensitive_features=None))
    with pytest.raises(PredictionsError, match="No sensitive attribute 'race'"):
        audit(make(), attributes=["race"])
    with pytest.raises(SettingsError, match="n_boot"):
        audit(make(), n_boot=0)
    with pytest.raises(SettingsError, match="seed = -1"):
        audit(make(), seed=-1)


def test_ten_thousand_rows_take_seconds() -> None:
    import time

    rng = np.random.default_rng(0)
    y = rng.integers(0, 7, 10_000)
    score = rng.dirichlet(np.ones(7), 10_000)
    start = time.process_time()
    result = audit_arrays(y, y_score=score, sensitive_features=rng.choice(["a", "b"], 10_000), n_boot=1000)
    assert isinstance(result, Audit)
    assert time.process_time() - start < 15
