"""Audit of several labels: values are those of the pure functions; unknown labels are left out and said."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from everygroup.audit.tasks import audit_multilabel
from everygroup.errors import PredictionsError
from everygroup.metrics.multilabel import METRICS

LABELS = ["edema", "mass", "nodule"]


def _data(seed: int = 0, n: int = 240, unknown: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random((n, 3)) < 0.4).astype(float)
    score = np.clip(0.4 * y + rng.random(y.shape) * 0.7, 0, 1).round(2)
    y[rng.random(y.shape) < unknown] = np.nan
    return y, score, rng.choice(["a", "b"], n)


def test_values_are_those_of_the_metrics() -> None:
    y, score, group = _data()
    found = audit_multilabel(y, score, labels=LABELS, sensitive_features={"site": group}, n_boot=100, intersections=1)
    pred = (score >= 0.5).astype(int)
    for info in METRICS:
        measured = info.function(y, score if info.name.endswith("auc") else pred, sensitive_features=group)
        assert found.value("site", "overall", info.name) == pytest.approx(measured.value, abs=1e-12)
        for g in "ab":
            assert found.value("site", g, info.name) == pytest.approx(measured.per_group[g], abs=1e-12)
    oracles = {"recall": recall_score, "precision": precision_score, "f1": f1_score}
    for word, rows in (("overall", np.ones(len(y), bool)), ("a", group == "a"), ("b", group == "b")):
        for k, label in enumerate(LABELS):
            known = rows & ~np.isnan(y[:, k])
            for name, oracle in oracles.items():
                expected = oracle(y[known, k], pred[known, k])
                assert found.value("site", word, f"{name}[{label}]") == pytest.approx(expected, abs=1e-12)
    assert {f"auc[{label}]" for label in LABELS} <= set(found.table["metric"])
    assert found.table[["value", "low", "high"]].notna().all().all()
    assert set(found.intersections["group"]) == {"a", "b"}
    unknown = np.isnan(y).sum(axis=0)
    assert found.settings["n_unknown"] == dict(zip(LABELS, unknown.tolist(), strict=True))
    assert sum("have no known label" in flag for flag in map(str, found.flags)) == 3
    assert found.settings["headline"] == "label_macro_f1" and "of 100 cases" in found.summary()


def test_a_label_missed_in_one_group_is_found_and_compared() -> None:
    y, score, group = _data(1, n=400, unknown=0.0)
    worse = score.copy()
    worse[group == "b", 1] *= 0.5
    found = audit_multilabel(y, worse, labels=LABELS, sensitive_features={"site": group}, baseline=score, n_boot=200)
    gaps = found.table[found.table["group"] == "gap"].set_index("metric")
    assert gaps.loc["recall[mass]", "p"] < 0.01 < gaps.loc["recall[edema]", "p"]
    rows = found.comparison.set_index(["group", "metric"])
    assert rows.loc[("b", "recall[mass]"), "high"] < 0 and rows.loc[("a", "recall[mass]"), "change"] == 0
    assert rows.loc[("gap", "recall[mass]"), "note"] == "levelled down"


def test_answers_without_scores_and_without_rows_for_labels() -> None:
    y, score, group = _data(2)
    pred = (score >= 0.3).astype(int)
    answered = audit_multilabel(y, y_pred=pred, sensitive_features={"g": group}, n_boot=20, baseline=pred)
    assert "label_macro_auc" not in set(answered.table["metric"]) and "recall[0]" in set(answered.table["metric"])
    assert "no scores" in " ".join(map(str, answered.flags))
    assert (answered.comparison["change"] == 0).all()
    both = audit_multilabel(
        y, score, y_pred=pred, threshold=[0.3, 0.3, 0.3], sensitive_features={"g": group}, n_boot=20, by_label=False
    )
    assert not any("[" in m for m in both.table["metric"])
    assert both.value("g", "a", "hamming_loss") == answered.value("g", "a", "hamming_loss")


def test_a_label_without_positives_in_a_group_is_noted() -> None:
    y, score, group = _data(3, unknown=0.0)
    y[group == "b", 0] = 0
    found = audit_multilabel(y, score, labels=LABELS, sensitive_features={"g": group}, n_boot=50)
    row = found.table[(found.table["metric"] == "recall[edema]") & (found.table["group"] == "b")].iloc[0]
    assert np.isnan(row["value"]) and row["note"] == "undefined"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"y_score": None}, "neither"),
        ({"y_score": [[0.1]] * 20}, "y_score"),
        ({"y_score": [[0.1, np.nan]] * 20}, "y_score"),
        ({"y_true": [[0, -1]] * 20}, "is -1"),
        ({"y_true": [0] * 20}, "one row a sample"),
        ({"y_pred": [[0, 3]] * 20}, "y_pred, label 1, is 3"),
        ({"y_pred": [[0, 1]] * 19}, "y_pred"),
        ({"baseline": [[0.1, 0.2]]}, "y_pred"),
        ({"labels": ["a", "a"]}, "names"),
        ({"threshold": [1.0]}, "threshold"),
        ({"sensitive_features": {"g": ["a"]}}, "20 samples"),
    ],
)
def test_bad_input_is_said(change: dict, text: str) -> None:
    call = {
        "y_true": [[0, 1], [1, 0]] * 10,
        "y_score": [[0.2, 0.7]] * 20,
        "sensitive_features": {"g": ["a", "b"] * 10},
    } | change
    with pytest.raises(PredictionsError, match=text):
        audit_multilabel(call.pop("y_true"), call.pop("y_score"), **call)


def test_a_label_answered_alike_and_one_ranked_the_wrong_way_are_told() -> None:
    y, score, group = _data(3, n=300, unknown=0.0)
    score[:, 0], score[:, 1] = 0.1, 1 - score[:, 1]
    flags = audit_multilabel(y, score, labels=LABELS, sensitive_features={"site": group}, n_boot=60).flags
    assert [f.severity for f in flags if f"{LABELS[0]}: every sample is answered 0" in f.text] == ["caution"]
    assert [f.metric for f in flags if f.severity == "stop"] == [f"auc[{LABELS[1]}]"]
