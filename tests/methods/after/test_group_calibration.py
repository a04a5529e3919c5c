"""Temperature and class bias by group, shrunk to everybody's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from everygroup.cohort import Split
from everygroup.methods import Store, create_method
from everygroup.methods.after._isotonic import IDENTITY, isotonic_curve
from everygroup.methods.after.group_calibration import affine_calibration
from everygroup.models.steps.curves import Curves
from everygroup.settings import TrainSettings

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


def test_isotonic_finds_a_bent_curve_and_little_evidence_stays_with_everybody() -> None:
    p = RNG.random(20000)
    hit = (RNG.random(20000) < p**2).astype(float)
    x, y = isotonic_curve(p, hit, towards=IDENTITY, pseudo_samples=100)
    assert (np.diff(y) >= -1e-12).all()
    np.testing.assert_allclose(np.interp([0.2, 0.5, 0.8], x, y), [0.04, 0.25, 0.64], atol=0.04)
    assert isotonic_curve(p[:0], hit[:0], towards=IDENTITY, pseudo_samples=100) is IDENTITY
    near = isotonic_curve(p[:5], hit[:5], towards=IDENTITY, pseudo_samples=1e9)
    np.testing.assert_allclose(near[1], near[0], atol=1e-6)


def test_curves_are_the_groups_own_and_sum_to_one() -> None:
    half = [[0.0, 1.0], [0.0, 0.5]]
    step = Curves([[half, IDENTITY.tolist()]], [IDENTITY.tolist()] * 2)
    found = step.scores(np.array([[0.6, 0.4], [0.6, 0.4]]), np.array([0, -1]))
    np.testing.assert_allclose(found, [[3 / 7, 4 / 7], [0.6, 0.4]])
    zero = Curves([], [[[0.0, 1.0], [0.0, 0.0]]] * 2)
    np.testing.assert_array_equal(zero.scores(np.array([[0.6, 0.4]]), np.array([-1])), [[0.6, 0.4]])


@pytest.mark.parametrize("kind", ["temperature", "isotonic"])
def test_kinds_answer_and_a_temperature_decides_nothing(
    kind: str, two: Split, vector_settings: TrainSettings, shared_store: Store
) -> None:
    erm, model = (
        create_method(name).fit(two.train, two.validation, settings=vector_settings, store=shared_store)
        for name in ("erm", f"group_calibration(kind={kind})")
    )
    found, before = model.predict_proba(two.test), erm.predict_proba(two.test)
    np.testing.assert_allclose(found.sum(1), 1)
    assert not np.array_equal(found, before)
    if kind == "temperature":
        np.testing.assert_array_equal(found.argmax(1), before.argmax(1))
