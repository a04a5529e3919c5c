"""Drawing types of clusters is drawing clusters."""

import numpy as np
import pytest

from everygroup.statistics.tables import (
    Types,
    cluster_types,
    leave_one_out,
    multinomial_tables,
    multinomial_weights,
    shuffled_tables,
    shuffled_weights,
)


def sample(n: int = 300, per_cluster: int = 2, n_codes: int = 5, seed: int = 0, n_strata: int = 3):
    rng = np.random.default_rng(seed)
    n_clusters = n // per_cluster
    cluster = rng.permutation(np.repeat(np.arange(n_clusters), per_cluster))
    return cluster, rng.integers(0, n_codes, n), rng.integers(0, n_strata, n_clusters)


def table_of(cluster: np.ndarray, code: np.ndarray, n_codes: int = 5) -> np.ndarray:
    table = np.zeros((cluster.max() + 1, n_codes))
    np.add.at(table, (cluster, code), 1)
    return table


@pytest.mark.parametrize("per_cluster", [1, 2, 3])
def test_every_cluster_has_the_contents_of_its_type(per_cluster: int) -> None:
    cluster, code, stratum = sample(per_cluster=per_cluster)
    types = cluster_types(cluster, code, stratum, 5)
    assert (types.counts.toarray()[types.of_cluster] == table_of(cluster, code)).all()
    assert (types.stratum[types.of_cluster] == stratum).all() and (np.diff(types.stratum) >= 0).all()
    assert (np.bincount(types.of_cluster) == types.multiplicity).all()
    assert len({(*row, s) for row, s in zip(types.counts.toarray().tolist(), types.stratum, strict=True)}) == len(types)
    assert (types.total() == np.bincount(code, minlength=5)).all()


def test_codes_far_apart_are_sorted_instead_of_counted() -> None:
    code = np.array([0, 10_000_000, 0, 5])
    types = cluster_types(np.arange(4), code, np.zeros(4, dtype=np.int64))
    assert types.multiplicity.tolist() == [2, 1, 1] and types.counts.shape == (3, 10_000_001)


@pytest.mark.parametrize(("n", "per_cluster"), [(1200, 1), (300, 2), (90, 3)])
def test_bootstrap_tables_are_distributed_as_resampled_clusters(n: int, per_cluster: int) -> None:
    cluster, code, stratum = sample(n, per_cluster)
    types, n_boot = cluster_types(cluster, code, stratum, 5), 4000
    drawn = multinomial_tables(types, n_boot, seed=1)
    table = table_of(cluster, code)
    # moments of the row-resampling: independent draws within every stratum
    mean, covariance = np.zeros(5), np.zeros((5, 5))
    for s in range(3):
        inside = table[stratum == s]
        mean += inside.sum(axis=0)
        covariance += len(inside) * np.cov(inside.T, bias=True)
    error = np.sqrt(np.diag(covariance) / n_boot)
    assert (np.abs(drawn.mean(axis=0) - mean) < 4.5 * error).all()
    assert np.cov(drawn.T) == pytest.approx(covariance, abs=0.12 * np.diag(covariance).max())
    assert (drawn.sum(axis=1) == n).all()


def test_strata_keep_their_number_of_clusters_and_blocks_do_not_matter() -> None:
    cluster, code, stratum = sample(1200, 1)
    types = cluster_types(cluster, code, stratum, 5)
    whole = np.concatenate(list(multinomial_weights(types, 50, seed=3)))
    for s in range(3):
        assert (whole[:, types.stratum == s].sum(axis=1) == (stratum == s).sum()).all()
    narrow = np.concatenate(list(multinomial_weights(types, 50, seed=3, width=7)))
    assert (whole == narrow).all()
    assert not (whole == np.concatenate(list(multinomial_weights(types, 50, seed=4)))).all()


@pytest.mark.parametrize("max_rows", [2000, 10])
def test_leaving_one_out_is_the_brute_force_jackknife(max_rows: int) -> None:
    cluster, code, stratum = sample(120, 2)
    types = cluster_types(cluster, code, stratum, 5)
    left_out, multiplicity = leave_one_out(types, max_rows=max_rows)
    weights = types.multiplicity - left_out.toarray()
    sums = np.asarray(weights @ types.counts.toarray())
    table = table_of(cluster, code)
    if max_rows == 2000:
        brute = table.sum(axis=0) - table
        ours = np.repeat(sums, multiplicity.astype(int), axis=0)
        assert sorted(map(tuple, brute)) == sorted(map(tuple, ours))
    else:
        assert weights.shape[0] == 10 and (multiplicity == 1).all()
        assert (table.sum(axis=0) - sums).sum(axis=0) == pytest.approx(table.sum(axis=0))


def row_shuffles(types: Types, group: np.ndarray, n_groups: int, n_perm: int) -> np.ndarray:
    """Shuffle the groups row by row."""
    rng = np.random.default_rng(9)
    out = np.zeros((n_perm, n_groups, types.counts.shape[1]))
    counts, strata = types.counts.toarray(), types.stratum[types.of_cluster]
    for r in range(n_perm):
        shuffled = group.copy()
        for s in np.unique(strata):
            shuffled[strata == s] = rng.permutation(group[strata == s])
        np.add.at(out[r], shuffled, counts[types.of_cluster])
    return out


@pytest.mark.parametrize(("n", "per_cluster"), [(600, 1), (200, 2)])
def test_shuffled_tables_keep_margins_and_are_distributed_as_shuffled_rows(n: int, per_cluster: int) -> None:
    cluster, code, stratum = sample(n, per_cluster, n_strata=2)
    group = np.random.default_rng(5).choice(3, stratum.size, p=[0.6, 0.3, 0.1])
    types = cluster_types(cluster, code, stratum, 5)
    for weights in shuffled_weights(types, group, 3, 40, seed=2):
        assert (weights.sum(axis=1) == types.multiplicity).all()
        for s in range(2):
            of_group = np.bincount(group[stratum == s], minlength=3)
            assert (weights[:, :, types.stratum == s].sum(axis=2) == of_group).all()
    ours, rows = shuffled_tables(types, group, 3000, seed=2), row_shuffles(types, group, 3, 1500)
    error = rows.std(axis=0) * np.sqrt(1 / 3000 + 1 / 1500)
    assert (np.abs(ours.mean(axis=0) - rows.mean(axis=0)) < 4.5 * error + 1e-12).all()
    assert ours.std(axis=0) == pytest.approx(rows.std(axis=0), rel=0.1)
    flat, brute = ours.reshape(3000, -1), rows.reshape(1500, -1)
    assert np.corrcoef(flat.T) == pytest.approx(np.corrcoef(brute.T), abs=0.12)
    assert (ours[:50] == shuffled_tables(types, group, 3000, seed=2)[:50]).all()
