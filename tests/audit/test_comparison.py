"""A method against a baseline."""

import numpy as np
import pytest

from everygroup.audit import audit
from everygroup.audit.verdicts import verdicts
from everygroup.errors import PredictionsError
from everygroup.metrics import eopp1, fate, macro_f1
from everygroup.statistics import delong, mcnemar, sign_flip


def rows_of(result):
    return result.comparison.set_index(["attribute", "group", "metric"])


def test_change_is_paired_and_its_values_are_those_of_the_metrics(make) -> None:
    method, baseline = make(gap=0.0, seed=1, model="spare"), make()
    result = audit(method, baseline=baseline, n_boot=200)
    rows = rows_of(result)
    a = macro_f1(method.y_true, method.y_pred, sensitive_features=method.group)
    b = macro_f1(baseline.y_true, baseline.y_pred, sensitive_features=baseline.group)
    row = rows.loc[("group", "old", "macro_f1")]
    assert (row["value"], row["baseline_value"]) == (pytest.approx(a.per_group[1]), pytest.approx(b.per_group[1]))
    assert row["change"] == pytest.approx(a.per_group[1] - b.per_group[1])
    assert 0 < row["low"] < row["change"] < row["high"]
    gap = rows.loc[("group", "gap", "macro_f1")]
    assert gap["change"] == pytest.approx(a.gap - b.gap) and gap["high"] < 0
    assert gap["note"] in ("improved all", "trade")
    assert result.comparison["method"].unique().tolist() == ["spare"]
    assert result.comparison["baseline"].unique().tolist() == ["erm"]
    assert "Against erm, of 2 groups" in result.summary()
    old = method.group == 1
    right = (method.y_true == method.y_pred)[old], (baseline.y_true == baseline.y_pred)[old]
    test = sign_flip(*right, method.units[old], n_flips=200)
    accuracy = rows.loc[("group", "old", "accuracy")]
    assert accuracy["p"] == pytest.approx(test.p)
    assert accuracy["note"].startswith(f"sign-flip over patients: only this model right {test.b}, only the baseline")


def test_accuracies_of_single_samples_are_compared_by_mcnemar(make) -> None:
    method, baseline = make(gap=0.2, seed=1, units=None), make(units=None)
    accuracy = rows_of(audit(method, baseline=baseline, n_boot=20)).loc[("group", "overall", "accuracy")]
    test = mcnemar(method.y_true == method.y_pred, baseline.y_true == baseline.y_pred)
    assert accuracy["p"] == pytest.approx(test.p)
    assert accuracy["note"].startswith(f"McNemar {test.form}: only this model right {test.b}")


