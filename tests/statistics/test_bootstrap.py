"""Cluster bootstrap: weights, sums, intervals and their coverage."""

import numpy as np
import pytest

from everygroup.statistics import (
    bootstrap_mean,
    cluster_index,
    cluster_strata,
    incidence,
    replicate_blocks,
    weighted_sums,
)


def test_clusters_are_numbered_by_first_appearance() -> None:
    assert cluster_index(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]


def test_patients_in_several_groups_share_one_stratum() -> None:
    cluster = np.array([0, 0, 1, 2, 3, 3, 4, 4, 5, 5])
    group = np.array([0, 1, 0, 1, 0, 0, 1, 2, -1, 0])
    strata = cluster_strata(cluster, group)
    assert strata[1] == strata[3]
    assert strata[0] == strata[4] == strata[5]
    assert len({strata[0], strata[1], strata[2]}) == 3


def test_stratifying_patients_seen_at_many_sites_keeps_the_width() -> None:
    rng = np.random.default_rng(0)
    units, site = np.repeat(np.arange(150), 8), rng.integers(0, 8, 1200)
    right = rng.random(1200) < rng.beta(1.4, 0.6, 150)[units]

    def width(group: np.ndarray | None) -> float:
        _, low, high = bootstrap_mean(right, units=units, group=group, n_boot=400)
        return high - low

    assert width(site) == pytest.approx(width(None), rel=0.15)


def test_missing_group_is_a_stratum() -> None:
    strata = cluster_strata(np.arange(3), np.array([-1, 0, -1]))
    assert strata[0] == strata[2] != strata[1]


def test_every_replicate_keeps_the_size_of_every_stratum() -> None:
    strata = np.array([0, 1, 0, 1, 1, 0, 2])
    weights = np.concatenate(list(replicate_blocks(strata, 50, seed=1)), axis=1)
    assert weights.shape == (7, 50)
    for s in range(3):
        assert (weights[strata == s].sum(axis=0) == (strata == s).sum()).all()
    assert (weights[6] == 1).all()
    assert weights[:3].std() > 0


def test_replicates_do_not_depend_on_the_block_size() -> None:
    strata = np.array([0, 1, 0, 1, 1])
    whole = list(replicate_blocks(strata, 20, seed=3))
    pieces = list(replicate_blocks(strata, 20, seed=3, n_rows=100, max_bytes=12_000))
    assert len(whole) == 1 and len(pieces) == 7
    np.testing.assert_array_equal(whole[0], np.concatenate(pieces, axis=1))
    assert not np.array_equal(whole[0], next(iter(replicate_blocks(strata, 20, seed=4))))


def test_weighted_sums_equal_a_loop() -> None:
    rng = np.random.default_rng(0)
    cluster, cell = rng.integers(0, 6, 40), rng.integers(0, 5, 40)
    (weights,) = replicate_blocks(np.zeros(6, dtype=np.int64), 7, seed=0)
    sums = weighted_sums(incidence(cluster, cell, (6, 5)), weights)
    for r in range(7):
        np.testing.assert_array_equal(sums[r], np.bincount(cell, weights=weights[cluster, r], minlength=5))


def test_intervals_of_clustered_samples_cover_the_truth_about_95_percent() -> None:
    rng = np.random.default_rng(5)
    covered, naive = 0, 0
    for run in range(200):
        # patients with four images each, right or wrong mostly together
        patient = rng.beta(1.4, 0.6, 60)
        right = rng.random((60, 4)) < patient[:, None]
        units = np.repeat(np.arange(60), 4)
        _, low, high = bootstrap_mean(right.ravel(), units=units, n_boot=300, seed=run)
        covered += low <= 0.7 <= high
        _, low, high = bootstrap_mean(right.ravel(), n_boot=300, seed=run)
        naive += low <= 0.7 <= high
    assert 180 <= covered <= 198
    assert naive < covered


def test_stratified_mean_keeps_the_share_of_the_groups() -> None:
    group = np.array([0] * 50 + [1] * 50)
    _, low, high = bootstrap_mean(group, group=group, n_boot=50)
    assert low == high == 0.5
    _, low, high = bootstrap_mean(group, n_boot=50)
    assert low < 0.5 < high
