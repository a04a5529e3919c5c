from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everygroup.figures.theme import (
    PALETTE,
    SHAPES,
    clean_text,
    estimate,
    metric_words,
    number,
    series_style,
    short_names,
)


def test_series_differ_in_shape_when_colours_come_again() -> None:
    colours, shapes = series_style([str(i) for i in range(56)])
    assert len(set(zip(colours, shapes, strict=True))) == 56
    assert len(set(shapes[:8])) == 8
    assert math.gcd(len(PALETTE), len(SHAPES)) == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=80), max_size=12))
def test_short_names_stay_distinct_and_short(names: list[str]) -> None:
    labels = short_names(names)
    assert set(labels) == set(names)
    assert len(set(labels.values())) == len(set(names))
    assert all(0 < len(label) <= 36 + 5 for label in labels.values())


def test_long_names_keep_both_ends() -> None:
    label = short_names(["a" * 50 + "z" * 50])["a" * 50 + "z" * 50]
    assert label.startswith("aaa") and label.endswith("zzz") and "…" in label


def test_clean_text_drops_what_cannot_be_drawn() -> None:
    assert clean_text("a\x00b\u202ec\n d\ud800") == "abc d"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.81249, "0.812"),
        (-0.5, "−0.500"),
        (-0.0001, "0.000"),
        (float("nan"), "undefined"),
        (None, "undefined"),
        (float("inf"), "undefined"),
        ("x", "undefined"),
    ],
)
def test_number(value: object, text: str) -> None:
    assert number(value) == text


def test_signed_number_has_a_sign_only_when_there_is_one() -> None:
    assert number(0.02, signed=True) == "+0.020"
    assert number(-0.00001, signed=True) == "0.000"


def test_estimate_shows_the_interval_where_defined() -> None:
    assert estimate(0.8, 0.7, 0.9) == "0.800 (0.700 to 0.900)"
    assert estimate(0.8, float("nan"), 0.9) == "0.800 (no interval)"
    assert estimate(float("nan"), 0.7, 0.9) == "undefined"


def test_metric_words() -> None:
    assert metric_words("macro_f1") == "macro F1"