@pytest.mark.parametrize("units", [None, np.arange(240) // 2])
def test_aucs_of_two_classes_are_compared_by_delong(make, units) -> None:
    method, baseline = make(gap=0.2, seed=1, units=units, n_classes=2), make(units=units, n_classes=2)
    rows = rows_of(audit(method, baseline=baseline, n_boot=20))
    inside = method.group == 1
    for group, at in (("overall", slice(None)), ("old", inside)):
        cluster = None if units is None else units[at]
        test = delong(method.y_true[at], method.y_score[at, 1], baseline.y_score[at, 1], cluster=cluster)
        row = rows.loc[("group", group, "auc")]
        assert row["p"] == pytest.approx(test.p) and row["change"] == pytest.approx(test.difference)
        assert row["note"] == ("DeLong" if units is None else "DeLong over patients")
    assert np.isnan(rows_of(audit(make(), baseline=make(), n_boot=5)).loc[("group", "old", "auc"), "p"])


def test_groups_too_small_among_the_paired_samples_are_not_compared(make) -> None:
    site = ["a"] * 100 + ["b"] * 97 + ["c"] * 3 + ["d"] * 40
    columns = {"group": None, "groups": None, "sensitive_features": {"site": site}}
    units = [*range(100), *(f"u{i}" for i in range(100)), *["the same patient"] * 40]
    method, baseline = make(gap=0.0, seed=1, units=units, **columns), make(units=units, **columns)
    rows = rows_of(audit(method, baseline=baseline, n_boot=20))
    for metric in ("accuracy", "macro_f1"):
        assert rows.loc[("site", "c", metric), "note"] == "n too small"
        assert rows.loc[("site", "d", metric), "note"] == "one patient or lesion"
        assert rows.loc[("site", ["c", "d"], metric), "p"].isna().all() and np.isnan(
            rows.loc[("site", "d", metric), "low"]
        )
        assert rows.loc[("site", "gap", metric), "n"] == 197
    assert rows.loc[("site", "b", "accuracy"), "p"] > 0
    # large enough in the predictions, too small where both models answered
    few = audit(method, baseline=baseline.where(np.r_[0:100, 100:105]), n_boot=20)
    rows = rows_of(few)
    assert rows.loc[("site", "b", "accuracy"), "note"] == "n too small"
    assert ("site", "gap", "accuracy") not in rows.index
    assert few.table.set_index(["group", "metric"]).loc[("b", "accuracy"), "note"] == ""


def test_the_same_model_has_changed_nothing(make) -> None:
    rows = rows_of(audit(make(), baseline=make(), n_boot=20))
    assert (rows["change"] == 0).all() and (rows["low"] == 0).all() and (rows["high"] == 0).all()
    assert rows.loc[("group", "gap", "accuracy"), "note"] == "unchanged"
    assert rows.loc[("group", "overall", "accuracy"), "p"] == 1.0


def test_fate_stands_beside_its_raw_pair(make) -> None:
    method, baseline = make(gap=0.1, seed=1), make()
    row = rows_of(audit(method, baseline=baseline, n_boot=20)).loc[("group", "gap", "fate_eopp1_lab")]
    accuracy, gap = [], []
    for p in (method, baseline):
        accuracy.append(np.mean(list(macro_f1(p.y_true, p.y_pred, sensitive_features=p.group).per_group.values())))
        gap.append(eopp1(p.y_true, p.y_pred, sensitive_features=p.group).value)
    assert row["value"] == pytest.approx(fate(*accuracy, *gap))
    assert row["note"] == (
        f"mean macro F1 of the groups {accuracy[1]:.4f} to {accuracy[0]:.4f}, eopp1_lab {gap[1]:.4f} to {gap[0]:.4f}"
    )


def test_levelling_down_is_flagged(make, changed) -> None:
    baseline = make()
    # everybody's answers get worse, those of the better group most
    rng = np.random.default_rng(3)
    spoil = rng.random(240) < np.where(baseline.group == 0, 0.45, 0.08)
    answers = baseline.table["y_pred"].to_numpy(copy=True)
    answers[spoil & (baseline.y_true == baseline.y_pred)] = "c0"
    worse = changed(baseline, "y_pred", answers)
    result = audit(worse, baseline=baseline, n_boot=20, attributes=["group"])
    assert rows_of(result).loc[("group", "gap", "accuracy"), "note"] == "levelled down"
    assert any(f.startswith("group: levelled down. The gap in Accuracy fell from") for f in map(str, result.flags))
    alone = audit(worse, baseline=baseline, n_boot=20, attributes=["group"], metrics=["accuracy"])
    assert alone.summary().startswith("2 of 2 groups got worse than with erm in wrong answers (accuracy)")
    told = verdicts(alone).by_attribute[0].change
    assert "this method reduces the measured gap; levelled down: no group gained (by " in told


def test_the_summary_says_no_verdict_that_the_intervals_do_not_show(make, changed) -> None:
    baseline = make()
    answers = baseline.table["y_pred"].to_numpy(copy=True)
    wrong = np.flatnonzero((baseline.group == 1) & (baseline.y_true != baseline.y_pred))[:2]
    answers[wrong] = [f"c{k}" for k in baseline.y_true[wrong]]
    result = audit(changed(baseline, "y_pred", answers), baseline=baseline, n_boot=200, attributes=["group"])
    gap = rows_of(result).loc[("group", "gap", "macro_f1")]
    assert gap["note"] == "improved all" and gap["high"] >= 0
    assert "no clear change of the gap." in result.summary()
    assert "improved all" not in result.summary()


@pytest.mark.parametrize(
    ("spoiled", "words"), [((2, 1), "of every group fell"), ((2, 0), "of some groups fell and none rose")]
)
def test_levelling_down_within_the_noise_is_called_so(make, changed, spoiled: tuple[int, int], words: str) -> None:
    baseline = make()
    answers = baseline.table["y_pred"].to_numpy(copy=True)
    for g, count in enumerate(spoiled):
        rows = np.flatnonzero((baseline.group == g) & (baseline.y_true == baseline.y_pred) & (baseline.y_true > 0))
        answers[rows[:count]] = "c0"
    worse = changed(baseline, "y_pred", answers)
    result = audit(worse, baseline=baseline, n_boot=200, attributes=["group"])
    found = [f for f in result.flags if "The gap in Accuracy fell from" in str(f)]
    assert [f.severity for f in found] == ["note"]
    flags = [str(f) for f in found]
    assert f"but point estimates {words}, within the noise" in flags[0] and "levelled down" not in flags[0]


def test_samples_are_matched_by_id_and_classes_by_name(make) -> None:
    method = make(ids=[f"s{i}" for i in range(240)])
    baseline = make(ids=[f"s{i}" for i in range(240)])
    shuffled = baseline.where(np.random.default_rng(0).permutation(240)[:200])
    renamed = type(shuffled)(shuffled.table, ("c2", "c0", "c1"), shuffled.groups, shuffled.sensitive)
    result = audit(method, baseline=renamed, n_boot=20)
    rows = rows_of(result)
    assert (rows["change"] == 0).all()
    assert rows.loc[("group", "overall", "auc"), "n"] == 200
    assert "Only 200 samples are in both" in " ".join(map(str, result.flags))


def test_without_scores_on_one_side_auc_is_not_compared(make) -> None:
    result = audit(make(), baseline=make(scores=False), n_boot=5)
    assert "auc" not in set(result.comparison["metric"]) and "auc" in set(result.table["metric"])


def test_too_few_groups_are_not_compared_in_gaps_and_unstratified_works(make) -> None:
    result = audit(make(), baseline=make(), n_boot=5, min_n=200, stratify=False)
    assert "gap" not in set(result.comparison["group"])


def test_mistakes_are_named(make, changed) -> None:
    with pytest.raises(PredictionsError, match="stands in several rows of the baseline"):
        audit(make(ids=range(240)), baseline=make(ids=["x"] * 240))
    with pytest.raises(PredictionsError, match="No id of the predictions is in the baseline"):
        audit(make(ids=range(240)), baseline=make(ids=[f"s{i}" for i in range(240)]))
    with pytest.raises(PredictionsError, match="The classes differ"):
        audit(make(), baseline=make(classes=["a", "b", "c"]))
    other = changed(make(), "y_true", np.roll(make().table["y_true"], 1))
    with pytest.raises(PredictionsError, match=r"The label of .* differs"):
        audit(make(), baseline=other)
