"""Distances between features and between scores: closed forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everygroup.errors import SettingsError
from everygroup.spare import centroid_distance, logit_gap, mean_discrepancy

GROUP = np.array([0, 0, 1, 1])
PHI = np.array([[0.0, 7.0], [2.0, 7.0], [4.0, 7.0], [6.0, 7.0]])  # mean 3, variance 5; the second value is constant


def test_distance_to_the_centroid_in_standard_deviations() -> None:
    npt.assert_allclose(centroid_distance(PHI, GROUP, 0), np.array([1, 1, 3, 5]) / np.sqrt(5))
    npt.assert_allclose(centroid_distance(PHI, GROUP, 1), np.array([5, 3, 1, 1]) / np.sqrt(5))
    npt.assert_allclose(centroid_distance(PHI, GROUP, 0, level="group"), np.array([0, 0, 4, 4]) / np.sqrt(5))
    phi = np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0], [3.0, 4.0]])  # each value has standard deviation half its range
    npt.assert_allclose(centroid_distance(phi, GROUP, 0), [0, 0, np.sqrt(8), np.sqrt(8)])


def test_centroid_distance_does_not_depend_on_units() -> None:
    phi = np.random.default_rng(0).standard_normal((20, 3))
    group = np.arange(20) % 3 - 1
    expected = centroid_distance(phi, group, 0)
    npt.assert_allclose(centroid_distance(phi * [1, 10, 0.1] + 5, group, 0), expected)
    npt.assert_array_equal(centroid_distance(np.ones((4, 2)), GROUP, 0), np.zeros(4))


def kernel(u: float, v: float, s: float) -> float:
    return float(np.exp(-((u - v) ** 2) / (2 * s**2)))


def test_discrepancy_by_hand() -> None:
    phi = np.array([[0.0], [1.0], [3.0], [3.0]])
    s = 1.5
    own = (2 + 2 * kernel(0, 1, s)) / 4
    toward = np.array([(kernel(x, 0, s) + kernel(x, 1, s)) / 2 for x in phi[:, 0]])
    npt.assert_allclose(mean_discrepancy(phi, GROUP, 0, bandwidth=s), np.sqrt(1 - 2 * toward + own))
    npt.assert_allclose(
        mean_discrepancy(phi, GROUP, 0, bandwidth=s, level="group"), [0, 0, *[1 - 2 * toward[2] + own] * 2]
    )
    # pairs: 1, 3, 3, 2, 2, 0
    npt.assert_allclose(mean_discrepancy(phi, GROUP, 0), mean_discrepancy(phi, GROUP, 0, bandwidth=2.0))


def test_discrepancy_of_a_group_of_one_point() -> None:
    phi = np.array([[0.0], [0.0], [1.0], [1e6]])
    npt.assert_allclose(mean_discrepancy(phi, GROUP, 0, bandwidth=1.0), [0, 0, np.sqrt(2 - 2 * np.exp(-0.5)), 2**0.5])
    same = mean_discrepancy(np.tile([[0.0], [1.0]], (2, 1)), GROUP, 0, bandwidth=1.0, level="group")
    npt.assert_allclose(same, 0, atol=1e-12)


@pytest.mark.parametrize("distance", [centroid_distance, mean_discrepancy])
def test_larger_for_what_lies_farther_and_many_rows(distance: Callable[..., np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 700)
    phi = rng.standard_normal((2100, 2)) + group[:, None]
    near, middle, far = (distance(phi, group, 0)[group == g].mean() for g in range(3))
    assert near < middle < far
    near, middle, far = (distance(phi, group, 0, level="group")[group == g].mean() for g in range(3))
    assert near == 0 < middle < far


def test_gap_is_0_on_ties_and_1_at_one_hot() -> None:
    npt.assert_allclose(logit_gap([[2.0, 2.0, -1.0], [900.0, 0.0, 0.0]]), [0, 1])
    npt.assert_allclose(logit_gap(np.log([[0.2, 0.5, 0.3]])), [0.2])
    npt.assert_allclose(logit_gap([[2.0, 5.0, 3.0]], probabilities=False), [2])


@given(st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=5))
def test_gap_lies_in_zero_to_one(logits: list[list[float]]) -> None:
    gap = logit_gap(logits)
    assert ((gap >= 0) & (gap <= 1)).all()
    npt.assert_allclose(logit_gap(np.array(logits) + 3), gap, atol=1e-9)


def test_what_cannot_be_measured() -> None:
    with pytest.raises(SettingsError, match="Unknown level"):
        centroid_distance(PHI, GROUP, 0, level="both")
    with pytest.raises(SettingsError, match="no sample"):
        mean_discrepancy(PHI, GROUP, 2)
    with pytest.raises(SettingsError, match="is not positive"):
        mean_discrepancy(np.ones((4, 2)), GROUP, 0)
    with pytest.raises(SettingsError, match="is not positive"):
        mean_discrepancy([[1.0]], [0], 0)
