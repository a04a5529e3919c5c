"""Measured numbers are told from codes of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from everygroup.tables.kinds import looks_measured


@pytest.mark.parametrize(
    "values",
    [
        range(18, 90),
        np.random.default_rng(0).random(50),
        [str(k) for k in range(21)],
        ["1,5", "2,7"] * 3 + list("123456789"),
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
