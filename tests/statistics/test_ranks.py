"""Friedman, Nemenyi and critical differences against scipy, scikit-posthocs, Demsar's tables and simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from everygroup.errors import EverygroupError
from everygroup.statistics.ranks import cliques, critical_difference, friedman, nemenyi

Q_05 = [1.960, 2.344, 2.569, 2.728, 2.850, 2.948, 3.031, 3.102, 3.164, 3.219, 3.268]
Q_10 = [1.645, 2.052, 2.291, 2.460, 2.589, 2.693, 2.780, 2.855, 2.920, 2.978, 3.030]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 9), st.integers(3, 15), st.booleans())
def test_equal_to_scipy_and_scikit_posthocs(seed: int, k: int, n: int, ties: bool) -> None:
    import scikit_posthocs

    values = np.random.default_rng(seed).normal(size=(n, k)) + 0.3 * np.arange(k)
    if ties:
        values = np.round(values)
    got = friedman(values)
    want = stats.friedmanchisquare(*values.T)
    assert got.chi2 == pytest.approx(want.statistic, abs=1e-9)
    assert got.p == pytest.approx(want.pvalue, abs=1e-12)
    rest = n * (k - 1) - got.chi2  # 0 where all agree on the order
    assert got.f == (pytest.approx((n - 1) * got.chi2 / rest) if rest > 1e-9 else np.inf)
    exact = math.factorial(k) ** (1 - n)  # the probability of perfect agreement
    sure = exact if np.isinf(got.f) else stats.f.sf(got.f, k - 1, (k - 1) * (n - 1))
    assert got.f_p == pytest.approx(sure, abs=1e-12)
    np.testing.assert_allclose(got.mean_ranks, stats.rankdata(-values, axis=1).mean(0))
    np.testing.assert_allclose(nemenyi(values), scikit_posthocs.posthoc_nemenyi_friedman(values), atol=1e-9)


def test_demsars_example() -> None:
    # the paper's four decision-tree learners on 14 data sets: chi2 9.28, F 3.69, CD 1.25 (1.12 at .10)
    mean, n, k = np.array([3.143, 2.000, 2.893, 1.964]), 14, 4
    chi2 = 12 * n / (k * (k + 1)) * ((mean - 2.5) ** 2).sum()
    assert chi2 == pytest.approx(9.28, abs=0.01)
    assert (n - 1) * chi2 / (n * (k - 1) - chi2) == pytest.approx(3.69, abs=0.01)
    assert critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=0.005)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


@pytest.mark.parametrize(("alpha", "table"), [(0.05, Q_05), (0.10, Q_10)])
def test_printed_quantiles(alpha: float, table: list[float]) -> None:
    for k, q in enumerate(table, start=2):
        unit = np.sqrt(k * (k + 1) / (6 * 20))
        assert critical_difference(k, 20, alpha=alpha) / unit == pytest.approx(q, abs=1.01e-3)
    assert critical_difference(11, 16) == pytest.approx(3.774, abs=1e-3)


def test_nemenyi_and_the_critical_difference_say_the_same() -> None:
    values = np.random.default_rng(1).normal(size=(12, 6)) + 0.5 * np.arange(6)
    ranks, p, cd = friedman(values).mean_ranks, nemenyi(values), critical_difference(6, 12)
    np.testing.assert_array_equal(p, p.T)
    for i, j in itertools.combinations(range(6), 2):
        assert (p[i, j] < 0.05) == (abs(ranks[i] - ranks[j]) > cd)
    assert (np.diag(p) == 1).all()


def test_direction_and_undefined_rows() -> None:
    values = np.random.default_rng(2).normal(size=(10, 4))
    holed = np.vstack([values, [[1, 2, float("nan"), 3]]])
    got = friedman(holed)
    assert (got.n, got.k, got.left_out) == (10, 4, 1)
    assert got.chi2 == friedman(values).chi2
    np.testing.assert_array_equal(nemenyi(holed), nemenyi(values))
    np.testing.assert_allclose(friedman(values, higher_is_better=False).mean_ranks, 5 - got.mean_ranks)
    assert friedman(values, higher_is_better=False).chi2 == pytest.approx(got.chi2)


def test_little_to_rank() -> None:
    one = friedman([[3.0, 1.0, 2.0]])
    assert np.isnan([one.chi2, one.p, one.f, one.f_p]).all() and one.mean_ranks.tolist() == [1, 3, 2]
    none = friedman([[float("nan"), 1.0]])
    assert none.n == 0 and none.left_out == 1 and np.isnan(none.mean_ranks).all()
    assert np.isnan(nemenyi([[3.0, 1.0, 2.0]])).all()
    assert np.isnan(critical_difference(1, 5)) and np.isnan(critical_difference(4, 1))
    alike = friedman(np.ones((5, 3)))
    assert (alike.chi2, alike.p, alike.f_p) == (0, 1, 1)
    assert (nemenyi(np.ones((5, 3))) == 1).all()
    for bad in ([1.0, 2.0], [[1.0], [2.0]]):
        with pytest.raises(EverygroupError, match="at least two methods"):
            friedman(bad)


@pytest.mark.parametrize("row", [[3.0, 2.0, 1.0], [3.0, 1.0, 1.0]])
def test_perfect_agreement_has_its_exact_probability(row: list[float]) -> None:
    got = friedman([row] * 3)
    orders = {tuple(order) for order in itertools.permutations(row)}
    assert got.f == float("inf")
    assert got.f_p == pytest.approx(len(orders) ** -2)  # the other two rows repeat the first
    assert got.p == pytest.approx(stats.friedmanchisquare(*np.array([row] * 3).T).pvalue)


def test_error_rates_hold_under_the_null() -> None:
    rng = np.random.default_rng(3)
    tests = [friedman(rng.normal(size=(15, 5))) for _ in range(1000)]
    assert 0.03 < np.mean([t.f_p < 0.05 for t in tests]) < 0.07
    cd = critical_difference(5, 15)
    assert 0.02 < np.mean([np.ptp(t.mean_ranks) > cd for t in tests]) < 0.06


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1, 9).map(lambda x: round(x, 2)), min_size=1, max_size=9), st.floats(0.2, 6))
def test_cliques_by_brute_force(ranks: list[float], cd: float) -> None:
    got = cliques(ranks, cd)

    def joined(members: tuple[int, ...]) -> bool:
        return all(abs(ranks[i] - ranks[j]) < cd - 1e-12 for i, j in itertools.combinations(members, 2))

    sets = [set(c) for r in range(2, len(ranks) + 1) for c in itertools.combinations(range(len(ranks)), r) if joined(c)]
    largest = [s for s in sets if not any(s < other for other in sets)]
    assert sorted(map(sorted, got)) == sorted(map(sorted, largest))
    for members in got:
        assert [ranks[i] for i in members] == sorted(ranks[i] for i in members)


def test_an_unknown_critical_difference_joins_all() -> None:
    assert cliques([2.0, 1.0, 3.0], float("nan")) == [(1, 0, 2)]
    assert cliques([1.0, 2.0], 1.0) == []  # a difference of exactly cd is declared
