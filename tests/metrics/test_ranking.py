"""AUC, plain and under replicate weights."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from everygroup.errors import PredictionsError
from everygroup.metrics import Ranking, auc
from everygroup.metrics import scores as module
from everygroup.metrics.scores import Ranks, auprc


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=30))
def test_weighted_auc_equals_scikit_learn_with_ties(rows: list[tuple[bool, int, int]]) -> None:
    positive, score, weight = (np.array(c) for c in zip(*rows, strict=True))
    value = Ranking.of(score, positive).auc(weight.astype(np.float32)[:, None])[0]
    drawn = np.repeat(np.arange(len(rows)), weight)
    if len(set(positive[drawn])) < 2:
        assert np.isnan(value)
    else:
        assert value == pytest.approx(roc_auc_score(positive[drawn], score[drawn]), abs=1e-12)


def test_weights_of_clusters_count_for_all_their_rows() -> None:
    rng = np.random.default_rng(1)
    score, positive, cluster = rng.normal(size=60), rng.random(60) < 0.4, rng.integers(0, 9, 60)
    weights = rng.integers(0, 3, (9, 5)).astype(np.float32)
    by_cluster = Ranking.of(score, positive, cluster, 9).auc(weights)
    by_row = Ranking.of(score, positive).auc(weights[cluster])
    np.testing.assert_allclose(by_cluster, by_row, rtol=1e-12)


def test_macro_one_vs_rest_equals_scikit_learn_in_every_group() -> None:
    rng = np.random.default_rng(0)
    y, group = rng.integers(0, 4, 200), rng.integers(0, 2, 200)
    score = rng.random((200, 4))
    score /= score.sum(axis=1, keepdims=True)
    measured = auc(y, score, sensitive_features=group)
    for g in (0, 1):
        inside = group == g
        expected = roc_auc_score(y[inside], score[inside], multi_class="ovr")
        assert measured.per_group[g] == pytest.approx(expected, abs=1e-12)
    assert measured.n_undefined == 0
    evaluate = Ranks(y, score, "abcd").bind(np.arange(200), np.arange(200), 200)
    np.testing.assert_allclose(evaluate(np.ones((200, 3), dtype=np.float32))["auc"], measured.value)


def test_binary_scores_may_be_those_of_the_second_class() -> None:
    y, score = [0, 1, 1, 0], [0.2, 0.9, 0.4, 0.4]
    assert auc(y, score).value == pytest.approx(roc_auc_score(y, score))
    assert auc(["no", "yes", "yes", "no"], score, classes=["no", "yes"]).value == pytest.approx(0.875)
    assert auc(["no", "yes", "yes", "no"], score).value == pytest.approx(0.875)


def test_a_group_without_two_classes_is_undefined() -> None:
    measured = auc([0, 1, 1, 1], [0.1, 0.9, 0.8, 0.7], sensitive_features=["a", "a", "b", "b"])
    assert measured.per_group["a"] == 1.0 and np.isnan(measured.per_group["b"])
    assert measured.n_undefined == 1 and np.isnan(measured.gap) and measured.worst == "a"


def test_classes_absent_from_a_group_are_left_out_of_its_mean() -> None:
    score = np.array([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.2, 0.7, 0.1], [0.6, 0.2, 0.2]])
    measured = auc([0, 1, 1, 0], score)
    assert measured.value == 1.0 and measured.n_undefined == 1


def test_mistakes_are_named() -> None:
    with pytest.raises(PredictionsError, match="NaN"):
        auc([0, 1], [0.1, float("nan")])
    with pytest.raises(PredictionsError, match="shape"):
        auc([0, 1, 1], [0.1, 0.2])
    with pytest.raises(PredictionsError, match="3 columns but y_true 2 classes"):
        auc(["a", "b"], [[0.2, 0.3, 0.5]] * 2)


def test_the_examples_in_the_documentation_run() -> None:
    result = doctest.testmod(module)
    assert result.attempted >= 2 and result.failed == 0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30))
def test_weighted_average_precision_equals_scikit_learn_with_ties(rows: list[tuple[bool, int, int]]) -> None:
    positive, score, weight = (np.array(c) for c in zip(*rows, strict=True))
    value = Ranking.of(score, positive).average_precision(weight.astype(np.float32)[:, None])[0]
    drawn = np.repeat(np.arange(len(rows)), weight)
    if not positive[drawn].any():
        assert np.isnan(value)
    else:
        assert value == pytest.approx(average_precision_score(positive[drawn], score[drawn]), abs=1e-12)


def test_macro_average_precision_equals_scikit_learn_in_every_group() -> None:
    rng = np.random.default_rng(0)
    y, group = rng.integers(0, 4, 200), rng.integers(0, 2, 200)
    score = rng.random((200, 4)).round(1)
    measured = auprc(y, score, sensitive_features=group)
    for g in (0, 1):
        inside = group == g
        expected = average_precision_score(np.eye(4)[y[inside]], score[inside], average="macro")
        assert measured.per_group[g] == pytest.approx(expected, abs=1e-12)
    evaluate = Ranks(y, score, "abcd").bind(np.arange(200), np.arange(200), 200)
    np.testing.assert_allclose(evaluate(np.ones((200, 3), dtype=np.float32))["auprc"], measured.value)


def test_average_precision_of_constant_scores_is_the_prevalence() -> None:
    assert auprc([0, 1, 0, 0], [0.5] * 4).value == pytest.approx(0.25)
    assert np.isnan(auprc([0, 0, 1], [0.1, 0.2, 0.3], sensitive_features=["a", "a", "b"]).per_group["a"])
