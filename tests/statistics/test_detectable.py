"""The detectable gap against formulae, and against simulated audits that test by permutation."""

from __future__ import annotations

import numpy as np
import pytest

from everygroup.errors import EverygroupError
from everygroup.statistics.detectable import detectable_gap
from everygroup.statistics.power import detectable_difference

NAN = float("nan")


def null_gaps(right: int, n: np.ndarray, n_perm: int, rng: np.random.Generator) -> np.ndarray:
    """Gaps in accuracy when `right` right answers are dealt out to groups of n samples."""
    dealt = rng.multivariate_hypergeometric(n, right, size=n_perm) / n
    return dealt.max(1) - dealt.min(1)


def test_two_normal_groups_follow_the_formula() -> None:
    rng = np.random.default_rng(0)
    se = np.array([0.01, 0.04])
    draws = rng.normal(0.8, se, (40_000, 2))
    want = detectable_difference(np.hypot(*se)).item()
    assert detectable_gap(draws).item() == pytest.approx(want, rel=0.02)
    null = np.abs(rng.normal(0, np.hypot(*se), 40_000))
    assert detectable_gap(null=null).item() == pytest.approx(want, rel=0.02)
    assert detectable_gap(draws, null=null).item() == pytest.approx(want, rel=0.02)


@pytest.mark.parametrize("n_groups", [2, 3, 6])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_null_alone_agrees_with_simulated_normal_groups(n_groups: int, power: float) -> None:
    rng = np.random.default_rng(1)
    null = np.ptp(rng.normal(0, 1, (40_000, n_groups)), axis=1)
    d = detectable_gap(null=null, n_groups=n_groups, power=power).item()
    moved = rng.normal(0, 1, (40_000, n_groups)) + d * (np.arange(n_groups) == 0)
    assert np.mean(np.ptp(moved, axis=1) > np.quantile(null, 0.95)) == pytest.approx(power, abs=0.015)


@pytest.mark.parametrize(("n", "behind"), [((200, 200), 1), ((400, 60), 1), ((300, 150, 60), 2)])
def test_a_claimed_gap_is_found_by_permutation_in_four_of_five_studies(n: tuple[int, ...], behind: int) -> None:
    rng = np.random.default_rng(2)
    size = np.asarray(n)
    p = np.full(size.size, 0.75)
    replicates = rng.binomial(size, p, (4000, size.size)) / size  # the bootstrap of values at 0.75
    null = null_gaps(int(size.sum() * 0.75), size, 4000, rng)
    d = detectable_gap(replicates, null=null, rate=True).item()
    p[behind] -= d
    found = 0
    for _ in range(400):
        right = rng.binomial(size, p)
        gap = np.ptp(right / size)
        found += (1 + (null_gaps(int(right.sum()), size, 399, rng) >= gap - 1e-12).sum()) / 400 <= 0.05
    assert 0.72 < found / 400 < 0.90  # 0.8; smaller rates scatter a little more, and ties make steps


def test_without_a_gap_declared_gaps_are_as_rare_as_alpha() -> None:
    rng = np.random.default_rng(3)
    draws = rng.normal(0, 1, (20_000, 3))
    # with less power than alpha nothing needs to be moved
    assert detectable_gap(draws, power=0.03).item() == 0.0
    assert detectable_gap(draws, power=0.2).item() > 0.0


def test_small_groups_decide() -> None:
    rng = np.random.default_rng(4)
    large = rng.normal(0, 0.01, (5000, 3))
    small = large.copy()
    small[:, 2] *= 8
    assert detectable_gap(small) > 4 * detectable_gap(large)


def test_many_metrics_at_once_and_any_level() -> None:
    rng = np.random.default_rng(5)
    draws = rng.normal(0.5, 0.1, (500, 4, 3))
    together = detectable_gap(draws)
    assert together.shape == (4,)
    for m in range(4):
        assert together[m] == detectable_gap(draws[:, m])
    null = np.ptp(rng.normal(0, 0.1, (500, 4, 3)), axis=-1)
    both = detectable_gap(draws, null=null)
    assert both[2] == detectable_gap(draws[:, 2], null=null[:, 2])
    np.testing.assert_allclose(detectable_gap(draws + 7.0), together, atol=1e-9)
    np.testing.assert_allclose(detectable_gap(3 * draws), 3 * together, atol=1e-9)
    np.testing.assert_allclose(detectable_gap(-draws), together, atol=1e-9)
    assert (detectable_gap(draws, alpha=0.01) > together).all() and (detectable_gap(draws, power=0.9) > together).all()


def test_undefined_replicates() -> None:
    draws = np.random.default_rng(6).normal(0, 1, (400, 2, 2))
    holed = draws.copy()
    holed[:100, 0, 1] = NAN
    holed[:300, 1, 0] = NAN
    got = detectable_gap(holed)
    assert got[0] == pytest.approx(detectable_gap(draws[100:, 0]).item()) and np.isnan(got[1])
    assert np.isnan(detectable_gap(np.full((50, 3), NAN)))
    assert np.isnan(detectable_gap(draws[:, 0, :1]))  # one group
    assert np.isnan(detectable_gap(null=np.ones(50), n_groups=1))
    null = np.abs(draws[:, 0, 0])
    assert np.isnan(detectable_gap(null=null[:18])) and np.isfinite(detectable_gap(null=null[:19]))
    assert detectable_gap(null=np.r_[null, NAN, NAN]) == detectable_gap(null=null)
    assert np.isnan(detectable_gap(null=[NAN, NAN]))
    assert np.isnan(detectable_gap(draws[:, 0], null=null[:5]))
    with pytest.raises(EverygroupError, match="no replicates"):
        detectable_gap()
