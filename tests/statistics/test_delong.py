"""DeLong's test against brute force, scikit-learn, the bootstrap and simulation under the null."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from everygroup.errors import EverygroupError
from everygroup.statistics.delong import delong, delong_variance


def kernel(y: np.ndarray, score: np.ndarray) -> np.ndarray:
    """All pairs (positive, negative): 1 if ordered, 1/2 if tied."""
    x, z = score[y == 1][:, None], score[y == 0][None]
    return (x > z) + 0.5 * (x == z)


def brute_covariance(y: np.ndarray, scores: list[np.ndarray], cluster: np.ndarray | None = None) -> np.ndarray:
    """The 2 x 2 covariance written out as in the papers, with loops over samples or clusters."""
    psi = [kernel(y, score) for score in scores]
    ten, one, theta = [p.mean(1) for p in psi], [p.mean(0) for p in psi], [p.mean() for p in psi]
    m, n = len(ten[0]), len(one[0])
    cov = np.zeros((2, 2))
    for r in range(2):
        for s in range(2):
            if cluster is None:
                s10 = sum((ten[r][i] - theta[r]) * (ten[s][i] - theta[s]) for i in range(m)) / (m - 1)
                s01 = sum((one[r][j] - theta[r]) * (one[s][j] - theta[s]) for j in range(n)) / (n - 1)
                cov[r, s] = s10 / m + s01 / n
                continue
            cp, cn = cluster[y == 1], cluster[y == 0]
            ids = np.unique(cluster)
            i10, i01, i = len(np.unique(cp)), len(np.unique(cn)), len(ids)
            dx = {(k, c): ten[k][cp == c].sum() - (cp == c).sum() * theta[k] for k in range(2) for c in ids}
            dy = {(k, c): one[k][cn == c].sum() - (cn == c).sum() * theta[k] for k in range(2) for c in ids}
            s10 = i10 / ((i10 - 1) * m) * sum(dx[r, c] * dx[s, c] for c in ids)
            s01 = i01 / ((i01 - 1) * n) * sum(dy[r, c] * dy[s, c] for c in ids)
            s11 = i / (i - 1) * sum(dx[r, c] * dy[s, c] for c in ids)
            s11t = i / (i - 1) * sum(dx[s, c] * dy[r, c] for c in ids)
            cov[r, s] = s10 / m + s01 / n + (s11 + s11t) / (m * n)
    return cov


def sample(seed: int, n: int = 60, *, shift: tuple[float, float] = (1.0, 0.6), ties: bool = False):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 0, 1, 1, rng.integers(0, 2, n - 4)]
    common = rng.normal(size=n)
    a, b = (s * y + 0.6 * common + 0.8 * rng.normal(size=n) for s in shift)
    if ties:
        a, b = np.round(a), np.round(b)
    return y, a, b, rng.integers(0, max(4, n // 3), n)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(6, 40), st.booleans(), st.booleans())
def test_equal_to_brute_force(seed: int, n: int, ties: bool, clustered: bool) -> None:
    y, a, b, cluster = sample(seed, n, ties=ties)
    groups = cluster if clustered else None
    if clustered and min(len(np.unique(cluster[y == k])) for k in (0, 1)) < 2:
        assert np.isnan(delong_variance(y, a, cluster=groups))
        return
    cov = brute_covariance(y, [a, b], groups)
    got = delong(y, a, b, cluster=groups)
    assert got.auc_a == pytest.approx(roc_auc_score(y, a), abs=1e-12)
    assert got.auc_b == pytest.approx(roc_auc_score(y, b), abs=1e-12)
    assert delong_variance(y, a, cluster=groups) == pytest.approx(max(cov[0, 0], 0), abs=1e-12)
    variance = cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]
    if variance > 1e-9:
        z = got.difference / np.sqrt(variance)
        assert got.p == pytest.approx(2 * stats.norm.sf(abs(z)), abs=1e-9)
        low, high = np.clip(got.difference + np.array([-1, 1]) * 1.959963985 * np.sqrt(variance), -1, 1)
        assert (got.low, got.high) == pytest.approx((low, high), abs=1e-8)
    assert (got.n_positive, got.n_negative) == ((y == 1).sum(), (y == 0).sum())


def test_only_the_order_of_scores_counts_and_swapping_turns_the_sign() -> None:
    y, a, b, cluster = sample(3)
    one, two = delong(y, a, b, cluster=cluster), delong(y, np.exp(a), 3 * b - 7, cluster=cluster)
    assert one == two
    back = delong(y, b, a, cluster=cluster)
    assert (back.difference, back.low, back.high) == pytest.approx((-one.difference, -one.high, -one.low))
    assert delong(y.astype(bool), a, b) == delong(y, a, b)


def test_clusters_of_one_sample_change_nothing_and_copies_do_not_add_evidence() -> None:
    y, a, b, _ = sample(4)
    plain = delong(y, a, b)
    assert delong(y, a, b, cluster=np.arange(y.size)).p == pytest.approx(plain.p, abs=1e-12)
    twice = [np.repeat(v, 2) for v in (y, a, b, np.arange(y.size))]
    assert delong(*twice[:3], cluster=twice[3]).p == pytest.approx(plain.p, rel=1e-6)
    assert delong(*twice[:3]).p < plain.p


@pytest.mark.parametrize("clustered", [False, True])
def test_variance_agrees_with_the_bootstrap(clustered: bool) -> None:
    rng = np.random.default_rng(5)
    patients = 300
    per = rng.integers(1, 4, patients) if clustered else np.ones(patients, dtype=int)
    patient = np.repeat(np.arange(patients), per)
    effect = rng.normal(size=patients)[patient]
    y = (rng.random(patient.size) < 0.5).astype(int)
    score = y + effect + 0.5 * rng.normal(size=patient.size)
    rows = [np.flatnonzero(patient == c) for c in range(patients)]
    draws = []
    for _ in range(600):
        take = np.concatenate([rows[c] for c in rng.integers(0, patients, patients)])
        draws.append(kernel(y[take], score[take]).mean())
    ratio = np.var(draws) / delong_variance(y, score, cluster=patient if clustered else None)
    assert 0.8 < ratio < 1.25  # 600 draws: a standard error of 6 %


@pytest.mark.parametrize("clustered", [False, True])
def test_p_is_uniform_under_the_null(clustered: bool) -> None:
    rng = np.random.default_rng(6)
    p = []
    for _ in range(800):
        patient = np.repeat(np.arange(60), 2)
        noise = rng.normal(size=60)[patient] if clustered else rng.normal(size=120)
        y = np.tile([0, 1], 60) if not clustered else np.repeat(rng.integers(0, 2, 60), 2)
        own = [rng.normal(size=60)[patient] if clustered else rng.normal(size=120) for _ in range(2)]
        a, b = (0.8 * y + 0.5 * noise + e + 0.3 * rng.normal(size=120) for e in own)
        p.append(delong(y, a, b, cluster=patient if clustered else None).p)
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.03 < np.mean(np.asarray(p) < 0.05) < 0.07


def test_without_evidence() -> None:
    y = np.array([0, 0, 1, 1])
    same = delong(y, [1, 3, 2, 4], [10, 30, 20, 40])
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    perfect = delong(y, [1, 2, 3, 4], [2, 1, 4, 3])
    assert perfect.p == 1 and np.isnan(perfect.low) and np.isnan(perfect.high)
    opposite = delong(y, [1, 2, 3, 4], [4, 3, 2, 1])
    assert opposite.difference == 1 and np.isnan(opposite.p) and np.isnan(opposite.low)
    one_class = delong([1, 1, 1], [1, 2, 3], [3, 2, 1])
    assert np.isnan(one_class.auc_a) and np.isnan(one_class.p) and one_class.n_negative == 0
    few = delong([1, 0, 0], [2, 1, 3], [1, 2, 3])
    assert few.auc_a == 0.5 and np.isnan(few.p) and np.isnan(few.low)
    assert np.isnan(delong_variance([1, 0, 0], [1, 2, 3]))
    assert np.isnan(delong([0, 0, 1, 1], [1, 2, 3, 4], [1, 3, 2, 4], cluster=[0, 0, 1, 2]).p)


def test_mistakes_are_named() -> None:
    with pytest.raises(EverygroupError, match="neither 0 nor 1"):
        delong_variance([0, 1, 2], [1, 2, 3])
    with pytest.raises(EverygroupError, match="2 scores for 3 labels"):
        delong_variance([0, 1, 1], [1, 2])
    with pytest.raises(EverygroupError, match="row 1 is NaN"):
        delong([0, 1, 1], [1, 2, 3], [1, float("nan"), 3])
    with pytest.raises(EverygroupError, match="2 cluster ids for 3 labels"):
        delong([0, 1, 1], [1, 2, 3], [1, 2, 3], cluster=[0, 1])


def test_many_rows_need_no_matrix_of_pairs() -> None:
    import time

    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300_000)
    a, b = rng.normal(size=(2, y.size)) + y
    start = time.perf_counter()
    delong(y, a, b, cluster=rng.integers(0, 100_000, y.size))
    assert time.perf_counter() - start < 10  # a matrix of pairs would need 180 GB
