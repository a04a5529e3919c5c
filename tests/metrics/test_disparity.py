"""Disparity functions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everygroup.metrics import (
    DISPARITIES,
    difference,
    mean_pairwise,
    normalised_range,
    ratio,
    skewed_error_ratio,
    standard_deviation,
    worst_group,
)

ACCURACIES = [5 / 6, 4 / 6]


def test_worked_example() -> None:
    assert difference(ACCURACIES) == pytest.approx(0.166667, abs=1e-6)
    assert ratio(ACCURACIES) == pytest.approx(0.8)
    assert skewed_error_ratio(ACCURACIES) == pytest.approx(2.0)
    assert standard_deviation(ACCURACIES) == pytest.approx(0.083333, abs=1e-6)
    assert normalised_range(ACCURACIES) == pytest.approx(0.222222, abs=1e-6)
    assert mean_pairwise([0.1, 0.2, 0.4]) == pytest.approx(0.2)
    assert standard_deviation([0.1, 0.3], ddof=1) == pytest.approx(np.sqrt(0.02))
    assert worst_group(ACCURACIES) == pytest.approx(4 / 6)
    assert worst_group([0.1, 0.3], higher_is_better=False) == 0.3


@pytest.mark.parametrize("name", DISPARITIES)
@settings(deadline=None, max_examples=40)
@given(values=st.lists(st.floats(0.01, 0.99), min_size=2, max_size=6), seed=st.integers(0, 5))
def test_order_of_groups_does_not_matter(name: str, values: list[float], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(values)
    assert DISPARITIES[name](shuffled) == pytest.approx(DISPARITIES[name](values))


@pytest.mark.parametrize("name", DISPARITIES)
def test_fair_value_undefined_values_and_batches(name: str) -> None:
    function = DISPARITIES[name]
    fair = 1.0 if name in ("ratio", "skewed_error_ratio") else 0.0
    assert function([0.7, 0.7, 0.7]) == pytest.approx(fair)
    assert np.isnan(function([0.7, np.nan]))
    assert np.isnan(function([0.7]))
    assert function(np.full((5, 4, 3), 0.5)).shape == (5, 4)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0.1, 1), min_size=2, max_size=5), st.floats(0.1, 5))
def test_scaling_leaves_ratio_and_normalised_range(values: list[float], scale: float) -> None:
    scaled = np.array(values) * scale
    assert ratio(scaled) == pytest.approx(ratio(values))
    assert normalised_range(scaled) == pytest.approx(normalised_range(values), abs=1e-12)


def test_division_by_zero() -> None:
    assert np.isnan(ratio([0.0, 0.0]))
    assert skewed_error_ratio([1.0, 0.5]) == np.inf
    assert np.isnan(skewed_error_ratio([1.0, 1.0]))
