"""Power and detectable differences against statsmodels, and against simulated studies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from everygroup.statistics.power import (
    detectable_difference,
    detectable_mean,
    detectable_proportion,
    n_for_difference,
    n_for_mean,
    n_for_means,
    n_for_proportions,
    power_of_proportions,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("p_a", "p_b", "n_a", "n_b"), [(0.9, 0.8, 100, 100), (0.5, 0.9, 20, 60), (0.1, 0.12, 5000, 300), (0.7, 0.7, 50, 9)]
)
def test_power_of_proportions_equal_to_statsmodels(p_a: float, p_b: float, n_a: int, n_b: int) -> None:
    from statsmodels.stats.proportion import power_proportions_2indep

    want = power_proportions_2indep(p_a - p_b, p_b, n_a, ratio=n_b / n_a, alpha=0.05).power
    assert power_of_proportions(p_a, p_b, n_a, n_b) == pytest.approx(want, abs=1e-10)


@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.01, 0.9)])
def test_means_equal_to_statsmodels(alpha: float, power: float) -> None:
    from statsmodels.stats.power import TTestIndPower, TTestPower

    for n_a, n_b in ((5, 5), (20, 80), (300, 40)):
        want = TTestIndPower().solve_power(nobs1=n_a, ratio=n_b / n_a, alpha=alpha, power=power)
        assert detectable_mean(2.0, n_a, n_b, alpha=alpha, power=power) == pytest.approx(2 * float(want), rel=1e-5)
    for n in (5, 10, 200):
        got = detectable_mean(0.5, n, alpha=alpha, power=power)
        reached = TTestPower().power(got / 0.5, nobs=n, alpha=alpha)
        assert reached == pytest.approx(power, abs=1e-6)
    for size in (0.2, 0.5, 1.5):
        pairs = TTestPower().solve_power(effect_size=size, alpha=alpha, power=power)
        assert n_for_mean(size, 1.0, alpha=alpha, power=power) == math.ceil(float(np.squeeze(pairs)))
        each = TTestIndPower().solve_power(effect_size=size, alpha=alpha, power=power, ratio=2.0)
        n_a, n_b = n_for_means(size, 1.0, ratio=2.0, alpha=alpha, power=power)  # type: ignore[misc]
        assert (n_a, n_b) == (math.ceil(float(each)), 2 * math.ceil(float(each)))


def test_normal_difference_equal_to_statsmodels() -> None:
    from statsmodels.stats.power import NormalIndPower

    se = math.sqrt(2 / 5000)  # of the difference of two means with sd 1 and n = 5000 each
    want = NormalIndPower().solve_power(nobs1=5000, alpha=0.05, power=0.8)
    assert detectable_difference(se).item() == pytest.approx(float(want), rel=1e-4)
    assert detectable_difference([[se, NAN]]).shape == (1, 2)
    n = n_for_difference(float(want) / 3, se, 5000)
    assert n == pytest.approx(45_000, abs=5)  # their solver's tolerance
    assert n_for_difference(-float(want) / 3, se, 5000) == n
    assert n_for_difference(0.0, se, 100) is None
    assert n_for_difference(0.1, NAN, 100) is None


def test_detectable_and_needed_n_are_each_others_inverse() -> None:
    for direction, p in (("lower", 0.9), ("higher", 0.6)):
        d = detectable_proportion(p, 120, 60, direction=direction)  # type: ignore[arg-type]
        other = p - d if direction == "lower" else p + d
        assert power_of_proportions(p, other, 120, 60) == pytest.approx(0.8, abs=1e-8)
        assert n_for_proportions(p, other, ratio=0.5) in ((120, 60), (121, 61))
    n_a, n_b = n_for_proportions(0.9, 0.8)  # type: ignore[misc]
    assert power_of_proportions(0.9, 0.8, n_a, n_b) >= 0.8 > power_of_proportions(0.9, 0.8, n_a - 1, n_b - 1)


def test_what_no_number_shows() -> None:
    assert math.isnan(detectable_proportion(0.95, 30, 30, direction="higher"))
    assert math.isnan(detectable_proportion(0.0, 30, 30))
    assert math.isnan(detectable_proportion(0.9, 30, 0)) and math.isnan(power_of_proportions(0.9, 0.8, 0, 5))
    assert math.isnan(detectable_proportion(NAN, 30, 30))
    assert math.isnan(detectable_mean(1.0, 1)) and math.isnan(detectable_mean(1.0, 5, 0))
    assert n_for_proportions(0.4, 0.4) is None and n_for_mean(0.0, 1.0) is None and n_for_means(0.0, 1.0) is None
    assert n_for_mean(0.1, 0.0) == 2 and n_for_means(0.1, 0.0) == (2, 2)
    assert n_for_mean(1e6, 1.0) == 2
    assert power_of_proportions(0.0, 1.0, 1, 1) == 0.0 and power_of_proportions(0.0, 1.0, 9, 9) == 1.0


def test_a_claimed_difference_of_proportions_is_found_in_four_of_five_studies() -> None:
    rng = np.random.default_rng(0)
    d = detectable_proportion(0.8, 300, 150)
    a, b = rng.binomial(300, 0.8, 20_000) / 300, rng.binomial(150, 0.8 - d, 20_000) / 150
    pooled = (300 * a + 150 * b) / 450
    z = (a - b) / np.sqrt(pooled * (1 - pooled) * (1 / 300 + 1 / 150))
    assert np.mean(np.abs(z) > stats.norm.ppf(0.975)) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_a_claimed_mean_over_seeds_is_found_in_four_of_five_studies(n: int) -> None:
    d = np.random.default_rng(n).normal(detectable_mean(0.02, n), 0.02, (20_000, n))
    assert np.mean(stats.ttest_1samp(d, 0.0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.012)
