"""Bootstrap intervals against scipy and by simulation; simultaneous differences and folded gaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from everygroup.statistics import (
    bca_interval,
    expanded_interval,
    gap_interval,
    joint_units,
    newcombe_difference,
    percentile_interval,
    simultaneous_differences,
    wilson_interval,
)


def _mean_replicates(x: np.ndarray, n_boot: int = 2000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.multinomial(x.size, np.full(x.size, 1 / x.size), n_boot) @ x / x.size


def _leave_one_out(x: np.ndarray) -> np.ndarray:
    return (x.sum() - x) / (x.size - 1)


def test_percentile_interval_leaves_out_undefined_replicates() -> None:
    replicates = np.stack([np.arange(101.0), np.full(101, np.nan)], axis=1)
    replicates[:20, 0] = np.nan
    low, high = percentile_interval(replicates, level=0.9)
    assert low[0] == pytest.approx(24) and high[0] == pytest.approx(96)
    assert np.isnan(low[1]) and np.isnan(high[1])


@given(st.integers(1, 60), st.integers(0, 40), st.floats(0.5, 0.99), st.integers(0, 2**32 - 1))
def test_percentile_interval_equals_numpy(n_boot: int, n_undefined: int, level: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    replicates = rng.normal(size=(n_boot, 3))
    replicates[rng.permutation(n_boot)[: min(n_undefined, n_boot // 2)], 1] = np.nan
    got = percentile_interval(replicates, level=level)
    expected = np.nanpercentile(replicates, [50 - 50 * level, 50 + 50 * level], axis=0)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_no_replicates_give_no_interval() -> None:
    assert np.isnan(percentile_interval(np.full((5, 2), np.nan))).all()
    assert np.isnan(percentile_interval(np.full(5, np.nan))).all()


def test_expanded_levels_are_hesterbergs() -> None:
    replicates = np.arange(1.0, 10_000.0)  # the value at level q is 10,000 q
    low, high = expanded_interval(replicates, n_units=20)
    tail = stats.norm.cdf(-np.sqrt(20 / 19) * stats.t.ppf(0.975, 19))
    assert low == pytest.approx(10_000 * tail) and high == pytest.approx(10_000 * (1 - tail))
    low, high = expanded_interval(replicates, n_units=np.inf)
    assert (low, high) == (pytest.approx(250), pytest.approx(9750))


def test_expanded_interval_of_a_mean_is_about_the_t_interval() -> None:
    x = np.random.default_rng(0).normal(size=20)
    low, high = expanded_interval(_mean_replicates(x, 20_000), n_units=20)
    t_low, t_high = stats.t.interval(0.95, 19, x.mean(), x.std(ddof=1) / np.sqrt(20))
    assert high - low == pytest.approx(t_high - t_low, rel=0.03)


def test_one_unit_has_no_interval() -> None:
    replicates = np.random.default_rng(0).normal(size=(100, 2))
    low, high = expanded_interval(replicates, n_units=[1, 30])
    assert np.isnan(low[0]) and np.isnan(high[0]) and low[1] < high[1]
    assert np.isnan(bca_interval(0.0, replicates[:, 0], np.zeros(3), n_units=1)).all()


def test_bca_equals_scipy() -> None:
    x = np.random.default_rng(0).exponential(size=25)
    ours = bca_interval(x.mean(), _mean_replicates(x, 100_000), _leave_one_out(x))
    theirs = stats.bootstrap((x,), np.mean, n_resamples=100_000, method="BCa", rng=1).confidence_interval
    np.testing.assert_allclose(ours, theirs, rtol=0.01)
    plain = percentile_interval(_mean_replicates(x, 100_000))
    assert ours[0] > plain[0] and ours[1] > plain[1]  # skewed to the right: both limits move up


def test_bca_multiplicities_equal_repeated_rows() -> None:
    x = np.repeat([0.0, 1.0, 5.0], [10, 6, 2])
    replicates = _mean_replicates(x)
    rows = _leave_one_out(np.array([0.0, 1.0, 5.0]))
    rows = (x.sum() - np.array([0.0, 1.0, 5.0])) / (x.size - 1)
    once = bca_interval(x.mean(), replicates, _leave_one_out(x))
    typed = bca_interval(x.mean(), replicates, rows, [10, 6, 2])
    np.testing.assert_allclose(typed, once, rtol=1e-12)


def test_bca_weight_per_column_takes_other_groups_units_out() -> None:
    x = np.random.default_rng(0).exponential(size=12)
    replicates = np.stack([_mean_replicates(x)] * 2, axis=1)
    jackknife = np.concatenate([_leave_one_out(x), np.full(30, x.mean() + 0.3)])
    own = np.repeat([1.0, 0.0], [12, 30])
    low, high = bca_interval(
        np.full(2, x.mean()), replicates, np.stack([jackknife] * 2, axis=1), np.stack([own, np.ones(42)], axis=1)
    )
    alone = bca_interval(x.mean(), replicates[:, 0], _leave_one_out(x))
    np.testing.assert_allclose((low[0], high[0]), alone, rtol=1e-12)
    assert low[1] != pytest.approx(low[0])


def test_bca_columns_are_independent_and_undefined_rows_count_for_nothing() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.exponential(size=15), rng.normal(size=15)
    replicates = np.stack([_mean_replicates(x), _mean_replicates(y), np.full(2000, np.nan)], axis=1)
    replicates[:100, 0] = np.nan
    jackknife = np.stack([_leave_one_out(x), _leave_one_out(y), np.full(15, np.nan)], axis=1)
    jackknife = np.concatenate([jackknife, np.full((2, 3), np.nan)])
    low, high = bca_interval([x.mean(), y.mean(), np.nan], replicates, jackknife)
    assert np.isnan(low[2]) and np.isnan(high[2])
    np.testing.assert_allclose(
        (low[0], high[0]), bca_interval(x.mean(), replicates[100:, 0], _leave_one_out(x)), rtol=1e-12
    )
    np.testing.assert_allclose((low[1], high[1]), bca_interval(y.mean(), replicates[:, 1], _leave_one_out(y)))


def test_bca_falls_back_to_the_expanded_percentile() -> None:
    replicates = np.random.default_rng(0).uniform(size=500)
    for point, jackknife in ((-1.0, np.arange(3.0)), (2.0, np.arange(3.0)), (0.5, np.full(3, np.nan))):
        got = bca_interval(point, replicates, jackknife, n_units=20)
        np.testing.assert_allclose(got, expanded_interval(replicates, n_units=20))
    # an acceleration so strong that the level would jump past its pole
    wild = bca_interval(0.02, replicates, np.array([0.0] * 400 + [100.0]), n_units=5)
    assert np.isfinite(wild).all() and wild[0] < wild[1]


def test_constant_replicates_give_their_value_or_wilson_at_the_ends_of_the_unit_range() -> None:
    replicates, jackknife = np.ones((300, 3)), np.ones((20, 3))
    replicates[:, 1] = jackknife[:, 1] = 0.0
    replicates[:, 2] = jackknife[:, 2] = 0.7
    point = np.array([1.0, 0.0, 0.7])
    low, high = bca_interval(point, replicates, jackknife, n_units=20)
    np.testing.assert_array_equal((low, high), (point, point))
    low, high = bca_interval(point, replicates, jackknife, n_units=20, unit_range=True)
    np.testing.assert_allclose(low[:2], wilson_interval([20, 0], 20)[0])
    np.testing.assert_allclose(high[:2], wilson_interval([20, 0], 20)[1])
    assert (low[2], high[2]) == (0.7, 0.7)


def test_two_groups_with_wilson_limits_are_newcombe() -> None:
    x, n = np.array([20, 45]), np.array([20, 60])
    replicates = np.random.default_rng(0).binomial(n, x / n, (1000, 2)) / n
    low, high = simultaneous_differences(x / n, replicates, limits=wilson_interval(x, n))
    expected = newcombe_difference(20, 20, 45, 60)
    assert (low[0, 1], high[0, 1]) == pytest.approx(expected)
    assert (low[1, 0], high[1, 0]) == pytest.approx((-expected[1], -expected[0]))
    assert low[0, 0] == high[1, 1] == 0


def test_widened_by_tukey_for_independent_groups() -> None:
    replicates = np.random.default_rng(0).normal(size=(20_000, 4))
    low, high = simultaneous_differences(np.zeros(4), replicates)
    half = stats.studentized_range.ppf(0.95, 4, np.inf)
    assert high[0, 1] == pytest.approx(half, rel=0.03) and low[2, 3] == pytest.approx(-half, rel=0.03)
    # with few units the margins are those of t
    _, wide = simultaneous_differences(np.zeros(4), replicates, n_units=[5, 5, 1000, 1000])
    assert wide[0, 1] > 1.3 * high[0, 1] and wide[2, 3] == pytest.approx(high[2, 3], rel=0.01)


def test_groups_of_the_same_patients_are_compared_as_pairs() -> None:
    rng = np.random.default_rng(0)
    patient = rng.normal(size=(2000, 1))
    low, high = simultaneous_differences(np.zeros(2), patient + 0.2 * rng.normal(size=(2000, 2)))
    assert high[0, 1] == pytest.approx(1.96 * 0.2 * np.sqrt(2), rel=0.1)
    assert low[0, 1] == pytest.approx(-high[0, 1])


def test_undefined_groups_are_left_out() -> None:
    replicates = np.random.default_rng(0).normal(size=(500, 3))
    replicates[:, 1] = np.nan
    point = np.array([0.0, np.nan, 9.0])
    low, high = simultaneous_differences(point, replicates)
    assert np.isnan(low[1]).all() and np.isnan(high[:, 1]).all() and low[2, 0] > 0
    got = gap_interval(point, replicates)
    np.testing.assert_allclose(got, (low[2, 0], high[2, 0]))
    assert np.isnan(gap_interval(np.array([0.0, np.nan]), replicates[:, :2])).all()


def test_the_gap_of_many_groups_is_no_wider_above_than_its_own_pair() -> None:
    rng = np.random.default_rng(0)
    point = np.array([0.5, 0.6, 0.7, 0.8])
    replicates = point + 0.02 * rng.normal(size=(4000, 4))
    lows, highs = simultaneous_differences(point, replicates)
    low, high = gap_interval(point, replicates)
    half = stats.norm.ppf(0.975) * 0.02 * np.sqrt(2)
    assert high == pytest.approx(0.3 + half, rel=0.02) and high < highs[3, 0] - 0.01
    assert lows[3, 0] < low <= 0.3 - half + 0.003  # only the pair of the extremes can be the largest here


def test_a_gap_of_zero_is_excluded_only_where_a_pair_differs() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        point = rng.normal(0, 0.03, 4)
        replicates = point + 0.02 * rng.normal(size=(400, 4))
        lows, _ = simultaneous_differences(point, replicates)
        low, high = gap_interval(point, replicates)
        assert (low > 0) == (np.nanmax(lows) > 0) and low >= min(np.nanmax(lows), 0.0) - 1e-12
        assert np.nanmax(lows) <= 0 or low >= np.nanmax(lows) - 1e-12
        assert low <= np.ptp(point) <= high


def test_leading_axes_are_separate_metrics() -> None:
    rng = np.random.default_rng(0)
    replicates, point = rng.normal(size=(400, 5, 3)), rng.normal(size=(5, 3))
    low, high = gap_interval(point, replicates, n_units=[20, 30, 40])
    for k in range(5):
        one = gap_interval(point[k], replicates[:, k], n_units=[20, 30, 40])
        np.testing.assert_allclose((low[k], high[k]), one)


def test_a_group_that_is_all_right_does_not_make_a_gap_certain() -> None:
    x, n = np.array([20, 900]), np.array([20, 1000])
    replicates = np.random.default_rng(0).binomial(n, x / n, (1000, 2)) / n
    assert (replicates[:, 0] == 1).all()
    low, high = gap_interval(x / n, replicates, limits=wilson_interval(x, n))
    assert low == 0 and high > 0.1


@pytest.mark.parametrize("n_groups", [2, 4])
@pytest.mark.parametrize("true_gap", [0.0, 0.1])
def test_gap_interval_covers_where_the_percentile_interval_does_not(n_groups: int, true_gap: float) -> None:
    rng = np.random.default_rng(0)
    n, repeats = np.array([20, 50, 200, 200])[:n_groups], 500
    p = 0.8 + np.linspace(0, true_gap, n_groups)
    x = rng.binomial(n, p, (repeats, n_groups))
    replicates = rng.binomial(n, x / n, (300, repeats, n_groups)) / n
    low, high = gap_interval(x / n, replicates, limits=wilson_interval(x, n))
    covered = np.mean((low <= true_gap) & (true_gap <= high))
    assert covered >= 0.93
    assert ((x / n).max(axis=1) - (x / n).min(axis=1) <= high).all()
    if true_gap == 0:
        drawn = replicates.max(axis=-1) - replicates.min(axis=-1)
        assert np.mean(percentile_interval(drawn)[0] <= 0) < 0.7


def test_joint_units_lie_between_the_smallest_class_and_all() -> None:
    equal = joint_units([[10, 10, 10], [10, 6, 4], [1000, 1000, 4]])
    assert equal[0] == pytest.approx(30)
    assert 4 < equal[1] < 20
    assert equal[2] == pytest.approx(4, rel=0.02)
    np.testing.assert_allclose(joint_units([[0, 0, 1], [0, 7, 0]]), [1, 7])
    assert joint_units([1, 0, 19]) == 2
    assert np.isnan(joint_units([0, 0]))
