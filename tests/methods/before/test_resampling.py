"""Balanced resampling: how often samples are drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from everygroup.cohort import Cohort, Split
from everygroup.errors import SettingsError
from everygroup.methods import ERM, Lab, Resampling
from everygroup.methods.before.resampling import balanced, cells
from everygroup.settings import TrainSettings
from everygroup.training.batches import index_batches


def test_groups_and_cells_are_drawn_equally_often_and_missing_ones_as_often_as_they_are() -> None:
    rng = np.random.default_rng(0)
    group = rng.choice([-1, 0, 1, 2], 1000, p=[0.1, 0.6, 0.2, 0.1])
    y = rng.integers(0, 2, 1000)
    names = np.array(["a", "b", "c", ""])[group]
    cohort = Cohort.from_arrays(rng.random((1000, 2), np.float32), y, sensitive_features={"g": names})
    p = balanced(cohort.group)
    batches = index_batches(1000, 100, 0, start=0, stop=400, probabilities=p)
    drawn = np.bincount(cohort.group[np.concatenate(list(batches))] + 1, minlength=4) / 40_000
    known = 1 - (group < 0).mean()
    np.testing.assert_allclose(drawn[1:], known / 3, atol=3 * math.sqrt(0.25 / 40_000))
    lab = Lab(cohort, cohort.where([]))
    by_cell = balanced(cells(lab, "cell", what="x"))
    mass = [by_cell[(cohort.group == g) & (cohort.y == k)].sum() for g in range(3) for k in range(2)]
    np.testing.assert_allclose(mass, mass[0])
    root = balanced(cohort.group, 0.5)
    np.testing.assert_allclose(
        root[cohort.group == 2][0] / root[cohort.group == 0][0],
        math.sqrt((cohort.group == 0).sum() / (cohort.group == 2).sum()),
    )


def test_power_0_is_erm(two: Split, vector_settings: TrainSettings) -> None:
    erm = ERM().fit(two.train, two.validation, settings=vector_settings).predict_proba(two.test)
    off = Resampling(power=0).fit(two.train, two.validation, settings=vector_settings).predict_proba(two.test)
    on = Resampling().fit(two.train, two.validation, settings=vector_settings).predict_proba(two.test)
    np.testing.assert_array_equal(off, erm)
    assert not np.array_equal(on, erm)


@pytest.mark.parametrize("wrong", [{"over": "label"}, {"power": 2}])
def test_resampling_refuses_impossible_values(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        Resampling(**wrong)  # type: ignore[arg-type]
