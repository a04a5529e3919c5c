"""Sums under shuffles by their limit, against shuffling one by one."""

import numpy as np
import pytest
from scipy import sparse

from everygroup.metrics.classification import Classification
from everygroup.statistics import limit
from everygroup.statistics.tables import Types, cluster_types, shuffled_weights, stratum_sizes

N, K, G, R = 36_000, 40, 3, 2000


def answers(per_cluster: int, held: bool) -> tuple[Classification, Types, sparse.csr_matrix, np.ndarray]:
    """Family, types, what each adds to the sums, and groups.

    Forty classes, one of them rare, half of the answers right; three groups, the last one in ten.
    """
    rng = np.random.default_rng(per_cluster)
    n = N * per_cluster
    p = np.r_[np.ones(K - 1), 0.005]
    y = rng.choice(K, N, p=p / p.sum()).repeat(per_cluster)
    pred = np.where(rng.random(n) < 0.5, y, rng.integers(0, K - 1, n))
    family = Classification(y, pred, [str(k) for k in range(K)], metrics=["macro_f1", "accuracy", "recall", "fpr"])
    kinds, first, code = np.unique(family.codes(), return_index=True, return_inverse=True)
    stratum = y[::per_cluster] if held else np.zeros(N, dtype=np.int64)
    types = cluster_types(np.arange(n) // per_cluster, code.reshape(-1), stratum, kinds.size)
    features = sparse.csr_matrix(types.counts @ family.take(first))
    return family, types, features, rng.choice(G, N, p=[0.6, 0.3, 0.1])


@pytest.mark.parametrize(("per_cluster", "held"), [(1, False), (1, True), (2, False)])
def test_metrics_of_dealt_and_drawn_sums_vary_as_those_of_shuffled_rows(per_cluster: int, held: bool) -> None:
    family, types, features, group = answers(per_cluster, held)
    assert limit.has_limit(types, G) and not limit.has_limit(types, 0)
    drawn = np.concatenate(list(limit.shuffled_sums(types, features, group, G, R, seed=1)))
    assert (drawn == np.concatenate(list(limit.shuffled_sums(types, features, group, G, R, seed=1)))).all()
    # every shuffle keeps what there is, and the rows (label and answer count once each) of unclustered groups
    np.testing.assert_allclose(drawn.sum(axis=1), np.tile(features.T @ types.multiplicity, (R, 1)), rtol=1e-9)
    if per_cluster == 1:
        np.testing.assert_allclose(drawn[:, :, :K].sum(axis=-1), np.tile(np.bincount(group), (R, 1)), rtol=1e-5)
    if held:
        support = np.array([np.bincount(group[types.stratum[types.of_cluster] == k], minlength=G) for k in range(K)])
        np.testing.assert_allclose(drawn[:, :, :K], np.tile(support.T, (R, 1, 1)), atol=1e-6)
    dealt = np.concatenate(
        [
            np.asarray((features.T @ block.reshape(-1, len(types)).T).T).reshape(len(block), G, -1)
            for block in shuffled_weights(types, group, G, 1000, seed=2)
        ]
    )
    ours, rows = (family.values(sums) for sums in (drawn, dealt))
    for metric in ("macro_f1", "accuracy", "recall[3]", "recall[39]", "fpr[3]"):
        a, b = ours[metric], rows[metric]
        known = ~np.isnan(b).any(axis=0)
        a, b = a[:, known], b[:, known]
        assert (np.abs(a.mean(axis=0) - b.mean(axis=0)) <= 4 * b.std(axis=0) / np.sqrt(600) + 1e-9).all()
        np.testing.assert_allclose(a.std(axis=0), b.std(axis=0), rtol=0.12)
    gaps = [np.ptp(found["macro_f1"], axis=1) for found in (ours, rows)]
    assert np.quantile(gaps[0], 0.95) == pytest.approx(np.quantile(gaps[1], 0.95), rel=0.1)


def test_rare_kinds_are_dealt_and_large_ones_at_once() -> None:
    _, types, features, group = answers(1, False)
    drawn = next(limit.shuffled_sums(types, features, group, G, 50, seed=0))
    right, rare = drawn[:, :, 2 * K :], drawn[:, :, K - 1]
    assert (right == right.round()).all() and (right.std(axis=0)[:, :-1] > 0).all()
    assert (rare == rare.round()).all() and 0 < rare.mean() < 10
    answered = drawn[:, :, K]
    assert (answered != answered.round()).all()  # the sum of many small kinds


def test_without_room_for_the_covariance_everything_is_dealt(monkeypatch: pytest.MonkeyPatch) -> None:
    _, types, features, group = answers(1, False)
    monkeypatch.setattr(limit, "MOST_SUMS", 10)
    drawn = next(limit.shuffled_sums(types, features, group, G, 20, seed=0))
    assert (drawn == drawn.round()).all()
    assert (drawn.sum(axis=1) == features.T @ types.multiplicity).all()


def test_what_varies_is_never_drawn_without_its_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    group = np.arange(90) % 3
    features = np.column_stack([np.ones(90), np.arange(90.0), np.arange(90.0) ** 2])
    monkeypatch.setattr(limit, "MOST_SUMS", 3)
    nothing = np.zeros(90, dtype=np.int64)
    assert limit.limiting_sums(features, nothing, group, 3, 5, seed=0) is None  # two sums of two free groups
    one = limit.limiting_sums(features[:, :2], nothing, group, 3, 5, seed=0)
    assert one is not None and (one[..., 1].std(axis=0) > 0).all()
    fixed = limit.limiting_sums(features[:, :1], nothing, group, 3, 5, seed=0)
    assert fixed is not None and (fixed == 30).all()


def test_sums_of_measured_values_have_the_moments_of_a_shuffle() -> None:
    rng = np.random.default_rng(0)
    n, strata = 3000, np.arange(3000) % 3
    features = np.column_stack([np.ones(n), rng.exponential(1 + strata), strata == 1])
    group = (rng.random(n) < 0.2 + 0.2 * strata).astype(np.int64)
    drawn = limit.limiting_sums(features, strata, group, 2, 4000, seed=0)
    assert drawn is not None
    rows = np.empty((2000, 2, 3))
    for r in range(len(rows)):
        shuffled = group.copy()
        for s in range(3):
            shuffled[strata == s] = rng.permutation(group[strata == s])
        rows[r] = [features[shuffled == g].sum(axis=0) for g in (0, 1)]
    assert drawn[..., 1].std(axis=0) == pytest.approx(rows[..., 1].std(axis=0), rel=0.06)
    assert drawn[..., 1].mean(axis=0) == pytest.approx(rows[..., 1].mean(axis=0), abs=4 * rows[..., 1].std() / 45)
    np.testing.assert_allclose(drawn[..., [0, 2]], np.tile(rows[0][:, [0, 2]], (4000, 1, 1)), atol=1e-6)
    assert limit.smallest_share(np.array([[6, 2], [2, 0]])) == 0.2
    assert stratum_sizes(
        cluster_types(np.arange(4), np.arange(4), np.array([0, 0, 1, 1])), np.array([0, 1, 1, 1]), 2
    ).tolist() == [[1, 1], [0, 2]]
