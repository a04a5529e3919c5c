"""Offsets of classes by group: what they equalise, and what leaves the model alone."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from everygroup.cohort import Split
from everygroup.methods import Store, create_method
from everygroup.methods.after.logit_offsets import LogitOffsets
from everygroup.settings import TrainSettings


def found(log_p: np.ndarray, y: np.ndarray, group: np.ndarray) -> np.ndarray:
    """How often each class is found in each group, (G, K)."""
    right = log_p.argmax(1) == y
    return np.array([[right[(group == g) & (y == k)].mean() for k in range(3)] for g in range(2)])


def test_classes_are_found_equally_often_and_a_planted_shift_is_taken_back() -> None:
    rng = np.random.default_rng(0)
    n = 6000
    y, group = rng.integers(0, 3, n), rng.integers(0, 2, n)
    z = 2.0 * np.eye(3)[y] + rng.standard_normal((n, 3)) + 1.5 * (group == 1)[:, None] * [0.0, 1.0, 0.0]
    log_p = log_softmax(z, 1)
    half = np.arange(n) < n // 2
    for odds in (False, True):
        b = LogitOffsets(odds=odds).offsets(log_p[half], y[half], group[half], 2)
        before, after = (found(z[~half], y[~half], group[~half]) for z in (log_p, log_p + b[group]))
        assert np.abs(np.diff(before, axis=0)).max() > 0.2
        assert np.abs(np.diff(after, axis=0)).max() < 0.06
        np.testing.assert_allclose((b[1] - b[0]) - (b[1] - b[0])[0], [0, -1.5, 0], atol=0.35)


def test_a_cell_without_samples_and_an_empty_group_are_no_matter() -> None:
    rng = np.random.default_rng(1)
    log_p, y, group = log_softmax(rng.standard_normal((60, 3)), 1), np.arange(60) % 2, np.arange(60) % 2
    b = LogitOffsets(odds=True).offsets(log_p, y, group, 3)
    assert np.isfinite(b).all()
    np.testing.assert_array_equal(b[2], 0)


def test_without_penalty_the_model_is_as_it_was(
    two: Split, vector_settings: TrainSettings, shared_store: Store
) -> None:
    erm, model = (
        create_method(name).fit(two.train, two.validation, settings=vector_settings, store=shared_store)
        for name in ("erm", "logit_offsets(lam=0)")
    )
    np.testing.assert_array_equal(model.predict_proba(two.test), erm.predict_proba(two.test))
