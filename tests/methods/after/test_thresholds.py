"""Thresholds by group: what is equal afterwards, and that lots are drawn by the sample."""

from __future__ import annotations

import numpy as np
import pytest

from everygroup.cohort import Split
from everygroup.errors import SettingsError
from everygroup.methods import Store, create_method
from everygroup.methods.after._roc import Roc, equal_odds, nearest_lot, rates
from everygroup.methods.after.thresholds import best_benefit, threshold_for
from everygroup.models.steps.random_cut import RandomCut, lots
from everygroup.settings import TrainSettings

RNG = np.random.default_rng(3)


def curve(n: int = 400, *, shift: float = 0.0, noise: float = 1.0) -> Roc:
    positive = RNG.random(n) < 0.4
    return Roc.of(1 / (1 + np.exp(-(1.5 * positive + shift + noise * RNG.standard_normal(n)))), positive)


CURVES = [curve(), curve(shift=-1.0), curve(noise=2.0)]


def test_rates_of_every_threshold_and_the_hull() -> None:
    roc = Roc.of(np.array([0.2, 0.5, 0.5, 0.9]), np.array([False, True, False, True]))
    np.testing.assert_array_equal(roc.threshold, [2, 0.9, 0.5, 0.2, 0])
    np.testing.assert_array_equal(roc.tpr, [0, 0.5, 1, 1, 1])
    np.testing.assert_array_equal(roc.fpr, [0, 0, 0.5, 1, 1])
    np.testing.assert_array_equal(roc.ppv, [np.nan, 1, 2 / 3, 0.5, 0.5])
    assert roc.hull().tolist() == [0, 1, 2, 4]


@pytest.mark.parametrize("rate", ["tpr", "fpr", "ppv"])
def test_the_rate_reaches_the_target_and_no_further_threshold_does(rate: str) -> None:
    for one in CURVES:
        values, place = getattr(one, rate), one.threshold.tolist().index(threshold_for(rate, 0.7, one))
        assert values[place] <= 0.7 if rate == "fpr" else values[place] >= 0.7
        if rate == "tpr":
            assert (values[:place] < 0.7).all()
        else:
            assert not (values[place + 1 :] >= 0.7).any() if rate == "ppv" else (values[place + 1 :] > 0.7).all()


def test_equalized_odds_hold_exactly_in_expectation_and_cost_accuracy() -> None:
    found = [rates(c, lot) for c, lot in zip(CURVES, equal_odds(CURVES), strict=True)]
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-9)
    free = [c.balanced_accuracy.max() for c in CURVES]
    common = (found[0]["tpr"] + 1 - found[0]["fpr"]) / 2
    assert 0.5 < common <= min(free) + 1e-12
    assert rates(CURVES[0], nearest_lot(CURVES[0], **found[0])) == pytest.approx(found[0], abs=1e-9)
    ((threshold, share),) = equal_odds([CURVES[0]] * 2)[0]  # equal groups: one threshold, the best
    assert share == 1
    assert CURVES[0].balanced_accuracy.max() == pytest.approx(
        CURVES[0].balanced_accuracy[CURVES[0].threshold == threshold][0]
    )


def test_a_bound_on_the_gap_holds_and_never_raises_the_benefit() -> None:
    def benefit(gap: float) -> float:
        places = [c.threshold.tolist().index(t) for c, t in zip(CURVES, best_benefit(CURVES, gap), strict=True)]
        assert np.ptp([c.tpr[p] for c, p in zip(CURVES, places, strict=True)]) <= gap + 1e-9
        return float(sum(c.balanced_accuracy[p] for c, p in zip(CURVES, places, strict=True)))

    found = [benefit(gap) for gap in (0.0, 0.02, 0.1, 1.0)]
    assert found == sorted(found)
    assert found[-1] == pytest.approx(sum(c.balanced_accuracy.max() for c in CURVES))


def test_lots_belong_to_the_sample_and_come_out_as_often_as_they_should() -> None:
    ids = np.array([f"p{i}" for i in range(20000)])
    np.testing.assert_array_equal(lots(ids, 1)[::-1], lots(ids[::-1], 1))
    assert not np.array_equal(lots(ids, 1), lots(ids, 2))
    step = RandomCut([[[0.9, 0.25], [0.4, 0.75]], [[0.5, 1.0]]], [[2.0, 0.5], [0.0, 0.5]], 0)
    score, group = np.repeat([[0.4, 0.6]], len(ids), 0), np.arange(len(ids)) % 3 - 1
    yes = step.answers(score, group, score.argmax(1), ids)
    assert [yes[group == g].mean() for g in (-1, 0, 1)] == pytest.approx([0.5, 0.75, 1.0], abs=0.02)


@pytest.mark.parametrize("equal", ["tpr", "benefit", "odds", "vertex"])
def test_models_answer_so_and_say_it(
    equal: str, two: Split, vector_settings: TrainSettings, shared_store: Store
) -> None:
    fit = {"settings": vector_settings, "store": shared_store}
    erm = create_method("erm").fit(two.train, two.validation, **fit)
    model = create_method(f"thresholds(equal={equal},min_cases=5)").fit(two.train, two.validation, **fit)
    np.testing.assert_array_equal(model.predict_proba(two.test), erm.predict_proba(two.test))
    facts = model.info["thresholds"]
    assert list(facts) == list(two.train.groups)
    np.testing.assert_array_equal(model.predict(two.test).y_pred, model.predict(two.test).y_pred)
    if equal == "tpr":
        assert all(0.8 <= fact["tpr"] <= 1 for fact in facts.values())
        answered = model.predict(two.validation).y_pred == 1
        for g, fact in enumerate(facts.values()):
            positives = (two.validation.group == g) & (two.validation.y == 1)
            assert answered[positives].mean() == pytest.approx(fact["tpr"])
    few = create_method("thresholds(min_cases=1000)").fit(two.train, two.validation, **fit)
    assert len({fact["thresholds"][0][0] for fact in few.info["thresholds"].values()}) == 1


def test_refuses_a_target_of_what_has_none(two: Split) -> None:
    with pytest.raises(SettingsError, match="has no target"):
        create_method("thresholds(equal=odds,target=0.8)").fit(two.train, two.validation)
