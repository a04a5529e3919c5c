"""Words that look like 'not known' are told of; whether they are missing is the user's to say."""

from __future__ import annotations

import pandas as pd
import pytest

from everygroup.console import clear_warnings, recorded_warnings
from everygroup.tables.unknown import in_words, tell_unknown, unknown_words


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
