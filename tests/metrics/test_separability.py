"""Whether the group can be told from features."""

import doctest

import numpy as np
import pytest

from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics import separability as module
from everygroup.metrics.separability import separability


def test_the_example_in_the_documentation_runs() -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0


def test_a_constant_shift_is_told_and_random_groups_are_not() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 300)
    x = rng.normal(size=(300, 8))
    told = separability(x + 2 * group[:, None], group, n_boot=100)
    assert told.auc > 0.99 and told.note == ""
    random = separability(x, group, n_boot=100)
    assert abs(random.auc - 0.5) < 3 * np.sqrt(1 / (12 * 150) * 2)
    assert random.low < random.auc < random.high and random.n == 300
    assert random.per_group[0] == random.per_group[1]


def test_patients_stay_together() -> None:
    rng = np.random.default_rng(1)
    patient = np.repeat(np.arange(40), 10)
    group = np.where(rng.random(40) < 0.5, "a", "b")[patient]
    # features tell the patient, never the group: rows of one patient on both sides of a split would leak it
    x = rng.normal(size=(40, 60))[patient] + 0.01 * rng.normal(size=(400, 60))
    assert separability(x, group, n_boot=20).auc > 0.9
    by_patient = separability(x, group, cluster=patient, n_boot=100)
    assert by_patient.auc < 0.75 and by_patient.high - by_patient.low > 0.15


def test_several_groups_missing_rows_and_small_groups() -> None:
    rng = np.random.default_rng(2)
    group = np.array(["a"] * 100 + ["b"] * 100 + ["c"] * 20 + [""] * 30)
    x = rng.normal(size=(250, 3)) + 3 * (group == "c")[:, None]
    found = separability(x, group, n_boot=50)
    assert found.n == 220 and found.note == "only 20 samples in the smallest group: uncertain"
    assert found.per_group["c"][0] > 0.95 > 0.75 > found.per_group["a"][0]
    assert found.auc == pytest.approx(np.mean([v[0] for v in found.per_group.values()]))


def test_tiny_groups_still_get_an_answer() -> None:
    rng = np.random.default_rng(3)
    found = separability(rng.normal(size=(8, 2)), ["a"] * 6 + ["b"] * 2, n_boot=20)
    assert 0 <= found.auc <= 1 and "uncertain" in found.note


def test_mistakes_are_named() -> None:
    x = np.zeros((4, 2))
    with pytest.raises(PredictionsError, match="shape"):
        separability(x, ["a", "b"])
    with pytest.raises(PredictionsError, match="two groups"):
        separability(x, ["a", "b", "a", "a"])
    with pytest.raises(PredictionsError, match="not finite"):
        separability(x * np.nan, ["a", "b", "a", "b"])
    with pytest.raises(SettingsError, match="folds"):
        separability(x, ["a", "b", "a", "b"], folds=1)
