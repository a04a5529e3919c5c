"""Choosing a candidate by the performance of every group."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everygroup.errors import SettingsError
from everygroup.metrics import best_within_gap, best_worst_group, pareto_front, pareto_minimax

TABLE = [[0.90, 0.80], [0.88, 0.86], [0.92, 0.78]]


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=12))
def test_front_holds_what_nothing_dominates(rows: list[tuple[int, int, int]]) -> None:
    front = pareto_front(rows)
    for i, a in enumerate(rows):
        dominated = any(all(x >= y for x, y in zip(b, a, strict=True)) and b != a for b in rows)
        assert front[i] != dominated
    assert front.any()
    assert front[pareto_minimax(rows)]
    assert min(rows[pareto_minimax(rows)]) == max(min(r) for r in rows)


def test_worst_group_is_that_of_the_baseline_in_medfair() -> None:
    assert pareto_minimax(TABLE) == best_worst_group(TABLE) == 1
    assert pareto_minimax(TABLE, baseline=[0.7, 0.8]) == 2
    assert best_within_gap([0.9, 0.88, 0.95], [0.1, 0.02, np.nan], most=0.05) == 1


def test_undefined_candidates_are_not_chosen() -> None:
    table = [[0.9, np.nan], [0.5, 0.5]]
    assert pareto_front(table).tolist() == [False, True] and pareto_minimax(table) == best_worst_group(table) == 1
    with pytest.raises(SettingsError, match="No candidate has a defined value"):
        best_worst_group([[np.nan, 1.0]])
    with pytest.raises(SettingsError, match="shape"):
        pareto_front([0.9, 0.8])
    with pytest.raises(SettingsError, match=r"the smallest gap is 0\.020"):
        best_within_gap([0.9], [0.02], most=0.01)
