"""Shares of a mixture, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from everygroup.statistics.mixtures import expected_change, mixture_shares


def by_expectation_maximisation(seen: np.ndarray, credit: np.ndarray, weight: np.ndarray) -> np.ndarray:
    shares = np.full(seen.shape[1], 1 / seen.shape[1])
    for _ in range(20_000):
        with np.errstate(divide="ignore"):
            belongs = softmax(seen + np.log(shares), axis=1)
        shares = (weight @ belongs + credit) / (weight.sum() + credit.sum())
    return shares


@pytest.mark.parametrize("components", [2, 4])
@pytest.mark.parametrize("n", [15, 300])
def test_shares_are_where_expectation_maximisation_ends(components: int, n: int) -> None:
    rng = np.random.default_rng(components)
    seen, weight = np.log(rng.beta(3, 1.5, (n, components))), rng.random(n)
    credit = np.array([3.0, *[0.0] * (components - 1)])
    shares = mixture_shares(seen, credit, weight)
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares, by_expectation_maximisation(seen, credit, weight), atol=2e-4)


def test_nothing_observed_is_the_prior_and_a_useless_component_gets_nothing() -> None:
    np.testing.assert_allclose(mixture_shares(np.empty((0, 2)), [3, 0]), [1, 0], atol=1e-6)
    worse = np.log(np.tile([[0.8, 0.3]], (50, 1)))
    np.testing.assert_array_equal(mixture_shares(worse, [3, 0]), [1, 0])


def test_a_change_is_judged_on_units_that_did_not_choose_the_shares() -> None:
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(60), 3)
    noise = np.log(rng.beta(4, 2, (180, 2)))  # neither is better: shares fitted on all of it look better than they are
    shares = mixture_shares(noise, [0, 0])
    flattering = float((np.log(np.exp(noise) @ shares) - noise[:, 0]).mean())
    change = expected_change(noise, [0, 0], units)
    assert change.low < change.mean < change.high
    assert change.mean < flattering
    better = noise + np.array([0.0, 0.5])
    assert expected_change(better, [3, 0], units).low > 0
    assert np.isnan(expected_change(noise[:9], [3, 0], units[:9]).mean)


def test_the_interval_is_that_of_the_units_sums() -> None:
    rng = np.random.default_rng(1)
    seen = np.stack([np.zeros(40), rng.normal(0.3, 0.2, 40)], 1)
    prior = [0.0, 1e9]  # shares are then (0, 1) in every fold
    change = expected_change(seen, prior, np.arange(40))
    gain = seen[:, 1]
    assert change.mean == pytest.approx(gain.mean(), abs=1e-6)
    half = 2.0226909 * gain.std(ddof=1) / np.sqrt(40)
    assert change.high - change.mean == pytest.approx(half, rel=1e-5)
