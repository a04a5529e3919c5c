"""Ages and open-ended numbers, however a hospital writes them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everygroup.tables.ages import holds_ages, read_ages
from everygroup.tables.amounts import TORN, read_amounts

EXACT = {
    "042Y": 42,
    "42Y": 42,
    "42": 42,
    "042": 42,
    "045y": 45,
    "45 Y": 45,
    "0Y": 0,
    "018M": 1.5,
    "052W": 52 * 7 / 365.25,
    "010D": 10 / 365.25,
    "42.5Y": 42.5,
    "42,5": 42.5,
    "84.0": 84,
    "45 years": 45,
    "45 y/o": 45,
    "45 Jahre": 45,
    "aged 45": 45,
    "18 Monate": 1.5,
    "2 years 3 months": 2.25,
    "6 Mon.": 0.5,
    "2y3m": 2.25,
    "120": 120,
}
OPEN = [
    "89+",
    "89 +",
    ">89",
    "> 89 y",
    "\u226589",
    ">=89",
    "089Y+",
    "89 or older",
    "89 and over",
    "89 Jahre und \u00e4lter",
]
OPEN += ["over 89", "89+ years", "89 ans et plus", "\u00fcber 89", "89 or more", "at least 89"]


@pytest.mark.parametrize(("text", "years"), EXACT.items())
def test_an_age_is_read_in_years(text: str, years: float) -> None:
    found = read_ages([text, None])
    assert found.exact[0] == pytest.approx(years)
    assert math.isnan(found.exact[1]) and not found.unreadable.any() and not found.placeholder.any()


@pytest.mark.parametrize("text", OPEN)
def test_an_open_ended_age_is_a_lower_bound(text: str) -> None:
    found = read_ages([text])
    assert (found.low[0], found.high[0]) == (89, math.inf)
    assert math.isnan(found.exact[0]) and found.open_ended[0]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("40-49", 40, 49), ("40 \u2013 49 years", 40, 49), ("40 to 49", 40, 49), ("40s", 40, 49), ("<18", -math.inf, 18)],
)
def test_a_range_is_two_bounds(text: str, low: float, high: float) -> None:
    found = read_ages([text])
    assert (found.low[0], found.high[0]) == (low, high)


@pytest.mark.parametrize("text", ["999Y", "1042Y", "-1", "121", "-9"])
def test_what_cannot_be_an_age_is_a_placeholder(text: str) -> None:
    found = read_ages(["42", text])
    assert found.placeholder.tolist() == [False, True] and math.isnan(found.low[1]) and not found.unreadable.any()


def test_numbers_that_are_mostly_no_years_are_no_placeholders() -> None:
    months = [str(m) for m in range(1, 229)]  # bone ages in months
    found = read_ages(months)
    assert not found.placeholder.any() and found.exact.tolist() == list(range(1, 229))


@pytest.mark.parametrize("text", ["adult", "n. k.", "45 F", "4O", "18-", "nine", "inf", "4_2"])
def test_what_is_no_age_is_unreadable(text: str) -> None:
    found = read_ages([text, "42"])
    assert found.unreadable.tolist() == [True, False] and math.isnan(found.low[0])


def test_ages_are_known_by_name_or_by_how_they_are_written() -> None:
    for name in ("age", "PatientAge", "patient_age", "Alter", "age at visit", "Edad (a\u00f1os)"):
        assert holds_ages(name, ["1"]), name
    for name in ("stage", "image", "dosage", "age_months", "bone_age", "x"):
        assert not holds_ages(name, ["1", "2"]), name
    assert holds_ages("x", ["045Y", "011M", None, "?"])


def test_bins_leave_bounds_whole_or_say_torn() -> None:
    found = read_amounts(["40", "41", "89+", "40-49", "41-49", "<18", None, ">90"])
    assert found.bins([40]).tolist() == [0, 1, 1, TORN, 1, 0, -1, 1]
    assert found.bins([89]).tolist() == [0, 0, 1, 0, 0, 0, -1, 1]
    assert found.bins([95]).tolist() == [0, 0, TORN, 0, 0, 0, -1, TORN]
    assert found.bins([10]).tolist() == [1, 1, 1, 1, 1, TORN, -1, 1]
    assert found.take(np.array([2, -1])).low.tolist()[0] == 89


def test_a_decimal_comma_is_decided_by_the_column() -> None:
    assert read_amounts(["1,5", "2"]).exact.tolist() == [1.5, 2]
    mixed = read_amounts(["1,5", "2.5"])
    assert mixed.unreadable.tolist() == [True, False]


@given(st.floats(0, 120, allow_nan=False), st.lists(st.integers(0, 120), min_size=1, max_size=4, unique=True))
def test_a_known_age_falls_where_its_number_does(age: float, cuts: list[int]) -> None:
    edges = sorted(cuts)
    assert read_ages([repr(age)]).bins(edges)[0] == sum(age > cut for cut in edges)
