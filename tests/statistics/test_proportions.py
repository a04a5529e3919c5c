"""Wilson and Newcombe intervals against statsmodels; what clusters are worth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from everygroup.statistics import effective_size, newcombe_difference, wilson_interval


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_equals_statsmodels(level: float) -> None:
    for n in (1, 7, 20, 500):
        x = np.arange(n + 1)
        low, high = wilson_interval(x, n, level=level)
        expected = proportion_confint(x, n, alpha=1 - level, method="wilson")
        np.testing.assert_allclose(low, np.maximum(expected[0], 0), atol=1e-12)
        np.testing.assert_allclose(high, np.minimum(expected[1], 1), atol=1e-12)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_newcombe_equals_statsmodels(n_a: int, n_b: int, data: st.DataObject) -> None:
    a, b = data.draw(st.integers(0, n_a)), data.draw(st.integers(0, n_b))
    low, high = newcombe_difference(a, n_a, b, n_b)
    expected = confint_proportions_2indep(a, n_a, b, n_b, method="newcomb", compare="diff")
    np.testing.assert_allclose((low, high), expected, atol=1e-9)


def test_all_right_is_an_interval_not_a_point() -> None:
    low, high = wilson_interval([20, 0], [20, 20])
    np.testing.assert_allclose(low, [0.83887, 0], atol=1e-5)
    np.testing.assert_allclose(high, [1, 0.16113], atol=1e-5)
    assert low[1] == 0 and high[0] == 1


def test_no_trials_is_undefined() -> None:
    low, high = wilson_interval([0, 3], [0, 5])
    assert np.isnan(low[0]) and np.isnan(high[0]) and low[1] > 0
    assert np.isnan(newcombe_difference(0, 0, 3, 5)).all()
    assert np.isnan(effective_size(0, 0, 0, 0))


def test_effective_size_widens_and_keeps_the_estimate_inside() -> None:
    low, high = wilson_interval(80, 100, n_effective=[100, 25])
    assert low[1] < low[0] < 0.8 < high[0] < high[1]
    np.testing.assert_allclose(wilson_interval(80, 100, n_effective=25), wilson_interval(20, 25), atol=1e-12)
    wide = newcombe_difference(80, 100, 50, 100, n_effective_a=25, n_effective_b=25)
    np.testing.assert_allclose(wide, newcombe_difference(20, 25, 12.5, 25), atol=1e-12)


def test_clusters_are_worth_what_their_variance_says() -> None:
    # 100 patients with 4 equal images each: the variance is that of 100 rows
    worth = effective_size(320, 400, 0.8 * 0.2 / 100 * 99 / 100, 100)
    assert worth == pytest.approx(100 * (1.959964 / 1.984217) ** 2, rel=1e-5)
    # images that do not resemble each other
    assert effective_size(320, 400, 0.8 * 0.2 / 400, 100) == pytest.approx(400 * 0.9757, rel=0.01)
    # never more than n, not even where the variance happens to be tiny
    assert effective_size(320, 400, 1e-9, 100) <= 400
    # independent rows are worth n, whatever the replicates' noise
    assert effective_size(16, 20, 0.02, 20) == 20
    # all right: every cluster counts once
    assert effective_size(40, 40, 0.0, 10) == 10
    assert effective_size(4, 4, 0.0, 1) == 1


def _clustered(seed: int, repeats: int, patients: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """(repeats, patients) right answers and images, 2 to 4 images a patient whose answers are correlated."""
    rng = np.random.default_rng(seed)
    images = rng.integers(2, 5, (repeats, patients))
    p = rng.beta(0.8 * spread, 0.2 * spread, (repeats, patients))
    return rng.binomial(images, p), images


def test_wilson_with_effective_size_covers_under_clustering() -> None:
    right, images = _clustered(0, 1000, 20, 1.5)
    rng = np.random.default_rng(1)
    weights = rng.multinomial(20, np.full(20, 1 / 20), 400).astype(float)
    drawn = (right @ weights.T) / (images @ weights.T)
    x, n = right.sum(1), images.sum(1)
    low, high = wilson_interval(x, n, n_effective=effective_size(x, n, drawn.var(axis=1), 20))
    naive_low, naive_high = wilson_interval(x, n)
    covered, naive = np.mean((low <= 0.8) & (high >= 0.8)), np.mean((naive_low <= 0.8) & (naive_high >= 0.8))
    assert covered > 0.92
    assert naive < 0.9


@pytest.mark.parametrize(
    ("positive", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_agrees_with_published_values(positive: int, n: int, low: float, high: float) -> None:
    # 81 of 263: Newcombe 1998, Statistics in Medicine 17, table I.
    np.testing.assert_allclose(wilson_interval(positive, n), (low, high), atol=6e-5)
