"""Counts, one-vs-rest rates and their averages, against the worked example and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from everygroup.errors import PredictionsError
from everygroup.metrics import (
    accuracy,
    balanced_accuracy,
    class_rates,
    confusion_counts,
    macro_f1,
    macro_precision,
    macro_recall,
    one_vs_rest,
    rate,
)

Y = [0, 0, 1, 1, 2, 2] * 2
ANSWERS = [0, 0, 1, 2, 2, 2, 0, 1, 1, 1, 2, 0]
GROUP = [0] * 6 + [1] * 6


def test_worked_example_rates() -> None:
    counts = one_vs_rest(confusion_counts(Y, ANSWERS, n_classes=3, group=GROUP))
    np.testing.assert_allclose(class_rates(counts, "tpr"), [[1, 0.5, 1], [0.5, 1, 0.5]])
    np.testing.assert_allclose(class_rates(counts, "tnr"), [[1, 1, 0.75], [0.75, 0.75, 1]])
    np.testing.assert_allclose(class_rates(counts, "fpr"), 1 - class_rates(counts, "tnr"))
    np.testing.assert_allclose(class_rates(counts, "fnr"), 1 - class_rates(counts, "tpr"))
    assert (counts.tp + counts.fn + counts.fp + counts.tn == 6).all()


@pytest.mark.parametrize(
    ("metric", "first", "second"),
    [
        (accuracy, 0.833333, 0.666667),
        (macro_precision, 0.888889, 0.722222),
        (macro_recall, 0.833333, 0.666667),
        (macro_f1, 0.822222, 0.655556),
        (balanced_accuracy, 0.833333, 0.666667),
    ],
)
def test_worked_example_performance(metric, first: float, second: float) -> None:
    measured = metric(Y, ANSWERS, sensitive_features=GROUP)
    assert measured.per_group[0] == pytest.approx(first, abs=1e-6)
    assert measured.per_group[1] == pytest.approx(second, abs=1e-6)
    assert measured.n_per_group == {0: 6, 1: 6}
    assert measured.gap == pytest.approx(first - second, abs=2e-6)
    assert measured.worst == 1


def test_group_counts_sum_to_n_minus_missing() -> None:
    group = ["a", None, "b", float("nan"), "", -1]
    counts = confusion_counts([0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 0], n_classes=2, group=[0, -1, 1, -1, -1, -1])
    assert counts.sum() == 2
    measured = accuracy([0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 0], sensitive_features=np.array(group, dtype=object))
    assert measured.n == 6 and measured.n_missing == 4
    assert measured.n_per_group == {"a": 1, "b": 1}


def test_a_class_absent_from_one_group_does_not_shift_the_others() -> None:
    counts = confusion_counts([0, 2, 1, 2], [0, 2, 1, 1], n_classes=3, group=[0, 0, 1, 1], weights=[1, 2, 1, 1])
    assert counts[0, 2, 2] == 2 and counts[1, 1, 1] == 1 and counts[1, 2, 1] == 1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-1, 1)), min_size=4, max_size=40))
def test_equals_scikit_learn_in_every_group(rows: list[tuple[int, int, int]]) -> None:
    y, answer, group = (np.array(c) for c in zip(*rows, strict=True))
    for g in (0, 1):
        inside = group == g
        if not inside.any():
            continue
        for name, function in (("precision", macro_precision), ("recall", macro_recall), ("f1", macro_f1)):
            i = ("precision", "recall", "f1").index(name)
            lab = function(y, answer, sensitive_features=group, classes=range(4), zero_division=0.0, absent="count")
            expected = sk.precision_recall_fscore_support(
                y[inside], answer[inside], labels=range(4), average="macro", zero_division=0.0
            )[i]
            assert lab.per_group[g] == pytest.approx(expected, abs=1e-12)
            skip = function(y, answer, sensitive_features=group, classes=range(4))
            present = np.unique(y[inside])
            per_class = sk.precision_recall_fscore_support(
                y[inside], answer[inside], labels=present, zero_division=np.nan
            )[i]
            expected = np.nan if np.isnan(per_class).all() else np.nanmean(per_class)
            assert skip.per_group[g] == pytest.approx(expected, abs=1e-12, nan_ok=True)
            weighted = function(y, answer, sensitive_features=group, average="weighted", zero_division=0.0)
            expected = sk.precision_recall_fscore_support(
                y[inside], answer[inside], average="weighted", zero_division=0.0
            )[i]
            assert weighted.per_group[g] == pytest.approx(expected, abs=1e-12)
            micro = function(y, answer, sensitive_features=group, average="micro")
            assert micro.per_group[g] == pytest.approx(sk.accuracy_score(y[inside], answer[inside]), abs=1e-12)


def test_equals_fairlearn_where_names_coincide() -> None:
    from fairlearn.metrics import MetricFrame, selection_rate, true_positive_rate

    rng = np.random.default_rng(0)
    y, answer, group = rng.integers(0, 2, (3, 80))
    frame = MetricFrame(
        metrics={"tpr": true_positive_rate, "selection_rate": selection_rate},
        y_true=y,
        y_pred=answer,
        sensitive_features=group,
    )
    for name in ("tpr", "selection_rate"):
        measured = rate(y, answer, name=name, positive=1, sensitive_features=group)
        assert dict(measured.per_group) == pytest.approx(frame.by_group[name].to_dict(), abs=1e-12)
        assert measured.gap == pytest.approx(frame.difference()[name], abs=1e-12)


def test_undefined_is_nan_and_counted_unless_asked_otherwise() -> None:
    never_answered = rate([0, 0, 1], [0, 0, 0], name="ppv", positive=1)
    assert np.isnan(never_answered.value) and never_answered.n_undefined == 1
    assert rate([0, 0, 1], [0, 0, 0], name="ppv", positive=1, zero_division=1.0).value == 1.0
    absent = macro_recall([0, 0, 1], [0, 0, 1], sensitive_features=["a", "a", "b"], classes=[0, 1])
    assert absent.n_undefined == 2
    assert absent.per_group == {"a": 1.0, "b": 1.0}


def test_one_group_has_no_gap_and_no_value_no_worst_group() -> None:
    assert np.isnan(accuracy([0, 1], [0, 1], sensitive_features=["a", "a"]).gap)
    assert accuracy([0, 1], [0, 1]).worst is None
    assert float(accuracy([0, 1], [0, 0])) == 0.5


def test_class_names_may_be_text_in_a_given_order() -> None:
    measured = rate(["mel", "nv"], ["mel", "mel"], name="tpr", positive="nv", classes=["nv", "mel"])
    assert measured.value == 0.0


def test_mistakes_are_named() -> None:
    with pytest.raises(PredictionsError, match="shape"):
        accuracy([0, 1], [0])
    with pytest.raises(PredictionsError, match="Position 1 of y_pred: unknown label 'x'"):
        accuracy(["a", "b"], ["a", "x"], classes=["a", "b"])
    with pytest.raises(PredictionsError, match="2 dimensions"):
        accuracy([0, 1], [0, 1], sensitive_features=[["a", "b"], ["a", "c"]])
