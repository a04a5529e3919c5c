"""McNemar, Mann-Whitney with Cliff's delta, intervals over seeds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from everygroup.statistics import mann_whitney, mcnemar, mcnemar_counts, paired_interval, sign_flip


def test_mcnemar_worked_example() -> None:
    assert mcnemar_counts(10, 4, form="exact").p == pytest.approx(0.179565, abs=1e-6)
    assert mcnemar_counts(10, 4, form="mid-p").p == pytest.approx(0.118469, abs=1e-6)
    corrected = mcnemar_counts(10, 4, form="corrected")
    assert corrected.statistic == pytest.approx(1.785714, abs=1e-6)
    assert corrected.p == pytest.approx(0.181449, abs=1e-6)
    assert mcnemar_counts(10, 4, form="chi2").statistic == pytest.approx(36 / 14)


def test_mcnemar_chooses_its_form_and_handles_equal_counts() -> None:
    assert mcnemar_counts(30, 20).form == "exact"
    assert mcnemar_counts(31, 20).form == "corrected"
    assert mcnemar_counts(0, 0).p == mcnemar_counts(7, 7, form="mid-p").p == 1.0


def test_mcnemar_counts_the_discordant_samples() -> None:
    result = mcnemar([1, 1, 0, 0, 1], [1, 0, 1, 0, 0])
    assert (result.b, result.c) == (2, 1)


def test_sign_flip_of_single_samples_is_mcnemars_exact_test() -> None:
    a, b = np.repeat([1, 0, 1], [14, 5, 40]), np.repeat([0, 1, 1], [14, 5, 40])
    result = sign_flip(a, b, np.arange(a.size), n_flips=20_000)
    assert (result.b, result.c, result.n) == (14, 5, 19)
    assert result.p == pytest.approx(mcnemar(a, b, form="exact").p, abs=0.01)


def test_sign_flip_does_not_count_copies_of_a_patient() -> None:
    a, b = np.repeat([1, 0, 1], [14, 5, 40]), np.repeat([0, 1, 1], [14, 5, 40])
    units = np.arange(a.size)
    once = sign_flip(a, b, units)
    copied = sign_flip(np.repeat(a, 6), np.repeat(b, 6), np.repeat(units, 6))
    assert copied.p == once.p > 10 * mcnemar(np.repeat(a, 6), np.repeat(b, 6)).p
    assert (copied.b, copied.n) == (84, 19)


def test_sign_flip_without_a_difference_and_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sign_flip([1, 0, 1], [1, 0, 1], ["x", "x", "y"]).p == 1.0
    assert sign_flip([1, 0], [0, 1], ["x", "x"]).p == 1.0
    a, b, units = np.arange(40) % 3 > 0, np.arange(40) % 5 > 1, np.arange(40) // 2
    whole = sign_flip(a, b, units, n_flips=50)
    monkeypatch.setattr("everygroup.statistics.paired.MAX_BYTES", 4000)
    assert sign_flip(a, b, units, n_flips=50) == whole and 1 / 51 < whole.p < 1


def test_mann_whitney_worked_example() -> None:
    result = mann_whitney([1, 2, 3, 3], [2, 3, 4])
    assert result.u == 3.5
    assert result.delta == pytest.approx(-0.416667, abs=1e-6)
    assert result.size == "medium"
    assert result.n == (4, 3)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
)
def test_cliffs_delta_is_the_difference_of_pair_counts(x: list[int], y: list[int]) -> None:
    difference = np.subtract.outer(x, y)
    expected = ((difference > 0).sum() - (difference < 0).sum()) / difference.size
    result = mann_whitney(x, y)
    assert result.delta == pytest.approx(expected)
    assert 0 <= result.p <= 1


def test_mann_whitney_at_the_edges() -> None:
    assert np.isnan(mann_whitney([], [1]).delta)
    assert mann_whitney([2, 2], [2]).p == 1.0
    assert mann_whitney([5, 6], [1, 2]).size == "large"
    assert mann_whitney([1, 2], [1, 2]).size == "negligible"


def test_paired_interval_is_that_of_the_t_test() -> None:
    a, b = np.array([0.8, 0.82, 0.79, 0.85, np.nan]), np.array([0.78, 0.8, 0.8, 0.8, 0.7])
    result = paired_interval(a, b)
    reference = stats.ttest_rel(a[:4], b[:4])
    low, high = reference.confidence_interval()
    assert result.n == 4
    assert result.p == pytest.approx(reference.pvalue)
    assert (result.low, result.high) == (pytest.approx(low), pytest.approx(high))


def test_paired_interval_of_overlapping_splits_is_the_corrected_resampled_t_test() -> None:
    a, b, n, ratio = np.array([0.8, 0.82, 0.79, 0.85]), np.array([0.78, 0.8, 0.8, 0.8]), 4, 0.25
    d = a - b
    t = d.mean() / np.sqrt((1 / n + ratio) * d.var(ddof=1))  # Nadeau and Bengio 2003, equation 15
    result = paired_interval(a, b, overlap=ratio)
    assert result.p == pytest.approx(2 * stats.t.sf(abs(t), n - 1))
    plain = paired_interval(a, b)
    assert result.high - result.low == pytest.approx((plain.high - plain.low) * np.sqrt(2))


def test_paired_interval_by_bootstrap_and_at_the_edges() -> None:
    result = paired_interval([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], form="bootstrap")
    assert result.mean == 2.0 and 1.0 <= result.low < result.high <= 3.0 and np.isnan(result.p)
    assert np.isnan(paired_interval([1.0], [0.5]).low)
    assert np.isnan(paired_interval([], []).mean)
    assert paired_interval([1.0, 2.0], [1.0, 2.0]).p == 1.0
    assert paired_interval([2.0, 3.0], [1.0, 2.0]).p == 0.0
