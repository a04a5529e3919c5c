"""Thresholds: parsed, chosen on validation rows only, stored and applied."""

import doctest
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_curve

from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics import thresholds
from everygroup.metrics.thresholds import Rule, apply_threshold, choose_threshold, threshold_of
from everygroup.predictions import Predictions

ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40).filter(
    lambda rows: len({r[0] for r in rows}) == 2
)


def test_the_examples_in_the_documentation_run() -> None:
    result = doctest.testmod(thresholds)
    assert result.attempted >= 6 and result.failed == 0


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("youden", Rule("youden")),
        ("f1", Rule("f1")),
        ("fixed:0.5", Rule("fixed", 0.5)),
        ("validation:youden", Rule("youden", None, "validation")),
        ("val:fixed:.25", Rule("fixed", 0.25, "val")),
        ("spec:0.9", Rule("spec", 0.9)),
        ("test:sens:1", Rule("sens", 1.0, "test")),
    ],
)
def test_rules_are_parsed(text: str, rule: Rule) -> None:
    assert Rule.parse(text) == rule
    assert Rule.parse(str(rule)).name == rule.name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "best",
        "youden:0.5",
        "fixed",
        "fixed:",
        "fixed:x",
        "fixed:1.5",
        "fixed:nan",
        "spec",
        ":youden",
        "a:b:f1",
    ],
)
def test_other_rules_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="no threshold rule"):
        Rule.parse(text)


@settings(deadline=None, max_examples=80)
@given(ROWS)
def test_youden_and_f1_reach_the_best_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    y, score = (np.array(c) for c in zip(*rows, strict=True))
    score = score / 6
    fpr, tpr, _ = roc_curve(y, score)
    youden = choose_threshold(y, score, "youden")
    assert youden.sensitivity + youden.specificity - 1 == pytest.approx((tpr - fpr).max())
    best = choose_threshold(y, score, "f1")
    assert best.f1 == pytest.approx(max(f1_score(y, score >= t) for t in np.unique(score)))
    for chosen in (youden, best):
        assert f1_score(y, chosen.apply(score), zero_division=0.0) == pytest.approx(chosen.f1)


@settings(deadline=None, max_examples=80)
@given(ROWS, st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_a_fixed_specificity_or_sensitivity_is_kept(rows: list[tuple[bool, int]], level: float) -> None:
    y, score = (np.array(c) for c in zip(*rows, strict=True))
    score = score / 6
    fpr, tpr, _ = roc_curve(y, score, drop_intermediate=False)
    kept = choose_threshold(y, score, f"spec:{level}")
    assert kept.specificity >= level - 1e-12
    assert kept.sensitivity == pytest.approx(tpr[1 - fpr >= level - 1e-12].max())
    other = choose_threshold(y, score, f"sens:{level}")
    assert other.sensitivity >= level - 1e-12
    assert other.specificity == pytest.approx((1 - fpr)[tpr >= level - 1e-12].max())


def test_fixed_needs_no_validation_rows_and_says_what_it_achieves() -> None:
    chosen = choose_threshold([0, 1, 1], [0.5, 0.4, 0.9], "fixed:0.5", split="test")
    assert (chosen.value, chosen.split, chosen.n, chosen.n_positive) == (0.5, "test", 3, 2)
    assert (chosen.sensitivity, chosen.specificity, chosen.precision, chosen.f1) == (0.5, 0.0, 0.5, 0.5)
    assert json.loads(json.dumps(chosen.to_dict()))["rule"] == "fixed:0.5"
    undefined = choose_threshold([0, 0], [0.1, 0.2], "fixed:0.5", classes=[0, 1])
    assert np.isnan(undefined.sensitivity) and np.isnan(undefined.precision)


def test_test_rows_are_refused_unless_asked_for_by_name() -> None:
    y, score = [0, 1, 0, 1], [0.1, 0.9, 0.4, 0.6]
    for split in ("test", "", ["validation", "validation", "train", "validation"]):
        with pytest.raises(PredictionsError, match="validation rows"):
            choose_threshold(y, score, "f1", split=split)
    assert choose_threshold(y, score, "f1", split="test", medfair_compat=True).split == "test"
    assert choose_threshold(y, score, "f1", split=["val", "dev", "val", "val"]).split == "dev, val"


def test_nobody_is_answered_positive_when_that_is_asked() -> None:
    chosen = choose_threshold([1, 1, 0], [0.1, 0.2, 0.9], "spec:1")
    assert chosen.sensitivity == 0.0 and chosen.specificity == 1.0 and chosen.value > 0.9
    assert not chosen.apply([0.9]).any()


def test_mistakes_are_named() -> None:
    with pytest.raises(PredictionsError, match="of one class"):
        choose_threshold([1, 1], [0.2, 0.4], "youden", classes=[0, 1])
    with pytest.raises(PredictionsError, match="needs two classes"):
        choose_threshold([0, 1, 2], np.full((3, 3), 1 / 3), "youden")
    three = Predictions.from_arrays([0, 1, 2], np.full((3, 3), 1 / 3))
    with pytest.raises(PredictionsError, match="there are 3"):
        threshold_of(three, "youden")
    with pytest.raises(PredictionsError, match="there are 3"):
        apply_threshold(three, choose_threshold([0, 1], [0.1, 0.9], "youden"))


def test_a_threshold_of_predictions_sees_validation_rows_only() -> None:
    p = Predictions.from_arrays(
        [0, 1, 0, 1, -1, 0],
        [0.2, 0.6, 0.4, 0.3, 0.1, 0.7],
        classes=["benign", "malignant"],
        split=["validation"] * 2 + ["test"] * 2 + ["validation", "Val"],
    )
    chosen = threshold_of(p, "validation:youden")
    assert chosen.value == 0.6 and chosen.n == 2 and chosen.split == "validation"
    assert threshold_of(p, "youden").n == 3
    with pytest.raises(PredictionsError, match="validation rows"):
        threshold_of(p, "test:youden")
    with pytest.raises(PredictionsError, match="the splits are"):
        threshold_of(p, "calibration:youden")
    flattered = threshold_of(p, "youden", medfair_compat=True)
    assert flattered.n == 5 and "test" in flattered.split
    answered = apply_threshold(p, chosen)
    assert answered.y_pred.tolist() == [0, 1, 0, 0, 0, 1]
    assert answered.classes == p.classes
    assert threshold_of(p, "fixed:0.25").n == 5
    with pytest.raises(PredictionsError, match="no row"):
        threshold_of(p.of_split("test"), "youden")


@pytest.mark.parametrize("split", ["development", "Tune"])
def test_every_name_of_a_validation_split_may_choose(split: str) -> None:
    assert choose_threshold([0, 1], [0.2, 0.6], "youden", split=split).value == 0.6


def test_a_file_of_validation_rows_needs_no_split_but_is_never_the_test() -> None:
    rows = Predictions.from_arrays([0, 1, 0, 1], [0.2, 0.6, 0.4, 0.9])
    chosen = threshold_of(rows, "sens:1", own_file="val.csv")
    assert chosen.value == 0.6 and chosen.split == "val.csv" and chosen.n == 4
    with pytest.raises(PredictionsError, match="no row with a known label"):
        threshold_of(rows, "sens:1")
    test = Predictions.from_arrays([0, 1, 0, 1], [0.2, 0.6, 0.4, 0.9], split="test")
    with pytest.raises(PredictionsError, match="the splits are: test"):
        threshold_of(test, "sens:1", own_file="val.csv")
