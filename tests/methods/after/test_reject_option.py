"""The reject option: what is answered near the threshold, and that what is favourable has to be said."""

from __future__ import annotations

import numpy as np
import pytest

from everygroup.cohort import Split
from everygroup.errors import SettingsError
from everygroup.methods import Store, create_method
from everygroup.methods.after.reject_option import RejectOption, judged
from everygroup.models.steps.band import Band
from everygroup.settings import TrainSettings

GROUP = np.array([0, 1, -1])


def told(p: float, margin: float, inside: tuple[int, int] = (1, 0)) -> list[int]:
    """Answers of group 0, of group 1, and without a group."""
    score = np.repeat([[1 - p, p]], 3, 0)
    return Band(0.5, margin, inside).answers(score, GROUP, GROUP, GROUP).tolist()


def test_near_the_threshold_the_group_decides_or_nobody() -> None:
    assert told(0.55, 0.1) == [1, 0, 1]
    assert told(0.65, 0.1) == [1, 1, 1]
    assert told(0.45, 0.1) == [1, 0, 0]
    assert told(0.5, 0.0) == [1, 1, 1]  # without a margin, the plain threshold
    assert told(0.45, 0.1, (-1, -1)) == [-1, -1, 0]


def test_gaps_are_absolute_of_those_answered_and_undefined_without_any() -> None:
    y = np.array([1, 1, 0, 0, 1, 1, 0, 0])
    poor = np.arange(8) < 4
    answers = np.array([1, 0, 0, 0, 1, 1, 1, -1])
    assert judged(answers, y, poor, "equal_opportunity", 1)[1:] == pytest.approx((0.5, 7 / 8))
    assert judged(answers, y, poor, "equalized_odds", 1)[1] == pytest.approx(1.0)
    assert judged(answers, y, poor, "demographic_parity", 1)[1] == pytest.approx(1 - 1 / 4)
    assert judged(answers, y, poor, "equal_opportunity", 0)[1] == pytest.approx(1.0)
    assert np.isnan(judged(np.where(poor, -1, answers), y, poor, "equal_opportunity", 1)[1])


@pytest.mark.parametrize("then", ["favour", "abstain"])
def test_searches_a_band_that_keeps_the_gap_small(then: str) -> None:
    rng = np.random.default_rng(0)
    y, group = rng.integers(0, 2, 1500), rng.integers(0, 2, 1500)
    p = 1 / (1 + np.exp(-(2.5 * y - 1.2 - 0.9 * group + rng.standard_normal(1500))))
    part, poor = RejectOption(then=then, favourable="x", max_gap=0.03), np.array([False, True])
    inside = [0, 1] if then == "favour" else [-1, -1]
    found = part._search(p, y, group, poor, inside, 1)
    plain = judged((p >= found.theta).astype(int), y, group == 1, "equalized_odds", 1)[1]
    assert found.margin > 0
    assert found.gap < plain / 1.3
    assert (found.gap <= 0.03) == (then == "favour")  # abstaining from half of the answers is not enough here
    assert (0.5 <= found.answered < 1) if then == "abstain" else found.answered == 1


def test_abstentions_are_told_and_the_favourable_class_has_to_be_named(
    two: Split, vector_settings: TrainSettings, shared_store: Store
) -> None:
    fit = {"settings": vector_settings, "store": shared_store}
    model = create_method("reject_option(max_gap=0.02)").fit(two.train, two.validation, **fit)
    facts = model.info["reject_option"]
    near = np.abs(model.predict_proba(two.test)[:, 1] - facts["theta"]) <= facts["margin"]
    table = model.predict(two.test).table
    gave = ~table["abstained"].to_numpy() if "abstained" in table else np.ones(len(near), bool)
    np.testing.assert_array_equal(gave, ~near if facts["margin"] else gave)
    for wrong, said in [
        ("then=favour", "was not said"),
        ("favourable=maybe", "no 'maybe'"),
        ("unprivileged=[g0, g1]", "All groups"),
    ]:
        with pytest.raises(SettingsError, match=said):
            create_method(f"reject_option({wrong})").fit(two.train, two.validation, **fit)
