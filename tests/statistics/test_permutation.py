"""Permutation null of a gap."""

import numpy as np
import pytest
from scipy import stats

from everygroup.statistics import majority, permutation_p, permutation_test, permutation_units, permuted_blocks


def test_units_are_the_clusters_within_a_group() -> None:
    unit = permutation_units(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]))
    assert unit[0] == unit[1]
    assert len(set(unit.tolist())) == 3


def test_majority_takes_the_lowest_of_equals() -> None:
    assert majority(np.array([0, 0, 0, 1, 1]), np.array([2, 2, 1, 1, 0]), 3).tolist() == [2, 0]


def test_shuffles_stay_within_strata_and_do_not_depend_on_the_block_size() -> None:
    labels, strata = np.array([0, 1, 0, 1, 1, 0]), np.array([0, 0, 0, 1, 1, 2])
    (whole,) = permuted_blocks(labels, strata, 30, seed=2)
    pieces = list(permuted_blocks(labels, strata, 30, seed=2, n_rows=100, max_bytes=20_000))
    assert len(pieces) > 1
    np.testing.assert_array_equal(whole, np.concatenate(pieces, axis=1))
    assert (whole[:3].sum(axis=0) == 1).all() and (whole[3:5] == 1).all() and (whole[5] == 0).all()
    assert whole[0].std() > 0


def test_p_counts_the_observed_gap_itself() -> None:
    null = np.array([0.1, 0.2, 0.3, np.nan])
    assert permutation_p(0.2, null) == pytest.approx(3 / 4)
    assert permutation_p(1.0, null) == pytest.approx(1 / 4)
    assert np.isnan(permutation_p(float("nan"), null))


def test_null_p_values_are_uniform_and_a_real_gap_is_found() -> None:
    rng = np.random.default_rng(0)

    def p_of(run: int, gap: float) -> float:
        group = rng.integers(0, 2, 60)
        values = rng.normal(size=60) + gap * group
        return permutation_test(
            lambda g: abs(values[g == 0].mean() - values[g == 1].mean()), group, n_perm=99, seed=run
        )[1]

    null = [p_of(run, 0.0) for run in range(120)]
    assert stats.kstest(null, "uniform").pvalue > 0.01
    assert p_of(0, 3.0) == pytest.approx(0.01)


def test_within_label_strata_prevalence_is_no_gap_and_missing_rows_keep_their_group() -> None:
    label = np.array([1] * 30 + [0] * 10 + [1] * 10 + [0] * 30 + [0, 1])
    group = np.array([0] * 40 + [1] * 40 + [-1, -1])
    seen = []

    def prevalence_gap(g: np.ndarray) -> float:
        seen.append(g[-2:].tolist())
        return float(abs(label[g == 0].mean() - label[g == 1].mean()))

    gap, p = permutation_test(prevalence_gap, group, label=label, n_perm=50)
    assert gap == pytest.approx(0.5) and p == 1.0
    assert permutation_test(prevalence_gap, group, n_perm=50)[1] == pytest.approx(1 / 51)
    assert all(s == [-1, -1] for s in seen)


def test_labels_move_between_patients_not_between_images() -> None:
    units = np.repeat(np.arange(10), 5)
    group = (units >= 5).astype(int)

    def mixed(g: np.ndarray) -> float:
        return float(max(np.ptp(g[units == u]) for u in range(10)))

    assert permutation_test(mixed, group, units=units, n_perm=20)[0] == 0
    assert permutation_test(lambda g: -mixed(g), group, units=units, n_perm=20)[1] == 1.0
