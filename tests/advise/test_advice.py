"""Advice on planted cohorts: says no where it is no, cannot tell where n is small, and never looks at the test part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, log_loss

import everygroup
from everygroup.advise.advice import Advice, advise
from everygroup.advise.features import COMPONENTS, SIDE, components, network_features, small_images
from everygroup.advise.page import costs, overview, sentences, write_advice_page
from everygroup.advise.paired import WIDENING, Contrast, Judged
from everygroup.advise.probe import COMPARED, CURVE, Samples, can_be_probed, cross_validated
from everygroup.advise.verdict import CONTRASTS, OWN, POOLED, UNKNOWN, WEIGHTING, verdict_of
from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.datasets.simulated import dermatology
from everygroup.datasets.toy import rotating_sectors
from everygroup.errors import CohortError, SettingsError
from everygroup.settings import TrainSettings


def toy_split(n_in: int, theta: float, *, n_out: int = 400, seed: int = 0) -> Split:
    toy = rotating_sectors(n_in, n_out, theta, n_test=50, n_validation=n_in // 3, seed=seed)
    assert toy.validation is not None
    return Split(toy.train, toy.validation, toy.test, table=pd.DataFrame(), hash="")


def asked(split: Split, **options: Any) -> Advice:
    return advise(split, groups=["in"], curve=False, timed=False, **options)


def contrast(f1: float, half: float, *, loss: float | None = None, sure: bool = False) -> Contrast:
    """A difference in macro F1 whose log-loss says the same; `sure` leaves 0 out of the log-loss' interval."""
    value = f1 if loss is None else loss
    width = abs(value) / 2 if sure else abs(value) + 0.1
    return Contrast(f1, f1 - half, f1 + half, value, value - width, value + width, detectable=1.4 * half)


# ---- verdicts -------------------------------------------------------------------------------------------------------


def test_without_a_shift_pooled_training_is_enough() -> None:
    found = asked(toy_split(330, 0.0, n_out=300)).groups[0]
    assert found.verdict == POOLED
    assert found.contrasts["weighted - everybody"].f1_high < 0.05


def test_with_a_strong_shift_own_data_or_weights_are_worth_trying() -> None:
    found = asked(toy_split(180, 2.0, n_out=300)).groups[0]
    assert found.verdict in (OWN, WEIGHTING)
    assert found.contrasts["weighted - everybody"].loss_low > 0
    assert found.visible.low > 0.8  # the tone can be read off the vector


def test_a_tiny_group_gets_no_answer_but_the_difference_it_could_have_shown() -> None:
    found = asked(toy_split(18, 0.4)).groups[0]
    assert found.verdict == UNKNOWN
    assert found.detectable > 0.1
    assert "smallest detectable difference 0." in found.reason
    assert found.patients_needed is not None and found.patients_needed > found.patients


def test_a_group_of_seven_cannot_be_probed() -> None:
    found = asked(toy_split(6, 0.8)).groups[0]
    assert (found.verdict, found.contrasts, found.curve, found.patients_needed) == (UNKNOWN, {}, {}, None)
    assert np.isnan(found.detectable)
    assert "fewer than ten patients" in found.reason


ALIKE = contrast(0.0, 0.01)


@pytest.mark.parametrize(
    ("sharing", "weighed", "against_own", "verdict"),
    [
        (ALIKE, ALIKE, ALIKE, POOLED),
        (contrast(0.1, 0.2, sure=True), ALIKE, ALIKE, POOLED),  # others help: what own data might gain is settled
        (contrast(-0.1, 0.04, sure=True), ALIKE, ALIKE, OWN),
        (contrast(-0.1, 0.04, sure=True), contrast(0.1, 0.04, sure=True), ALIKE, OWN),
        (contrast(-0.1, 0.04, sure=True), ALIKE, contrast(0.05, 0.02, sure=True), WEIGHTING),
        (ALIKE, contrast(0.1, 0.04, sure=True), ALIKE, WEIGHTING),
        (ALIKE, contrast(0.02, 0.06), ALIKE, UNKNOWN),  # a gain of .05 is possible
        (contrast(-0.01, 0.06), ALIKE, ALIKE, UNKNOWN),
        (ALIKE, contrast(0.02, 0.06, loss=-0.1, sure=True), ALIKE, UNKNOWN),  # surely worse by log-loss is no gain
        (ALIKE, contrast(float("nan"), 0.06), ALIKE, UNKNOWN),
    ],
)
def test_rules_of_the_verdict(sharing: Contrast, weighed: Contrast, against_own: Contrast, verdict: str) -> None:
    found, reason = verdict_of(dict(zip(CONTRASTS, (sharing, weighed, against_own), strict=True)), worthwhile=0.05)
    assert found == verdict
    assert reason.endswith((".", ")."))


