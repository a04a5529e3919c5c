"""Shares of classes without labels."""

from __future__ import annotations

import numpy as np
import pytest

from everygroup.statistics.label_shift import class_shares


@pytest.mark.parametrize("seed", range(5))
def test_finds_the_shares_behind_calibrated_probabilities(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trained, there = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    centres, n = 2.0 * np.eye(3), 4000
    y = rng.choice(3, n, p=there)
    x = centres[y] + rng.standard_normal((n, 3))
    density = trained * np.exp(-0.5 * ((x[:, None] - centres) ** 2).sum(2))
    found = class_shares(density / density.sum(1, keepdims=True), trained)
    error = 1.5 * np.sqrt(there * (1 - there) / n)  # a little more than if the classes were seen
    assert (np.abs(found - there) < 3 * error).all()


def test_nothing_seen_changes_nothing_and_pseudo_samples_hold() -> None:
    trained = np.array([0.7, 0.3])
    assert class_shares(np.zeros((0, 2)), trained) is trained
    p = np.array([[0.2, 0.8]] * 10)
    assert class_shares(p, trained)[1] == pytest.approx(1.0)
    np.testing.assert_allclose(class_shares(p, trained, pseudo_samples=1e9), trained, atol=1e-6)
    held = class_shares(p, trained, towards=np.array([0.1, 0.9]), pseudo_samples=1e9)
    np.testing.assert_allclose(held, [0.1, 0.9], atol=1e-6)
