"""Everything that is wrong with a file is told at once; whatever its bytes are, it is a table or one of our errors."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everygroup.errors import CohortError, EverygroupError, PredictionsError, TableError
from everygroup.tables import Problems, open_table
from everygroup.tables.encoding import encoding_of
from everygroup.tables.frame import read_table

RELAXED = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def test_all_problems_in_one_message(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,a,b\n1,2,3\n1,2,3,4\n\n1,2,3,4,5\n")
    with pytest.raises(TableError) as caught:
        open_table(path)
    lines = caught.value.message.splitlines()
    assert lines[0] == "t.csv has 4 problems:"
    assert "row 1: the column 'a' stands in the header twice" in lines[1] and "'b'" in lines[2]
    assert lines[3:] == ["  row 2: 3 fields, where the header has 4", "  row 5: 5 fields, where the header has 4"]
    assert "rename" in caught.value.fix and "as many fields" in caught.value.fix
    assert isinstance(caught.value, CohortError) and isinstance(caught.value, PredictionsError)


def test_texts_among_the_numbers_of_all_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("v,w\n1,x\ny,2\n3,inf\n4,5\n")
    with pytest.raises(TableError) as caught:
        open_table(path).read(["v", "w"], numbers=["v", "w"])
    assert caught.value.message.splitlines()[1:] == [
        "  row 3, column 'v': 'y' is no number",
        "  row 2, column 'w': 'x' is no number",
        "  row 4, column 'w': 'inf' is infinite",
    ]


def test_a_long_list_is_cut_and_counted() -> None:
    problems = Problems("f.csv")
    for k in range(30):
        problems.add("wrong", row=k)
    with pytest.raises(TableError) as caught:
        problems.raise_if_any()
    assert len(caught.value.message.splitlines()) == 22 and "and 10 more" in caught.value.message
    Problems("f.csv").raise_if_any()


def test_unquoted_decimal_commas_are_one_problem(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,v\n" + "a,0,5\n" * 40)
    with pytest.raises(TableError, match=r"all 40 rows have 3 fields, where the header has 2; are there decimal com"):
        open_table(path)


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("utf-8", "utf-8-sig"), ("cp1252", "cp1252"), ("mac-roman", "mac-roman"), ("utf-16", "utf-16")],
)
@pytest.mark.parametrize("text", ["Größe;männlich;Mädchen", "élève;garçon;être;où", "niño;señor;año"])
def test_encodings_are_told_by_their_letters(tmp_path: Path, encoding: str, found: str, text: str) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    assert encoding_of(tmp_path / "t.csv") == found


def test_types_of_a_cohorts_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id;n;x;flag;code;word;name\n007;1;0,5;True;01;NA;NA\n008;2;1.234,5;False;02;a;None\n")
    t = read_table(path, text_columns=["name"])
    assert t["id"].tolist() == ["007", "008"] and t["code"].tolist() == ["01", "02"]
    assert t["n"].dtype == np.int64 and t["x"].tolist() == [0.5, 1234.5] and t["flag"].dtype == bool
    assert t["word"].isna().tolist() == [True, False] and t["name"].tolist() == ["NA", "None"]


def test_a_spreadsheet_is_read_as_it_is_shown(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    rows = [["id", "age", "day", "v"], [7, 40.0, pd.Timestamp("2020-01-31").to_pydatetime(), 0.25]]
    for row in [[], *rows, [None] * 4, [8, "", None, 0.5]]:
        sheet.append(row)
    sheet["A3"].number_format = "0000"
    book.save(tmp_path / "t.xlsx")
    source = open_table(tmp_path / "t.xlsx")
    t = source.read(source.columns, numbers=["v"], texts=["id"])
    assert (
        t["id"].tolist() == ["0007", "8"] and t["day"].tolist() == ["2020-01-31", ""] and t["v"].tolist() == [0.25, 0.5]
    )
    assert t["age"].tolist() == ["40", ""] and source.place(1) == "t.xlsx, row 5"
    with pytest.raises(TableError, match=r"no sheet 'x'"):
        open_table(f"{tmp_path / 't.xlsx'}#x")


@RELAXED
@given(st.binary(max_size=300), st.sampled_from(["t.csv", "t.csv.gz", "t.xlsx", "t.parquet"]))
def test_any_bytes_are_a_table_or_our_error(tmp_path: Path, data: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(data)
    try:
        assert len(read_table(tmp_path / name)) > 0
    except EverygroupError as error:
        assert error.message and error.fix


GOOD = 'id;age;note;v\n1;40;"two\nlines";0,5\n2;50;"a ""quoted"" word";1.234,5\n3;;plain;7\n'.encode("cp1252")


@RELAXED
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4))
def test_a_damaged_file_is_a_table_or_our_error(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for at, byte in changes:
        data[at] = byte
    (tmp_path / "t.csv").write_bytes(data)
    try:
        t = read_table(tmp_path / "t.csv")
    except EverygroupError as error:
        assert error.message and error.fix
        return
    assert 1 <= len(t) <= 5
    if not changes:
        assert t["v"].tolist() == [0.5, 1234.5, 7] and t["note"][0] == "two\nlines"


@RELAXED
@given(
    st.lists(
        st.lists(st.sampled_from(["", "a", "1", '"', "x,y", "a;b", "l\nm", " b", "'", "=1"]), min_size=2, max_size=2),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_quoted_cells_come_back_as_they_are(tmp_path: Path, rows: list[list[str]], mark: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=mark, quoting=csv.QUOTE_ALL).writerows([["one", "two"], *rows])
    (tmp_path / "t.csv").write_text(text.getvalue(), newline="")
    source = open_table(tmp_path / "t.csv")
    t = source.read(source.columns, texts=source.columns)
    assert t.to_numpy().tolist() == rows


def test_a_thousands_point_that_looks_plain_follows_its_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id;dose\na;45,5\nb;1.045\nc;2.000,5\n")
    for cut in ([], ["dose"]):
        assert read_table(path, cut=cut)["dose"].tolist() == [45.5, 1045.0, 2000.5]