def test_help_is_sure_only_where_the_shown_interval_says_so() -> None:
    for half, words in ((0.05, "others' data help ("), (0.2, "others' data may help, not sure (")):
        others = dict(zip(CONTRASTS, (contrast(0.1, half, sure=True), ALIKE, ALIKE), strict=True))
        assert words in verdict_of(others, worthwhile=0.05)[1]


# ---- what may be seen -----------------------------------------------------------------------------------------------


def test_the_test_part_is_not_looked_at() -> None:
    world = dermatology(130, image_size=16, seed=3, tone_fractions=(0.5, 0.5))
    split = split_cohort(world.cohort, seed=0)
    rng = np.random.default_rng(0)
    n = len(split.test)
    poisoned = Cohort(
        rng.integers(0, 256, (n, 16, 16, 3), dtype=np.uint8),
        split.test.table,
        label=split.test.label,
        y=rng.integers(0, len(split.test.classes), n),
        classes=split.test.classes,
        rule=split.test.rule,
        group=rng.integers(0, 2, n),
        groups=split.test.groups,
        ids=split.test.ids,
        units=split.test.units,
    )
    honest, other = (
        advise(s, groups=["dark"], curve=False, timed=False) for s in (split, replace(split, test=poisoned))
    )
    assert honest.to_dict() == other.to_dict()


def test_the_same_seed_gives_the_same_advice_with_or_without_the_curve() -> None:
    split = toy_split(21, 0.8, n_out=60)
    first, whole = asked(split, seed=1), advise(split, groups=["in"], seed=1, timed=False)
    assert whole.groups[0].contrasts == first.groups[0].contrasts
    assert list(whole.groups[0].curve) == [diet.name for diet in CURVE]
    assert asked(split, seed=2).groups[0].contrasts != first.groups[0].contrasts


def test_no_patient_is_both_learnt_from_and_judged() -> None:
    """Features that name the patient: only a leak could tell labels that are random by patient."""
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(60), 3)
    y = rng.integers(0, 2, 60)[patients]
    inside = rng.random(180) < 0.6  # patients have rows in both groups
    named = np.eye(60)[patients]
    samples = Samples(y, patients, inside, np.ones(180, dtype=bool), 2)
    seen: list[np.ndarray] = []

    def features(rows: np.ndarray) -> np.ndarray:
        seen.append(rows)
        return named

    answers = cross_validated(samples, features, repeats=1, seed=0, diets=COMPARED)
    for rows in seen:
        judged = inside & ~rows
        assert judged.any() and not set(patients[rows]) & set(patients[judged])
    for name, p in answers.items():
        assert np.isfinite(p).all() and (p > 0).all(), name
        np.testing.assert_allclose(p.sum(2), 1)
        right = (p[0].argmax(1) == y[samples.judged]).mean()
        assert right < 0.7, name


def test_can_be_probed_counts_patients_not_rows() -> None:
    def samples(unit: np.ndarray) -> Samples:
        n = len(unit)
        return Samples(np.arange(n) % 2, unit, np.ones(n, dtype=bool), np.ones(n, dtype=bool), 2)

    assert can_be_probed(samples(np.arange(10)))
    assert not can_be_probed(samples(np.repeat(np.arange(5), 8)))


@pytest.mark.parametrize("y", [np.repeat(np.arange(6), 3), np.r_[np.zeros(5, int), 1 + np.arange(17)]])
def test_many_rare_classes_are_probed_without_being_spread(y: np.ndarray) -> None:
    everybody = np.ones(len(y), dtype=bool)
    samples = Samples(y, np.arange(len(y)), everybody, everybody, int(y.max()) + 1)
    noise = np.random.default_rng(0).normal(size=(len(y), 4))
    for answers in cross_validated(samples, lambda rows: noise, repeats=2, seed=0, diets=COMPARED).values():
        assert np.isfinite(answers).all()


# ---- differences ----------------------------------------------------------------------------------------------------


