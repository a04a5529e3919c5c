"""Multi-label metrics against scikit-learn, and unknown labels."""

import doctest

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from everygroup.errors import PredictionsError
from everygroup.metrics import metric_info, multilabel
from everygroup.metrics.labels import answers, label_table
from everygroup.metrics.multilabel import (
    METRICS,
    LabelRates,
    hamming_loss,
    label_macro_auc,
    label_macro_f1,
    label_macro_recall,
    subset_accuracy,
)

NAN = float("nan")


def _data(seed: int = 0, n: int = 150, n_labels: int = 4, unknown: float = 0.0) -> tuple:
    rng = np.random.default_rng(seed)
    y = (rng.random((n, n_labels)) < 0.4).astype(float)
    score = np.clip(0.5 * y + rng.random(y.shape) * 0.7, 0, 1)
    y[rng.random(y.shape) < unknown] = NAN
    return y, score, rng.integers(0, 2, n)


def test_doctests() -> None:
    result = doctest.testmod(multilabel)
    assert result.attempted >= 4 and result.failed == 0


def test_equals_scikit_learn_overall_and_by_group() -> None:
    y, score, group = _data()
    pred = (score >= 0.5).astype(int)
    oracles = {
        "recall": lambda t, p: sk.recall_score(t, p, average="macro"),
        "precision": lambda t, p: sk.precision_score(t, p, average="macro"),
        "f1": lambda t, p: sk.f1_score(t, p, average="macro"),
        "specificity": lambda t, p: np.mean([sk.recall_score(1 - t[:, k], 1 - p[:, k]) for k in range(4)]),
    }
    calls = {
        name: (lambda t, p, s, name=name: metric_info(f"label_macro_{name}").function(t, p, sensitive_features=s))
        for name in oracles
    }
    oracles |= {"subset": sk.accuracy_score, "hamming": sk.hamming_loss}
    calls |= {
        "subset": lambda t, p, s: subset_accuracy(t, p, sensitive_features=s),
        "hamming": lambda t, p, s: hamming_loss(t, p, sensitive_features=s),
    }
    for name, oracle in oracles.items():
        measured = calls[name](y, pred, group)
        assert measured.value == pytest.approx(oracle(y, pred), abs=1e-12)
        for g in (0, 1):
            assert measured.per_group[g] == pytest.approx(oracle(y[group == g], pred[group == g]), abs=1e-12)
    measured = label_macro_auc(y, score, sensitive_features=group)
    for g in (0, 1):
        expected = sk.roc_auc_score(y[group == g], score[group == g], average="macro")
        assert measured.per_group[g] == pytest.approx(expected, abs=1e-12)


def test_unknown_labels_are_left_out_of_their_label_only_and_counted() -> None:
    y, score, group = _data(1, unknown=0.3)
    pred = (score >= 0.5).astype(int)
    known = ~np.isnan(y)
    family = LabelRates(label_table(y, pred, labels=list("abcd")), by_label=True)
    for k, label in enumerate("abcd"):
        for name, oracle in (("recall", sk.recall_score), ("precision", sk.precision_score), ("f1", sk.f1_score)):
            for rows in (np.ones(150, bool), group == 1):
                inside = rows & known[:, k]
                values = family.values(family.features[rows].sum(axis=0))
                assert values[f"{name}[{label}]"] == pytest.approx(oracle(y[inside, k], pred[inside, k]), abs=1e-12)
        found, positives = family.proportions(family.features.sum(axis=0))[f"recall[{label}]"]
        assert positives == np.nansum(y[:, k]) and found == (y[:, k] * pred[:, k])[known[:, k]].sum()
    aucs = [sk.roc_auc_score(y[known[:, k], k], score[known[:, k], k]) for k in range(4)]
    assert label_macro_auc(y, score).value == pytest.approx(np.mean(aucs), abs=1e-12)
    measured = hamming_loss(y, pred)
    assert measured.value == pytest.approx((y != pred)[known].mean()) and measured.n_undefined == (~known).sum()
    complete = known.all(axis=1)
    exact = subset_accuracy(y, pred)
    assert exact.value == pytest.approx((y == pred)[complete].all(axis=1).mean())
    assert exact.n_undefined == (~complete).sum()


def test_undefined_labels_are_counted_in_the_shown_groups() -> None:
    y = [[1, 0], [0, 0], [1, 1], [0, 0]]
    measured = label_macro_recall(y, y, sensitive_features=["a", "a", "b", "b"])
    assert measured.per_group == {"a": 1.0, "b": 1.0} and measured.n_undefined == 1
    assert label_macro_recall([[0, 0]], [[0, 0]]).n_undefined == 2
    assert np.isnan(label_macro_auc([[1.0], [1.0]], [[0.1], [0.2]]).value)
    assert (
        np.isnan(label_macro_auc([[NAN, 1.0], [NAN, 0.0]], [[0.1, 2], [0.2, 1]], labels=["x", "y"]).value) is np.False_
    )


def test_names_come_from_a_data_frame_and_thresholds_may_differ() -> None:
    frame = pd.DataFrame({"edema": [1, 0], "effusion": [0, 1]})
    assert label_table(frame, frame).labels == ("edema", "effusion")
    assert answers([[0.3, 0.3]], n_labels=2, threshold=[0.2, 0.4])[1].tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: label_macro_f1([1, 0], [1, 0]), "one row a sample"),
        (lambda: label_macro_f1([[1, 0]], [[1]]), "y_pred has shape"),
        (lambda: label_macro_f1([[1, 0]], [[1, 0], [1, 0]]), "y_pred"),
        (lambda: label_macro_f1([[1, -1]], [[1, 0]]), "label 1, is -1"),
        (lambda: label_macro_f1([[1, 0]], [[1, NAN]]), "y_pred, label 1"),
        (lambda: label_macro_f1([["x", "y"]], [[1, 0]]), "not numbers"),
        (lambda: label_macro_f1([[NAN, NAN]], [[1, 0]]), "No label is known"),
        (lambda: label_macro_f1([[1, 0]], [[1, 0]], labels=["a"]), "1 names for 2"),
        (lambda: label_macro_f1([[1, 0]], [[1, 0]], labels=["a", "a"]), "2 names"),
        (lambda: answers([[NAN]], n_labels=1), "y_score"),
        (lambda: answers([[0.5]], n_labels=1, threshold=[0.1, 0.2]), "threshold"),
        (lambda: hamming_loss([[1, 0]], [[1, 0]], sensitive_features=["a", "b"]), "sensitive_features"),
    ],
)
def test_bad_input_is_said(call, text: str) -> None:
    with pytest.raises(PredictionsError, match=text):
        call()


def test_records() -> None:
    y, score, group = _data(2)
    for info in METRICS:
        measured = info.function(y, (score >= 0.5).astype(int), sensitive_features=group)
        assert info.low <= measured.value <= info.high
        assert info.function(y, y, sensitive_features=group).value == info.optimum
        assert info.higher_is_better == (info.name != "hamming_loss")
