"""FATE, DTO, levelling down."""

import numpy as np
import pytest

from everygroup.errors import SettingsError
from everygroup.metrics import dto, fate, levelling_down


def test_fate_worked_example_and_laws() -> None:
    assert fate(0.788, 0.7505, 0.015, 0.018) == pytest.approx(0.216633, abs=1e-6)
    assert fate(0.7, 0.7, 0.1, 0.1) == 0
    assert fate(0.7, 0.7, 0.05, 0.1) == pytest.approx(0.5)
    assert fate(0.7, 0.7, 0.05, 0.1, weight=2) == pytest.approx(1.0)
    assert np.isnan(fate(0.7, 0.7, 0.1, 0.0)) and np.isnan(fate(0.7, 0.0, 0.1, 0.1))


def test_dto_worked_example() -> None:
    distances = dto([[0.90, 0.80], [0.88, 0.86], [0.92, 0.78]])
    np.testing.assert_allclose(distances, [0.073076, 0.043478, 0.093023], atol=1e-6)
    assert distances.argmin() == 1


def test_a_dominated_candidate_changes_nothing_a_new_best_does() -> None:
    base = [[0.90, 0.80], [0.88, 0.86]]
    np.testing.assert_allclose(dto([*base, [0.5, 0.5]])[:2], dto(base))
    assert not np.allclose(dto([*base, [0.95, 0.5]])[:2], dto(base))


def test_dto_of_performance_and_fairness() -> None:
    assert dto([[0.9, 0.8], [0.8, 0.9]], coords="perf_fair").shape == (2,)
    assert np.isnan(dto([[0.0, 1.0], [0.0, 0.5]])).all()
    with pytest.raises(SettingsError, match="perf_fair"):
        dto([[0.9, 0.8, 0.7]], coords="perf_fair")


@pytest.mark.parametrize(
    ("baseline", "method", "verdict"),
    [
        ([0.8, 0.6], [0.82, 0.65], "improved all"),
        ([0.8, 0.6], [0.8, 0.65], "improved all"),
        ([0.8, 0.6], [0.8, 0.6], "unchanged"),
        ([0.3, 0.6], [0.1 + 0.2, 0.6], "unchanged"),
        ([0.8, 0.6], [0.78, 0.65], "trade"),
        ([0.8, 0.6], [0.6, 0.58], "levelled down"),
        ([0.8, 0.6], [0.6, 0.6], "levelled down"),
        ([0.8, 0.6], [0.8, np.nan], "undefined"),
    ],
)
def test_levelling_down(baseline: list[float], method: list[float], verdict: str) -> None:
    assert levelling_down(baseline, method) == verdict


def test_levelling_down_of_an_error() -> None:
    assert levelling_down([0.2, 0.4], [0.1, 0.3], higher_is_better=False) == "improved all"
    assert levelling_down([0.2, 0.4], [0.4, 0.4], higher_is_better=False) == "levelled down"