def test_points_and_differences_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 120)
    good, bad = (rng.dirichlet(np.ones(3), 120) + s * np.eye(3)[y] for s in (0.6, 0.1))
    good, bad = good / good.sum(1, keepdims=True), bad / bad.sum(1, keepdims=True)
    judged = Judged(y, np.arange(120) // 2, {"good": good[None], "bad": bad[None]}, seed=0)
    f1 = [f1_score(y, p.argmax(1), average="macro") for p in (good, bad)]
    assert judged.point("good").f1 == pytest.approx(f1[0])
    assert judged.point("bad").loss == pytest.approx(log_loss(y, bad))
    found, turned = judged.contrast("good", "bad"), judged.contrast("bad", "good")
    assert found.f1 == pytest.approx(f1[0] - f1[1]) and found.loss == pytest.approx(
        log_loss(y, bad) - log_loss(y, good)
    )
    assert found.f1_low < found.f1 < found.f1_high and found.loss_low > 0
    assert (turned.f1_low, turned.f1_high) == pytest.approx((-found.f1_high, -found.f1_low))


def test_models_that_agree_everywhere_are_not_known_to_be_equal() -> None:
    y = np.arange(40) % 2
    p = np.full((2, 40, 2), 0.5)
    found = Judged(y, np.arange(40), {"a": p, "b": p}, seed=0).contrast("a", "b")
    assert pytest.approx(1.5) == WIDENING
    assert (found.f1, found.f1_high) == pytest.approx((0.0, 1.5 * 1.96 / 40))
    assert found.detectable > 0.1


# ---- features -------------------------------------------------------------------------------------------------------


def test_images_are_averaged_and_vectors_kept() -> None:
    image = np.zeros((3, 32, 32, 3), dtype=np.uint8)
    image[:, :16] = 255
    cohort = Cohort.from_arrays(image, ["a", "b", "a"], sensitive_features=["x", "y", "x"])
    small = small_images(cohort)
    assert small.shape == (3, 3 * SIDE * SIDE)
    assert small.mean() == pytest.approx(0.5) and set(np.unique(small)) == {0.0, 1.0}
    toy = rotating_sectors(20, 20, 0.0, n_test=1).train
    np.testing.assert_array_equal(small_images(toy), toy.images)


def test_components_are_few_and_constant_columns_dropped() -> None:
    rng = np.random.default_rng(0)
    wide = np.c_[rng.normal(size=(200, 90)), np.ones(200)]
    assert components(wide, 0).shape == (200, COMPONENTS)
    assert components(wide[:, -5:], 0).shape == (200, 4)


def test_network_features_change_with_the_rows_learnt_from() -> None:
    cohort = dermatology(60, image_size=16, seed=0).cohort
    of = network_features(cohort, TrainSettings.make({"epochs": 1, "batch_size": 20, "device": "cpu"}))
    rows = np.arange(60) < 40
    one, again, other = of(rows), of(rows), of(~rows)
    np.testing.assert_array_equal(one, again)
    assert one.shape[0] == 60 and not np.array_equal(one, other)


# ---- the whole ------------------------------------------------------------------------------------------------------


def test_normal_budget_and_page(tmp_path: Path) -> None:
    world = dermatology(110, image_size=16, seed=2, tone_fractions=(0.5, 0.5)).cohort
    table = world.table.assign(tone=world.table["tone"].replace({"dark": "<script>alert(1)</script>"}))
    cohort = Cohort.from_table(
        world.batch(slice(None)), table, label="diagnosis", group="tone", id_column="image_id", split_by="patient_id"
    )
    settings = TrainSettings.make({"epochs": 1, "device": "cpu"})
    found = everygroup.advise(cohort, budget="normal", settings=settings)
    assert [g.group for g in found.groups] == list(cohort.groups)
    assert {c.method: c.networks for c in found.costs} == {"erm": 1, "group_model": 2, "spare": 5}
    minutes = [c.minutes for c in found.costs]
    assert all(m is not None and m > 0 for m in minutes) and minutes[2] > minutes[0]  # type: ignore[operator]
    assert len(overview(found)) == len(sentences(found)) == 2 and len(costs(found)) == 3
    html = write_advice_page(found, tmp_path / "advice.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in html and "alert(1)" in html
    assert "own and a quarter of the others" in html


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": "endless"}, "Unknown budget 'endless'"),
        ({"worthwhile": 0.0}, "worthwhile = 0"),
        ({"groups": ["middle"]}, "Unknown group 'middle'"),
    ],
)
def test_impossible_requests_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        advise(toy_split(12, 0.0, n_out=12), **options)


def test_one_group_and_too_few_patients_are_refused() -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 3), dtype=np.uint8)
    alone = Cohort.from_arrays(images, ["a", "b"] * 6, sensitive_features=["x"] * 12)
    with pytest.raises(SettingsError, match="There are 1 groups"):
        advise(alone)
    with pytest.raises(CohortError, match="Only 4 patients"):
        advise(Cohort.from_arrays(images[:4], list("abab"), sensitive_features=list("xxyy")))


def test_samples_without_a_label_are_refused() -> None:
    split = toy_split(12, 0.0, n_out=12)
    split.train.y[0] = -1
    with pytest.raises(CohortError, match="1 samples have no label"):
        asked(split)
