"""Agreement of ordinal ratings against scikit-learn and scipy; intervals over patients."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from everygroup.errors import EverygroupError
from everygroup.statistics import agreement, ordinal_agreement, spearman, weighted_kappa


def ratings(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.integers(1, 7, n)
    return a, np.clip(a + rng.integers(-2, 3, n), 1, 6)


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_kappa_is_scikit_learns(weights: str) -> None:
    a, b = ratings(200)
    found = ordinal_agreement(a, b, k=6, weights=weights, n_boot=20)  # type: ignore[arg-type]
    expected = cohen_kappa_score(a, b, weights=weights)
    assert found.kappa.value == pytest.approx(expected)
    assert weighted_kappa(found.confusion, weights) == pytest.approx(expected)  # type: ignore[arg-type]
    assert found.exact == (a == b).mean() and found.within_one == (np.abs(a - b) <= 1).mean()
    assert found.kappa.low < expected < found.kappa.high
    assert found.confusion.sum() == found.n == 200


def test_unrated_samples_do_not_count_and_nonsense_is_refused() -> None:
    a, b = ratings(100)
    c, d = a.astype(float), b.astype(float)
    c[:10], d[10:15] = 0, np.nan
    found = ordinal_agreement(c, d, k=6, n_boot=10)
    assert found.n == 85 and found.kappa.value == pytest.approx(cohen_kappa_score(a[15:], b[15:], weights="quadratic"))
    nothing = ordinal_agreement(np.zeros(5), b[:5], k=6, n_boot=10)
    assert nothing.n == 0 and np.isnan(nothing.kappa.value) and np.isnan(nothing.exact)
    assert np.isnan(ordinal_agreement([2, 2], [2, 2], k=6, n_boot=10).kappa.value)
    with pytest.raises(EverygroupError, match="no category in 1 to 6"):
        ordinal_agreement([7], [1], k=6)
    with pytest.raises(EverygroupError, match="no category"):
        ordinal_agreement([1.5], [1], k=6)


def test_spearman_is_scipys_with_ties_and_missing_values() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 6, 150).astype(float)
    y = x + rng.normal(0, 2, 150)
    x[3] = np.nan
    found, n, units = spearman(x, y, n_boot=100)
    known = np.isfinite(x)
    assert found.value == pytest.approx(spearmanr(x[known], y[known]).statistic)
    assert found.low < found.value < found.high and (n, units) == (149, 149)
    assert np.isnan(spearman([1.0, 2.0], [1.0, 2.0])[0].value)


def test_images_of_one_patient_widen_the_interval() -> None:
    """Twenty copies of each patient's pair tell no more than one."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 40))
    units = np.repeat(np.arange(40), 20)
    by_image, _, _ = spearman(x.repeat(20), y.repeat(20), n_boot=200)
    by_patient, n, patients = spearman(x.repeat(20), y.repeat(20), units=units, n_boot=200)
    once, _, _ = spearman(x, y, n_boot=200)
    assert (n, patients) == (800, 40) and by_patient.value == pytest.approx(by_image.value)
    assert by_patient.high - by_patient.low == pytest.approx(once.high - once.low, rel=1e-6)
    assert by_image.high - by_image.low < 0.4 * (once.high - once.low)


def test_example() -> None:
    result = doctest.testmod(agreement)
    assert result.attempted > 0 and result.failed == 0
