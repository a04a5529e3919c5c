"""Temperature and class bias by group, shrunk to everybody's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from everygroup.methods.after.group_calibration import affine_calibration

RNG = np.random.default_rng(0)
Z = RNG.standard_normal((4000, 3))
Y = np.array([RNG.choice(3, p=p) for p in np.exp(log_softmax(Z, 1))])


def test_finds_temperature_and_bias_of_distorted_answers() -> None:
    distorted = log_softmax(2.5 * (Z - [0.0, 0.8, -0.4]), 1)
    found = affine_calibration(distorted, Y, towards=np.zeros(4), shrinkage=1e-3)
    assert np.exp(found[0]) == pytest.approx(1 / 2.5, rel=0.1)
    np.testing.assert_allclose(found[1:] - found[1], [0.0, 0.8, -0.4], atol=0.15)


def test_little_evidence_stays_with_everybody_and_bias_may_be_held() -> None:
    distorted = log_softmax(2.5 * Z, 1)
    towards = np.array([0.3, 0.1, 0.0, -0.1])
    held = affine_calibration(distorted[:5], Y[:5], towards=towards, shrinkage=1e6)
    np.testing.assert_allclose(held, towards, atol=1e-3)
    np.testing.assert_array_equal(affine_calibration(distorted[:0], Y[:0], towards=towards, shrinkage=10.0), towards)
    only = affine_calibration(distorted, Y, towards=np.zeros(4), shrinkage=1.0, bias=False)
    np.testing.assert_allclose(only[1:], 0, atol=1e-9)
    assert np.exp(only[0]) == pytest.approx(0.4, rel=0.1)
