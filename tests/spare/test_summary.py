"""What weights amount to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everygroup.spare import effective_sample_size, out_of_group_share, spare_weights, weight_summary

weights = st.lists(st.floats(-600, 0).map(np.exp), min_size=1, max_size=20)


@given(weights)
def test_effective_sample_size_lies_between_one_and_n(values: list[float]) -> None:
    size = effective_sample_size(values)
    assert 1 - 1e-9 <= size <= len(values) * (1 + 1e-9)
    assert effective_sample_size(np.array(values) * 0.5) == pytest.approx(size)


def test_effective_sample_size_of_equal_weights_and_of_one() -> None:
    assert effective_sample_size([0.3] * 7) == pytest.approx(7)
    assert effective_sample_size([1, 0, 0]) == 1
    assert effective_sample_size([2, 1, 1]) == pytest.approx(16 / 6)
    assert effective_sample_size(spare_weights([900.0, 900.0], None, alpha=1)) == pytest.approx(2)


def test_out_of_group_share() -> None:
    assert out_of_group_share([1, 1, 0.5, 0.5], [True, True, False, False]) == pytest.approx(1 / 3)
    assert out_of_group_share([1, 2], [1, 1]) == 0
    assert out_of_group_share([1, 2], [0, 0]) == 1


def test_weight_summary() -> None:
    table = pd.DataFrame(
        {
            "target_group": ["y"] * 4 + ["o"] * 2,
            "source_group": ["y", "y", "o", "", "y", ""],
            "weight": [1.0, 0.8, 0.2, 0.4, 0.5, 0.5],
            "utility": [0.0, 0.2, 0.4, 0.6, 1.0, 3.0],
            "similarity": [0.0, 0.0, 3.0, 1.0, 2.0, 4.0],
        }
    )
    young, old = weight_summary(table).to_dict("records")
    assert (young["target_group"], young["n"], young["n_in_group"]) == ("y", 4, 2)
    assert young["out_of_group_share"] == pytest.approx(0.25)
    assert young["effective_sample_size"] == pytest.approx(2.4**2 / (1 + 0.64 + 0.04 + 0.16))
    assert young["mean_weight_in_group"] == pytest.approx(0.9)
    assert young["mean_weight_out_of_group"] == pytest.approx(0.3)
    assert young["median_utility"] == pytest.approx(0.3)
    assert young["median_similarity_out_of_group"] == 2
    assert (old["n_in_group"], old["out_of_group_share"]) == (0, 1)
    assert np.isnan(old["mean_weight_in_group"])


def test_weight_summary_of_a_group_alone() -> None:
    table = pd.DataFrame(
        {"target_group": ["y"], "source_group": ["y"], "weight": [0.5], "utility": [0.1], "similarity": [0.0]}
    )
    (row,) = weight_summary(table).to_dict("records")
    assert row["out_of_group_share"] == 0
    assert np.isnan(row["mean_weight_out_of_group"])
    assert np.isnan(row["median_similarity_out_of_group"])
