"""Who is best for whom: differences are paired, and what cannot be told apart is said."""

from __future__ import annotations

import numpy as np
import pytest

from everygroup.benchmark import best_by_group
from everygroup.errors import PredictionsError
from everygroup.predictions import Predictions

N = 400
GROUP = np.array(["light"] * 300 + ["dark"] * 90 + [None] * 10, dtype=object)
TRUTH = np.arange(N) % 2


def predictions(wrong: np.ndarray, truth: np.ndarray = TRUTH) -> Predictions:
    """A model that is wrong where it is said; two images a patient."""
    answer = np.where(wrong, 1 - TRUTH, TRUTH)
    return Predictions.from_arrays(
        truth,
        y_score=np.eye(2)[answer],
        classes=("benign", "malignant"),
        group=GROUP,
        units=np.arange(N) // 2,
    )


def test_a_clear_winner_is_named_and_a_tie_is_no_win() -> None:
    rng = np.random.default_rng(0)
    erm = rng.random(N) < 0.1
    own = erm.copy()
    erm[300:390] |= rng.random(90) < 0.5  # ERM fails in the dark group, elsewhere both are right alike
    dark, light = best_by_group({"erm": predictions(erm), "own": predictions(own)})
    assert (light.group, light.n, light.n_units) == ("light", 300, 150)
    assert light.alike and light.right["erm"].value == light.right["own"].value
    assert "it cannot be told apart from" in str(light)
    assert (dark.group, dark.n, dark.best, dark.alike) == ("dark", 90, "own", [])
    assert dark.ahead["erm"].value == pytest.approx(erm[300:390].mean() - own[300:390].mean())
    assert 0 < dark.ahead["erm"].low < dark.ahead["erm"].value < dark.ahead["erm"].high
    assert str(dark).startswith("dark (90 images, 45 patients): own is right most often, in ")
    assert "it is better than erm by +" in str(dark)


def test_intervals_of_differences_hold_together() -> None:
    rng = np.random.default_rng(1)
    answers = {name: predictions(rng.random(N) < 0.2) for name in ("a", "b", "c", "d")}
    two = {name: answers[name] for name in ("a", "b")}
    for few, many in zip(best_by_group(two), best_by_group(answers), strict=True):
        if few.best == many.best:
            (other,) = few.ahead
            assert many.ahead[other].low < few.ahead[other].low


def test_what_is_not_comparable_is_refused() -> None:
    one = predictions(np.zeros(N, bool))
    with pytest.raises(PredictionsError, match="two methods"):
        best_by_group({"erm": one})
    with pytest.raises(PredictionsError, match="same samples"):
        best_by_group({"erm": one, "own": one.where(np.arange(N - 1))})
