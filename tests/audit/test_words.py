from __future__ import annotations

import math

import pytest

from everygroup.audit.words import chance_words, listed, of_group, of_so_many, plain_number, saying, units
from everygroup.errors import SettingsError

TWO = {"positive": "pneumothorax"}


@pytest.mark.parametrize(
    ("metric", "value", "said"),
    [
        ("sensitivity", 0.791, "Misses 21 of 100 cases of pneumothorax"),
        ("recall[melanoma]", 0.7, "Misses 30 of 100 cases of melanoma"),
        ("fnr", 0.21, "Misses 21 of 100 cases of pneumothorax"),
        ("specificity", 0.92, "Raises a false alarm in 8 of 100 cases without pneumothorax"),
        ("fpr", 0.08, "Raises a false alarm in 8 of 100 cases without pneumothorax"),
        ("ppv", 0.7, "Is wrong in 30 of 100 positive answers"),
        ("accuracy", 0.88, "Is wrong in 12 of 100 cases"),
        ("mae", 6.83, "Is off by 6.8"),
        ("dice", 0.781, "Its Dice is 0.781"),
        ("a_metric_of_ones_own", 0.5, "Its a metric of ones own is 0.500"),
    ],
)
def test_a_rate_is_told_as_the_harm_it_does(metric: str, value: float, said: str) -> None:
    assert saying(metric, TWO).sentence(value) == said


def test_units_are_of_metrics_that_have_one() -> None:
    assert units(["years"]) == {"mae": "years", "rmse": "years", "bias": "years", "hd95": "years"}
    assert units(["mm", "mae=days"])["mae"] == "days" and units([]) == {}
    with pytest.raises(SettingsError, match="'dice' has no unit"):
        units(["dice=mm"])
    assert saying("hd95", {"unit": units(["hd95=mm"])}).sentence(6.83) == "Its HD95 is 6.8 mm"
    assert saying("mae", {"unit": units(["mae=years"])}).heading == "mean error (years)"


def test_the_unit_of_a_number_is_told() -> None:
    assert saying("mae", {"unit": {"mae": "years"}}).sentence(6.83) == "Is off by 6.8 years"


@pytest.mark.parametrize("name", ["1", "True", "yes", "positive"])
def test_a_class_without_a_name_takes_that_of_the_column(name: str) -> None:
    assert saying("sensitivity", {"positive": name, "label": "melanoma"}).what == "cases of melanoma"
    assert saying("sensitivity", {"positive": name, "label": "y_true"}).what == "positive cases"


def test_several_classes_say_that_they_are_averaged() -> None:
    assert saying("balanced_accuracy", {"positive": ""}).sentence(0.8) == (
        "Misses 20 of 100 cases, averaged over the classes"
    )


def test_counts_are_those_of_the_harm() -> None:
    assert saying("sensitivity", TWO).counts(34, 43) == "9 of 43"
    assert saying("fnr", TWO).counts(9, 43) == "9 of 43"
    assert saying("mae", TWO).counts(3, 9) == "" == saying("sensitivity", TWO).counts(math.nan, 43)


def test_intervals_turn_with_the_rate() -> None:
    assert saying("sensitivity", TWO).with_interval(0.79, 0.64, 0.89) == "21 (11 to 36)"
    assert saying("fpr", TWO).with_interval(0.08, 0.05, 0.11) == "8 (5 to 11)"
    assert saying("mae", TWO).with_interval(6.83, math.nan, 7.9) == "6.8"


def test_rare_harms_and_small_differences_get_a_larger_hundred() -> None:
    assert of_so_many(0.0004) == "4 of 10,000"
    assert of_so_many(0.21, [0.004]) == "210 of 1,000"
    assert (of_so_many(0.034, [0.026]), of_so_many(0.034, [0.026], apart=True)) == ("3 of 100", "34 of 1,000")
    assert of_so_many(0.03, [0.03], apart=True) == "3 of 100"
    assert of_so_many(1.0) == "100 of 100" and of_so_many(0.998) == "998 of 1,000"


@pytest.mark.parametrize(
    ("p", "low", "said"),
    [
        (0.034, math.nan, "unlikely to be chance (p = 0.034)"),
        (0.0002, 0.0, "unlikely to be chance (p < 0.001)"),
        (0.05, 0.2, "cannot be told apart from chance (p = 0.050)"),
        (math.nan, 0.02, "unlikely to be chance"),
        (math.nan, 0.0, "cannot be told apart from chance"),
        (math.nan, math.nan, "whether this is chance could not be tested"),
    ],
)
def test_chance_has_one_wording(p: float, low: float, said: str) -> None:
    assert chance_words(p, low) == said


@pytest.mark.parametrize(
    ("attribute", "group", "said"),
    [
        ("race", "Black", "Black patients"),
        ("Sex", "men", "men"),
        ("age_group", "<=40", "patients aged 40 or under"),
        ("age", "(40,65]", "patients aged over 40 to 65"),
        ("age", "[40,65)", "patients aged 40 to under 65"),
        ("age", ">65", "patients aged over 65"),
        ("age", "old", "old patients"),
        ("stage", "II", "the group II (stage)"),
        ("site", "North", "the group North (site)"),
    ],
)
def test_groups_are_spoken_of_as_people(attribute: str, group: str, said: str) -> None:
    assert of_group(attribute, group) == said


def test_numbers_and_lists() -> None:
    assert [plain_number(x) for x in (1234.5, 12.34, 1.234, 0.1234, -6.8)] == ["1,234", "12.3", "1.23", "0.123", "−6.8"]
    assert listed(["a"]) == "a" and listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_the_recall_of_the_healthy_is_a_false_alarm_and_no_missed_case() -> None:
    two = {"positive": "sick", "classes": ["well", "sick"]}
    assert saying("recall[well]", two).sentence(0.9) == "Raises a false alarm in 10 of 100 cases without sick"
    assert saying("recall[sick]", two).sentence(0.9) == saying("sensitivity", two).sentence(0.9)
    assert saying("recall[well]", {"positive": "", "classes": ["well", "sick", "x"]}).sentence(0.9) == (
        "Misses 10 of 100 cases of well"
    )
