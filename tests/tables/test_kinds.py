"""Measured numbers are told from codes of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from everygroup.tables.kinds import looks_measured, no_classes, without_unit


@pytest.mark.parametrize(
    "values",
    [
        range(18, 90),
        np.random.default_rng(0).random(50),
        [str(k) for k in range(21)],
        ["1,5", "2,7"] * 3 + list("123456789"),
        [f"{k} mm" for k in range(30)],
        [*["<5"] * 40, *(str(k) for k in range(5, 40))],
    ],
)
def test_measured(values: Any) -> None:
    assert looks_measured(values)


@pytest.mark.parametrize(
    "values",
    [[0, 1, 1], ["a", "b"] * 30, range(20), [0.5, 1, 2, 3], [None, "", 1], [], [f"c{k}" for k in range(114)]],
)
def test_codes_and_names_of_classes(values: Any) -> None:
    assert not looks_measured(values)


def test_a_few_words_among_numbers_change_nothing() -> None:
    assert looks_measured([*range(100), "n. k."])
    assert not looks_measured([*range(100), *["unknown"] * 20])


def test_a_unit_is_taken_away_where_it_is_one() -> None:
    assert without_unit(["12 mm", "3,5mm", "7"]) == ["12", "3,5", "7"]
    assert without_unit(["12 mm", "3 cm"]) == ["12 mm", "3 cm"]
    assert not looks_measured([f"{k}{letter}" for k in range(1, 12) for letter in "ab"])


def test_dates_and_texts_of_their_own_are_no_classes() -> None:
    assert no_classes([f"2020-01-{k:02d}" for k in range(1, 29)] * 20).startswith("28 different dates (2020-01-01, ")
    assert no_classes([f"finding no. {k}" for k in range(60)]).startswith("60 different texts in 60 rows")
    assert no_classes([f"c{k}" for k in range(114)] * 3) == ""
    assert no_classes(["a", "b", None, ""] * 5) == ""
