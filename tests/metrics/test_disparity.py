"""Disparity functions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everygroup.errors import SettingsError
from everygroup.metrics import (
    DISPARITIES,
    accuracy,
    difference,
    disparity_of,
    largest_deviation,
    mean_pairwise,
    normalised_range,
    ratio,
    signed_difference,
    skewed_error_ratio,
    standard_deviation,
    weighted_deviation,
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


def test_deviations_from_everybody() -> None:
    assert largest_deviation(ACCURACIES, 0.75) == pytest.approx(1 / 12)
    assert weighted_deviation([0.5, 1.0], 0.875, [10, 30]) == pytest.approx(0.375 / 4 + 0.125 * 3 / 4)
    assert signed_difference([0.2, 0.5]) == pytest.approx(-0.3)
    assert largest_deviation(np.full((4, 3), 0.5), np.full(4, 0.25)).tolist() == [0.25] * 4
    assert np.isnan(weighted_deviation([0.5, np.nan], 0.5, [1, 1]))
    with pytest.raises(SettingsError, match="3 groups"):
        signed_difference([1, 2, 3])


Y = [0, 0, 1, 1, 2, 2] * 2
ANSWERS = [0, 0, 1, 2, 2, 2, 0, 1, 1, 1, 2, 0]
GROUP = [0] * 6 + [1] * 6


@pytest.mark.parametrize(
    ("name", "value", "fair"),
    [
        ("difference", 1 / 6, 0),
        ("ratio", 0.8, 1),
        ("skewed_error_ratio", 2, 1),
        ("standard_deviation", 1 / 12, 0),
        ("normalised_range", 2 / 9, 0),
        ("mean_pairwise", 1 / 6, 0),
        ("signed_difference", 1 / 6, 0),
        ("to_overall", 1 / 12, 0),
        ("weighted", 1 / 12, 0),
        ("worst", 2 / 3, np.nan),
    ],
)
def test_any_disparity_of_any_metric(name: str, value: float, fair: float) -> None:
    joined = disparity_of("accuracy", name)  # type: ignore[arg-type]
    assert joined.name == f"{name} of accuracy over groups"
    measured = joined(Y, ANSWERS, sensitive_features=GROUP)
    assert measured.value == pytest.approx(value)
    assert dict(measured.per_group) == pytest.approx({0: 5 / 6, 1: 4 / 6})
    assert joined.fair == pytest.approx(fair, nan_ok=True)
    assert np.isnan(joined(Y, ANSWERS, sensitive_features=[0] * 12).value)


def test_over_cells_every_label_and_group_counts() -> None:
    joined = disparity_of(accuracy, over="cell")
    assert joined.name == "difference of accuracy over cells"
    measured = joined(Y, ANSWERS, sensitive_features=np.array(["a"] * 6 + ["b"] * 5 + [None], dtype=object))
    assert dict(measured.per_group) == {
        (0, "a"): 1.0, (1, "a"): 0.5, (2, "a"): 1.0, (0, "b"): 0.5, (1, "b"): 1.0, (2, "b"): 1.0,
    }  # fmt: skip
    assert measured.value == 0.5 and measured.n_missing == 1 and measured.n_per_group[2, "b"] == 1
    brier = disparity_of("brier", over="cell")([0, 1, 1], [[0.5, 0.5], [0, 1], [0, 1]], sensitive_features=[0, 0, 1])
    assert set(brier.per_group) == {(0, 0), (1, 0), (1, 1)} and brier.value == 0.25
    assert disparity_of("recall[1]")(Y, ANSWERS, sensitive_features=GROUP).value == 0.5


def test_worst_knows_the_direction_and_standard_deviation_its_degrees_of_freedom() -> None:
    assert disparity_of("fpr", "worst")(Y, ANSWERS, sensitive_features=GROUP).value == pytest.approx(1 / 6)
    sample = disparity_of("accuracy", "standard_deviation", ddof=1)(Y, ANSWERS, sensitive_features=GROUP)
    assert sample.value == pytest.approx(np.std([5 / 6, 4 / 6], ddof=1))
    with pytest.raises(SettingsError, match="Unknown disparity 'gap'"):
        disparity_of("accuracy", "gap")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="Unknown over 'pixel'"):
        disparity_of("accuracy", over="pixel")  # type: ignore[arg-type]
