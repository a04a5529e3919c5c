"""A fast part of benchmarks/coverage.py: the default intervals cover, in a group of 20 patients too."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from everygroup.statistics import bca_interval, percentile_interval, wilson_interval

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "coverage_populations.py"


@pytest.fixture(scope="module")
def populations() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_populations", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def share(interval: tuple[np.ndarray, np.ndarray], truth: float) -> float:
    low, high = interval
    defined = ~np.isnan(low)
    return float(((low <= truth) & (truth <= high))[defined].mean())


@pytest.mark.parametrize("n", [20, 50, 200])
def test_wilson_covers_on_average_over_proportions(n: int) -> None:
    p, x = np.linspace(0.05, 0.95, 91), np.arange(n + 1)
    low, high = wilson_interval(x, n)
    inside = (low <= p[:, None]) & (p[:, None] <= high)
    exact = (stats.binom.pmf(x, n, p[:, None]) * inside).sum(axis=1)
    assert 0.945 < exact.mean() < 0.96
    assert exact.min() > 0.89


@pytest.mark.parametrize("clustered", [False, True])
def test_defaults_cover_in_a_group_of_twenty(populations: ModuleType, clustered: bool) -> None:
    repeats = 750
    floor = 0.94 - 3 * np.sqrt(0.94 * 0.06 / repeats)
    sampled = populations.sample(populations.POPULATIONS[0], 20, repeats, 0.0, clustered, 5)
    for name, s in sampled.items():
        if s.proportion is not None:
            successes, trials, effective = s.proportion
            got = wilson_interval(successes, trials, n_effective=effective)
        else:
            units = s.joint if name == "balanced accuracy" else s.units
            got = bca_interval(s.point, s.replicates, s.jackknife, s.own, n_units=units, unit_range=s.unit_range)
        assert share(got, s.truth) > floor, name
    # what the defaults are for: the percentile interval of a rate on few patients fails
    rare = sampled["recall of a class (20 %)"]
    assert share(percentile_interval(rare.replicates), rare.truth) < 0.85


def test_images_of_a_patient_are_not_independent(populations: ModuleType) -> None:
    s = populations.sample(populations.POPULATIONS[0], 50, 750, 0.0, True, 9)["accuracy"]
    successes, trials, effective = s.proportion
    assert (effective < trials).all()
    assert share(wilson_interval(successes, trials), s.truth) < 0.9
    assert share(wilson_interval(successes, trials, n_effective=effective), s.truth) > 0.92


def test_a_mean_of_skewed_losses_is_covered_on_both_sides(populations: ModuleType) -> None:
    s = populations.sample(populations.POPULATIONS[2], 50, 750, 0.0, False, 11)["MAE"]
    low, high = bca_interval(s.point, s.replicates, s.jackknife, s.own, n_units=s.units)
    assert np.mean(high < s.truth) < 0.06 and np.mean(low > s.truth) < 0.05
    assert share((low, high), s.truth) > share(percentile_interval(s.replicates), s.truth)


def test_leave_one_out_auc_equals_a_loop(populations: ModuleType) -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    unit, positive = np.repeat(np.arange(12), 2), np.arange(12) % 3 == 0
    score = rng.normal(size=24) + positive[unit]
    fast = populations._auc_without_each(score, positive, unit)
    slow = [roc_auc_score(positive[unit][unit != u], score[unit != u]) for u in range(12)]
    np.testing.assert_allclose(fast, slow)
