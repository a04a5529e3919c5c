"""Numbers as people write them: decided by the column and the file, never by one cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from everygroup.errors import SettingsError, TableError
from everygroup.tables import Spelling, open_table
from everygroup.tables.numbers import Mark, mark_of, marks, value


@pytest.mark.parametrize(
    ("text", "mark", "number"),
    [
        ("1.234", Mark.POINT, 1.234),
        ("1.234", Mark.COMMA, 1234),
        ("1.234,5", Mark.COMMA, 1234.5),
        ("1.234.567", Mark.COMMA, 1234567),
        ("1,234.5", Mark.POINT, 1234.5),
        ("1'234.5", Mark.POINT, 1234.5),
        ("1’234’567", Mark.POINT, 1234567),
        ("1\u202f234,5", Mark.COMMA, 1234.5),
        ("1\u00a0234", Mark.COMMA, 1234),
        ("1 234,5", Mark.COMMA, 1234.5),
        ("\u22120,5", Mark.COMMA, -0.5),
        ("1e-3", Mark.POINT, 0.001),
        ("5.", Mark.POINT, 5),
        (",5", Mark.COMMA, 0.5),
        ("1.23,4", Mark.COMMA, None),  # groups of three
        ("12,34,5", Mark.POINT, None),
        ("0.123", Mark.COMMA, None),  # no thousands begin with 0
        ("1_000", Mark.POINT, None),
        ("0x10", Mark.POINT, None),
        ("nan", Mark.POINT, None),
        ("inf", Mark.POINT, None),
        ("12 34", Mark.POINT, None),
        ("", Mark.POINT, None),
    ],
)
def test_a_number_with_its_mark(text: str, mark: Mark, number: float | None) -> None:
    assert np.isnan(value(text, mark)) if number is None else value(text, mark) == number


def test_what_proves_a_mark() -> None:
    assert marks(["0.5"]) == marks(["1,234.5"]) == marks(["1,234,567"]) == {Mark.POINT}
    assert marks(["0,5"]) == marks(["1.234,5"]) == {Mark.COMMA}
    assert marks(["5", "1.234", "1,234", "word", "31.12.2020"]) == set()
    assert mark_of(["1.234", "2,5"], set(), Mark.POINT) is Mark.COMMA
    assert mark_of(["1.234", "999"], {Mark.COMMA}, None) is Mark.COMMA
    assert mark_of(["1.234", "999"], set(), None) is None
    assert mark_of(["1.234", "12345"], set(), None) is Mark.POINT  # thousands are not grouped here


def read(tmp_path: Path, text: str, **spelling: str) -> list[float]:
    (tmp_path / "t.csv").write_text(text)
    return open_table(tmp_path / "t.csv", Spelling(**spelling)).read(["v"], numbers=["v"])["v"].tolist()


def test_the_file_decides_where_the_column_does_not(tmp_path: Path) -> None:
    assert read(tmp_path, "v;w\n1.234;0,5\n2.345;0,25\n") == [1234, 2345]
    assert read(tmp_path, "v;w\n1.234;0.5\n2.345;0.25\n") == [1.234, 2.345]
    assert read(tmp_path, "v,w\n1.234,x\n2.345,y\n") == [1.234, 2.345]  # a comma separates columns: it is no decimal
    assert read(tmp_path, 'v,w\n"1,234.5",x\n"2,345",y\n') == [1234.5, 2345]


def test_what_may_be_either_is_refused_with_the_option_that_says_which(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"t\.csv, column 'v': 1\.234 may be 1234 or 1\.234") as caught:
        read(tmp_path, "v;w\n1.234;x\n2.345;y\n")
    assert "--decimal ," in caught.value.fix
    assert read(tmp_path, "v;w\n1.234;x\n2.345;y\n", decimal=",") == [1234, 2345]
    assert read(tmp_path, "v;w\n1.234;x\n2.345;y\n", decimal=".") == [1.234, 2.345]
    with pytest.raises(SettingsError, match="neither"):
        Spelling(decimal=";")


def test_two_marks_in_one_column_are_told_cell_by_cell(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"row 4, column 'v': '0\.75' is no number beside numbers with a decimal com"):
        read(tmp_path, "v;w\n0,5;x\n0,25;y\n0.75;z\n")


def test_thousands_are_not_taken_for_decimals(tmp_path: Path) -> None:
    """812 beside 1.457 is how thousands are written: a comma between columns, or points elsewhere, prove nothing."""
    for text in (
        "v,w\n812,x\n1.457,y\n990,z\n",
        "v;w\n812;0.5\n1.457;0.25\n990;1.5\n",
        'v,w\n812,x\n"1,457",y\n990,z\n',
    ):
        with pytest.raises(TableError, match=r"column 'v': 1[.,]457 may be 1457 or 1\.457"):
            read(tmp_path, text)
    assert read(tmp_path, "v;w\n812;0,5\n1.457;0,25\n") == [812, 1457]
    assert read(tmp_path, "v,w\n812,x\n1.457,y\n", decimal=",") == [812, 1457]
    assert read(tmp_path, "v,w\n812,x\n1.457,y\n2.5,z\n") == [812, 1.457, 2.5]
    assert read(tmp_path, "v,w\n0,x\n1.457,y\n") == [0, 1.457]


def test_units_are_named_where_they_make_numbers_texts(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="none of its 2 different texts is a number") as caught:
        read(tmp_path, "v,w\n12 ml,x\n13.5 ml,y\n")
    assert "the unit into the column's name" in caught.value.fix
