"""Wilcoxon's signed-rank test against scipy and against counting all signs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from everygroup.errors import EverygroupError
from everygroup.statistics.multiple import holm
from everygroup.statistics.signed_rank import against_control, wilcoxon

NAN = float("nan")


@pytest.mark.parametrize("n", [2, 5, 13, 50])
def test_exact_equal_to_scipy_without_ties(n: int) -> None:
    for seed in range(10):
        a, b = np.random.default_rng(seed).normal(size=(2, n))
        want = stats.wilcoxon(a, b, method="exact")
        got = wilcoxon(a, b)
        assert (min(got.plus, got.minus), got.form) == (want.statistic, "exact")
        assert got.p == pytest.approx(want.pvalue, abs=1e-12)


@pytest.mark.parametrize("decimals", [1, 8])
def test_normal_equal_to_scipy(decimals: int) -> None:
    a, b = np.random.default_rng(3).normal(size=(2, 90)).round(decimals)
    d = (a - b).round(9)  # so that scipy, too, sees the ties
    want = stats.wilcoxon(d[d != 0], method="approx", correction=False)
    got = wilcoxon(a, b)
    assert got.form == "normal" and got.equal == (a == b).sum()
    assert min(got.plus, got.minus) == pytest.approx(want.statistic)
    assert got.p == pytest.approx(want.pvalue, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_ties_and_zeros_by_counting_all_signs(steps: list[int]) -> None:
    d = np.asarray(steps) / 10
    moved = np.abs(d[d != 0])
    ranks = stats.rankdata(moved.round(6))
    got = wilcoxon(0.3 + d, np.full(d.size, 0.3))
    assert (got.n, got.equal) == (moved.size, d.size - moved.size)
    if moved.size == 0:
        assert got.p == 1
        return
    observed = abs(2 * ranks[d[d != 0] > 0].sum() - ranks.sum())
    sums = [abs(float(ranks @ signs)) for signs in itertools.product((-1, 1), repeat=moved.size)]
    assert got.p == pytest.approx(np.mean(np.asarray(sums) >= observed - 1e-9))
    assert got.plus + got.minus == pytest.approx(ranks.sum())


def test_scale_order_and_undefined_pairs() -> None:
    a, b = np.random.default_rng(5).normal(size=(2, 12))
    one = wilcoxon(a, b)
    assert wilcoxon(1e-14 * a, 1e-14 * b).p == one.p
    assert (wilcoxon(b, a).plus, wilcoxon(b, a).p) == (one.minus, one.p)
    holed = wilcoxon(np.r_[a, NAN, 1.0], np.r_[b, 0.0, np.inf])
    assert (holed.p, holed.left_out, holed.n) == (one.p, 2, 12)
    assert np.isnan(wilcoxon([NAN], [1.0]).p) and np.isnan(wilcoxon([], []).p)
    with pytest.raises(EverygroupError, match="3 values and 2"):
        wilcoxon([1, 2, 3], [1, 2])


def test_p_holds_its_level_under_the_null() -> None:
    rng = np.random.default_rng(6)
    p = np.array([wilcoxon(*rng.normal(size=(2, 20))).p for _ in range(1500)])
    assert 0.035 < np.mean(p <= 0.05) < 0.065
    assert 0.45 < np.mean(p <= 0.5) < 0.55


def test_against_a_control() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal([0.70, 0.75, 0.70, 0.69], 0.02, (14, 4))
    values[3, 1] = NAN
    got = against_control(values, control=2)
    each = [wilcoxon(values[:, j], values[:, 2]).p for j in (0, 1, 3)]
    np.testing.assert_array_equal(got.p[[0, 1, 3]], each)
    np.testing.assert_array_equal(got.p_holm[[0, 1, 3]], holm(each))
    assert np.isnan([got.p[2], got.p_holm[2], got.difference[2]]).all()
    assert got.n.tolist() == [14, 13, 0, 14]
    assert got.difference[1] == pytest.approx(np.nanmedian(values[:, 1] - values[:, 2]))
    empty = against_control([[1.0, NAN], [2.0, NAN]])
    assert np.isnan(empty.p).all() and empty.n.tolist() == [0, 0]
    for bad, control in (([1.0, 2.0], 0), ([[1.0, 2.0]], 2), ([[1.0, 2.0]], -1)):
        with pytest.raises(EverygroupError, match="no control"):
            against_control(bad, control=control)
