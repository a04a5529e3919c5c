"""Words that look like 'not known' are told of; whether they are missing is the user's to say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from everygroup.console import clear_warnings, recorded_warnings
from everygroup.tables import Spelling
from everygroup.tables.unknown import (
    in_words,
    tell_one_for_many,
    tell_unknown,
    tell_unknown_numbers,
    unknown_words,
)


@pytest.mark.parametrize("word", ["unbekannt", "k.A.", "-", "Declined to answer", "Inconnu", "?", "999"])
def test_words_for_not_known(word: str) -> None:
    assert unknown_words({"m": 3, word: 2, "w": 1}) == {word: 2}
    assert unknown_words({"m": 3, word: 2}, values=[word]) == {}


def test_other_words_are_values() -> None:
    assert unknown_words({"NA": 3, "None": 2, "other": 2, "divers": 1, "0": 1, "Unkel": 1}) == {}


def test_the_option_is_ready_to_paste() -> None:
    assert "--missing 'k.A.' makes" in in_words("sex", "k.A.", 2)
    assert "--missing unbekannt makes" in in_words("sex", "unbekannt", 2)


def test_a_table_is_told_of_column_by_column() -> None:
    clear_warnings()
    tell_unknown(pd.DataFrame({"sex": ["m", "unbekannt", "unbekannt"], "site": ["A", "B", "-"]}))
    assert [w.split(",")[0] for w in recorded_warnings()] == [
        "'sex' is 'unbekannt' in 2 rows",
        "'site' is '-' in 1 rows",
    ]


def told(call: Callable[[], None]) -> list[str]:
    clear_warnings()
    call()
    return list(recorded_warnings())


def test_numbers_that_are_codes_are_told_of() -> None:
    table = pd.DataFrame({"volume": [10.0, 12.0, -999.0, -999.0], "age": [50.0, 61.0, 999.0, np.nan]})
    first, second = told(lambda: tell_unknown_numbers("p.csv", table))
    assert first.startswith("p.csv: 'volume' is -999 in 2 rows") and "--missing -999" in first
    assert second.startswith("p.csv: 'age' is 999 in 1 rows")


def test_numbers_among_others_are_no_codes() -> None:
    table = pd.DataFrame({"z": [-1.0, 0.4, -0.7, 1.2], "volume": [999.0, 850.0, 1200.0, 90.0], "one": [99.0] * 4})
    assert told(lambda: tell_unknown_numbers("p.csv", table)) == []


def test_one_word_for_many_patients_is_told_of() -> None:
    patients = pd.Series(["P1", "P1", "P2", "P3", *["unknown"] * 9, "", ""])
    (line,) = told(lambda: tell_one_for_many("p.csv", "MRN", patients, Spelling()))
    assert line.startswith("p.csv: 'MRN' is 'unknown' in 9 rows, which count as one patient; --missing unknown")
    assert told(lambda: tell_one_for_many("p.csv", "MRN", patients[:4], Spelling())) == []
