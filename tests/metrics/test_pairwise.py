"""Ranking across groups: pairwise fairness and xAUC."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from everygroup.errors import PredictionsError
from everygroup.metrics import auc, pairwise
from everygroup.metrics.pairwise import (
    METRICS,
    pairwise_fairness,
    pairwise_fairness_difference,
    xauc,
    xauc_difference,
)

ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(-1, 2)), min_size=1, max_size=30)


def slow(positive: np.ndarray, negative: np.ndarray) -> float:
    """Share of pairs won, ties half."""
    if not positive.size or not negative.size:
        return float("nan")
    d = positive[:, None] - negative[None, :]
    return float(((d > 0) + (d == 0) / 2).mean())


def test_the_examples_in_the_documentation_run() -> None:
    result = doctest.testmod(pairwise)
    assert result.attempted >= 5 and result.failed == 0


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_both_equal_counting_every_pair(rows: list[tuple[bool, int, int]]) -> None:
    p, s, g = (np.array(c) for c in zip(*rows, strict=True))
    if not (g >= 0).any():
        return
    against_all, across = (
        metric(p, s, sensitive_features=g, classes=[False, True]).per_group for metric in (pairwise_fairness, xauc)
    )
    s = s.astype(float)
    for a in against_all:
        np.testing.assert_allclose(against_all[a], slow(s[p & (g == a)], s[~p & (g >= 0)]))
        np.testing.assert_allclose(across[a], slow(s[p & (g == a)], s[~p & (g >= 0) & (g != a)]))


def sample(n: int = 300, k: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.dirichlet(np.ones(k), n).round(2)
    return rng.integers(0, k, n), score, rng.choice(["a", "b", "c"], n)


def test_weighted_mean_of_pairwise_fairness_is_the_auc() -> None:
    y, score, group = sample()
    measured = pairwise_fairness(y, score, sensitive_features=group)
    assert measured.value == pytest.approx(roc_auc_score(y, score[:, 1]), abs=1e-12)
    positives = [int(((y == 1) & (group == g)).sum()) for g in measured.per_group]
    assert np.average(list(measured.per_group.values()), weights=positives) == pytest.approx(measured.value, abs=1e-12)
    whole = pairwise_fairness(y, score, sensitive_features=["all"] * 300)
    assert whole.per_group["all"] == whole.value == pytest.approx(measured.value)
    assert pairwise_fairness_difference(y, score, sensitive_features=group).value == measured.gap


def test_two_groups_give_the_disparity_of_the_paper() -> None:
    y, score, group = sample()
    group = np.where(group == "c", "a", group)
    s = score[:, 1]
    ab = slow(s[(y == 1) & (group == "a")], s[(y == 0) & (group == "b")])
    ba = slow(s[(y == 1) & (group == "b")], s[(y == 0) & (group == "a")])
    measured = xauc_difference(y, score, sensitive_features=group)
    assert measured.per_group == {"a": pytest.approx(ab), "b": pytest.approx(ba)}
    assert measured.value == pytest.approx(abs(ab - ba))
    n = {g: (int(((y == 1) & (group == g)).sum()), int(((y == 0) & (group == g)).sum())) for g in "ab"}
    pairs = (n["a"][0] * n["b"][1], n["b"][0] * n["a"][1])
    overall = xauc(y, score, sensitive_features=group).value
    assert overall == pytest.approx(np.average([ab, ba], weights=pairs))


def test_a_shift_of_one_group_is_seen_across_groups_only() -> None:
    rng = np.random.default_rng(1)
    y, group = rng.integers(0, 2, 4000), rng.choice(["a", "b"], 4000)
    score = 1 / (1 + np.exp(-(rng.normal(size=4000) + 1.5 * y + 2.0 * (group == "b"))))
    assert auc(y, score, sensitive_features=group).gap < 0.03
    assert xauc_difference(y, score, sensitive_features=group).value > 0.4


def test_several_classes_are_averaged_or_one_is_chosen() -> None:
    y, score, group = sample(k=3)
    whole = pairwise_fairness(y, score, sensitive_features=group)
    one = [pairwise_fairness(y, score, sensitive_features=group, positive=k) for k in range(3)]
    assert whole.per_group["b"] == pytest.approx(np.mean([m.per_group["b"] for m in one]))
    assert whole.value == pytest.approx(roc_auc_score(np.eye(3)[y], score, average="macro"))


def test_missing_groups_and_undefined_values() -> None:
    y, score = [1, 0, 1, 0, 1], [0.9, 0.2, 0.6, 0.7, 0.1]
    measured = pairwise_fairness(y, score, sensitive_features=["a", "a", "b", "", "b"])
    assert measured.n_missing == 1 and measured.per_group["b"] == pytest.approx(1 / 2)
    assert measured.value == pytest.approx(roc_auc_score(y, score))
    empty = xauc(y, score, sensitive_features=["a", "a", "a", "a", "b"])
    assert np.isnan(empty.per_group["a"]) and empty.n_undefined == 1
    assert np.isnan(xauc_difference(y, score, sensitive_features=["a"] * 5).value)


def test_mistakes_are_named() -> None:
    with pytest.raises(PredictionsError, match="No sample has a group"):
        xauc([0, 1], [0.2, 0.4], sensitive_features=["", ""])
    with pytest.raises(PredictionsError, match="1 values"):
        xauc([0, 1], [0.2, 0.4], sensitive_features=["a"])


def test_every_metric_says_what_it_is() -> None:
    y, score, group = sample()
    for info in METRICS:
        measured = info.function(y, score, sensitive_features=group)
        assert info.low <= measured.value <= info.high
