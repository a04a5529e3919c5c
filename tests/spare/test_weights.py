"""SPARE's sample weights: worked values, limits, scales and odd inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everygroup.console import recorded_warnings
from everygroup.errors import SettingsError
from everygroup.spare import SCALES, spare_weights

U = np.array([0.1, 0.4, 0.2, 0.8, 1.6])
S = np.array([0.0, 0.0, 2.0, 1.0, 4.0])

lengths = st.integers(1, 8)
distance = st.floats(0, 50)
pairs = st.lists(st.tuples(distance, distance), min_size=1, max_size=8).map(lambda p: np.array(p).T)
alphas = st.floats(0, 1)


def test_worked_values() -> None:
    npt.assert_allclose(spare_weights([0.0, 0.2], [0.0, 1.0]), [1, np.exp(-0.6)])
    npt.assert_allclose(spare_weights(U, S), np.exp(-(U + S) / 2))
    npt.assert_allclose(spare_weights(U, S, alpha=0.25, temperature=2), np.exp(-(0.25 * U + 0.75 * S) / 2))
    npt.assert_allclose(spare_weights(U, S, scale="median"), np.exp(-(U / 0.4 + S / 2) / 2))
    npt.assert_allclose(
        spare_weights(U, S, scale="quantile"), np.exp(-(U / np.quantile(U, 0.9) + S / np.quantile([2, 1, 4], 0.9)) / 2)
    )
    ranks_u, ranks_s = np.array([1, 3, 2, 4, 5]) / 5, np.array([0, 0, 4, 3, 5]) / 5
    npt.assert_allclose(spare_weights(U, S, scale="rank"), np.exp(-(ranks_u + ranks_s) / 2))


@pytest.mark.parametrize("scale", SCALES)
def test_the_ends_of_alpha_use_one_distance_only(scale: str) -> None:
    rng = np.random.default_rng(0)
    other = rng.random(5)
    npt.assert_array_equal(spare_weights(U, S, alpha=0, scale=scale), spare_weights(other, S, alpha=0, scale=scale))
    npt.assert_array_equal(spare_weights(U, S, alpha=1, scale=scale), spare_weights(U, None, alpha=1, scale=scale))
    npt.assert_array_equal(
        spare_weights(U, S, alpha=1, scale=scale), spare_weights(U, np.full(5, np.nan), alpha=1, scale=scale)
    )


@given(pairs, alphas, st.sampled_from(sorted(SCALES)), st.floats(0.01, 10))
def test_weights_lie_in_zero_to_one(distances: np.ndarray, alpha: float, scale: str, temperature: float) -> None:
    weights = spare_weights(*distances, alpha=alpha, scale=scale, temperature=temperature)
    assert weights.shape == distances[0].shape
    assert (weights > 0).all()
    assert (weights <= 1).all()


@given(distance, distance, st.floats(1e-3, 5), st.floats(0.05, 0.95))
def test_each_distance_lowers_the_weight(u: float, s: float, more: float, alpha: float) -> None:
    weight, farther, foreign = spare_weights([u, u + more, u], [s, s, s + more], alpha=alpha)
    assert farther < weight
    assert foreign < weight


@given(pairs, alphas, st.sampled_from(["median", "quantile", "rank"]), st.sampled_from([0.25, 2.0, 1024.0]))
def test_scaled_weights_do_not_depend_on_the_unit(
    distances: np.ndarray, alpha: float, scale: str, factor: float
) -> None:
    u, s = np.maximum(distances, 1e-3)
    expected = spare_weights(u, s, alpha=alpha, scale=scale)
    npt.assert_allclose(spare_weights(u * factor, s, alpha=alpha, scale=scale), expected, rtol=1e-9)
    npt.assert_allclose(spare_weights(u, s * factor, alpha=alpha, scale=scale), expected, rtol=1e-9)


def test_raw_weights_depend_on_the_unit() -> None:
    assert not np.allclose(spare_weights(2 * U, S), spare_weights(U, S))
    assert not np.allclose(spare_weights(U, 2 * S), spare_weights(U, S))


@given(pairs, alphas)
def test_ranks_do_not_depend_on_a_monotone_map(distances: np.ndarray, alpha: float) -> None:
    u, s = np.round(distances, 3)
    expected = spare_weights(u, s, alpha=alpha, scale="rank")
    npt.assert_array_equal(spare_weights(u**3, np.sqrt(s), alpha=alpha, scale="rank"), expected)


@given(pairs, st.sampled_from(sorted(SCALES)), st.randoms(use_true_random=False))
def test_weights_follow_a_permutation_of_the_samples(distances: np.ndarray, scale: str, random: Any) -> None:
    order = list(range(distances.shape[1]))
    random.shuffle(order)
    u, s = distances
    npt.assert_array_equal(spare_weights(u[order], s[order], scale=scale), spare_weights(u, s, scale=scale)[order])


@pytest.mark.parametrize("unknown", [np.nan, np.inf])
@pytest.mark.parametrize("scale", SCALES)
def test_a_distance_that_was_not_found_counts_as_the_largest(scale: str, unknown: float) -> None:
    censored, filled = U.copy(), U.copy()
    censored[1], filled[1] = unknown, U.max()
    npt.assert_array_equal(spare_weights(censored, S, scale=scale), spare_weights(filled, S, scale=scale))
    assert np.isnan(censored[1]) or np.isinf(censored[1])  # the caller's array is not changed


@pytest.mark.parametrize("scale", ["median", "quantile"])
def test_similarity_of_zero_everywhere_stays_unscaled_with_a_warning(scale: str) -> None:
    weights = spare_weights(U, np.zeros(5), scale=scale)
    npt.assert_allclose(weights, spare_weights(U, np.ones(5), alpha=1, scale=scale) ** 0.5)
    assert recorded_warnings() == [f"The similarity distances have no positive {scale}; they are left unscaled."]


def test_ranks_of_zero_everywhere() -> None:
    npt.assert_array_equal(spare_weights(np.zeros(3), np.zeros(3), scale="rank"), np.ones(3))


def test_a_huge_temperature_gives_equal_weights_and_a_tiny_one_stays_positive() -> None:
    npt.assert_array_equal(spare_weights(U, S, temperature=float("inf")), np.ones(5))
    assert (spare_weights(U, S, temperature=1e-6) > 0).all()


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((U, S), {"alpha": -0.1}, "outside"),
        ((U, S), {"alpha": float("nan")}, "outside"),
        ((U, S), {"temperature": 0}, "not positive"),
        ((U, S), {"temperature": float("nan")}, "not positive"),
        ((U, S), {"scale": "mean"}, "Unknown scale 'mean'"),
        ((U, None), {}, "needs similarity distances"),
        ((U, S[:3]), {}, "5 utility but 3 similarity"),
        ((np.full(5, np.nan), S), {}, "utility distances hold no finite value"),
        ((U, np.full(5, np.nan)), {}, "similarity distances hold no finite value"),
        ((U[None], S), {}, "utility distances hold no finite value"),
        (([], []), {}, "hold no finite value"),
        ((-U, S), {}, "utility distances are negative"),
    ],
)
def test_what_cannot_be_weighted(arguments: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        spare_weights(*arguments, **options)
