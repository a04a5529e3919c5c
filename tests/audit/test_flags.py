"""What is to be heeded, by how grave it is."""

import numpy as np
import pytest

from everygroup.audit import audit, audit_arrays
from everygroup.audit.flags import Flag, ranked
from everygroup.errors import SettingsError


def test_the_gravest_come_first_and_each_once() -> None:
    flags = ranked(["b", Flag("note", "n"), Flag("stop", "s"), "b", Flag("caution", "a")])
    assert [str(f) for f in flags] == ["s", "b", "a", "n"] and flags[1].severity == "caution"


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_of_the_other_class_stop(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, 200)
    score = rng.dirichlet(np.ones(n_classes), 200) + 0.3 * np.eye(n_classes)[(y + 1) % n_classes]
    score /= score.sum(axis=1, keepdims=True)
    site = {"site": rng.choice(["a", "b"], 200)}
    names = ["well", "ill", "worse"][:n_classes]
    first = audit_arrays(y, y_score=score, classes=names, sensitive_features=site, n_boot=60).flags[0]
    assert first.severity == "stop" and first.metric == "auc" and "worse than no information" in first.text
    assert ("(--positive well)" in first.text) == (n_classes == 2)
    chance = audit_arrays(y, y_score=rng.dirichlet(np.ones(n_classes), 200), sensitive_features=site, n_boot=60)
    assert not any(f.metric == "auc" and f.severity == "stop" for f in chance.flags)


def test_one_answer_for_all_stops() -> None:
    y = np.arange(60) % 2
    result = audit_arrays(y, y_pred=0 * y, classes=["no", "yes"], sensitive_features=["a", "b"] * 30, n_boot=5)
    assert result.flags[0].severity == "stop" and "Every sample is answered 'no'" in result.flags[0].text


def test_a_patient_in_training_and_test_stops(make) -> None:
    mixed = audit(make(split=["train", "test"] * 120), n_boot=5)
    assert mixed.flags[0] == Flag("stop", "120 patients have samples both in the training split and in others: a leak.")
    assert mixed.flags[1].severity == "stop" and "mix the splits" in mixed.flags[1].text
    apart = audit(make(split=["train"] * 120 + ["test"] * 120), n_boot=5)
    assert not any("leak" in f.text for f in apart.flags)


def test_all_groups_worse_than_the_baseline_is_the_headline(make, changed) -> None:
    baseline = make()
    right = np.flatnonzero(baseline.y_true == baseline.y_pred)
    answers = baseline.table["y_pred"].to_numpy(copy=True)
    answers[right[::3]] = [f"c{(k + 1) % 3}" for k in baseline.y_true[right[::3]]]
    result = audit(changed(baseline, "y_pred", answers), baseline=baseline, n_boot=50)
    assert result.summary().startswith("4 of 4 groups got worse than with erm")
    assert "groups got worse" not in audit(baseline, baseline=baseline, n_boot=20).summary()


def test_critical_classes_lead_and_unknown_ones_are_named(make) -> None:
    result = audit(make(), n_boot=20, critical=["c2", "c0"])
    assert result.settings["shown"][:4] == ["balanced_accuracy", "recall[c2]", "recall[c0]", "macro_f1"]
    assert result.settings["headline"] == "recall[c2]" and result.settings["critical"] == ["c2", "c0"]
    two = audit(make(n_classes=2), n_boot=20, critical=["c0"], intersections=1)
    assert two.settings["headline"] == "recall[c0]" and two.settings["positive"] == "c1"
    assert audit(make(n_classes=2), n_boot=5, critical=["c1"]).settings["headline"] == "sensitivity"
    with pytest.raises(SettingsError, match="no class 'melanoma' to be critical"):
        audit(make(), n_boot=5, critical=["melanoma"])


def test_subgroups_do_not_deny_what_one_attribute_shows() -> None:
    """With many subgroups an adjusted p of one attribute can be large where its own gap is clear."""
    rng = np.random.default_rng(0)
    n = 600
    sex, age = rng.integers(0, 2, n), rng.integers(0, 2, n)
    y = rng.integers(0, 2, n)
    right = rng.random(n) < np.where(sex == age, 0.95, 0.55) - 0.06 * sex
    pred = np.where(right, y, 1 - y)
    features = {"sex": sex, "age": age}
    result = audit_arrays(y, y_pred=pred, sensitive_features=features, n_boot=300, intersections=2)
    clear = {
        metric for metric, p in result.table[result.table["group"] == "gap"][["metric", "p"]].to_numpy() if p <= 0.05
    }
    denied = {f.metric for f in result.flags if "no single attribute" in f.text}
    assert denied and not denied & clear
