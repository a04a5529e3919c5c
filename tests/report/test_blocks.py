from __future__ import annotations

import base64

import numpy as np
import pandas as pd
import pytest

from everygroup.report.blocks import FULL, cell, csv_address, facts, p_value, table


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (True, "", "yes"),
        (np.bool_(False), "", "no"),
        (1234, "n", "1,234"),
        (1234, "seed", "1234"),
        (12.0, "n", "12"),
        (0.5, "", "0.500"),
        (-1234.56, "", "−1,234.6"),
        (float("nan"), "", "undefined"),
        (None, "", "–"),
        ([], "", "–"),
        ({"a": [1, 2]}, "", "a: 1, 2"),
        ("a\nb", "", "a b"),
    ],
)
def test_cell(value: object, name: str, text: str) -> None:
    assert cell(value, name) == text


@pytest.mark.parametrize(
    ("p", "text"), [(0.0001, "< 0.001"), (0.04, "0.040"), (float("nan"), "–"), (None, "–"), ("x", "–")]
)
def test_p_value(p: object, text: str) -> None:
    assert p_value(p) == text


def test_the_shorter_address_is_taken_and_long_ones_are_not() -> None:
    foreign = pd.DataFrame({"a": ["äöü🙂" * 50]})
    address = csv_address(foreign, 10_000)
    assert "base64," in address
    assert base64.b64decode(address.split(",", 1)[1]).decode() == foreign.to_csv(index=False)
    assert csv_address(foreign, 100) == ""
    assert "base64" not in csv_address(pd.DataFrame({"a": [0.5]}), 10_000)


def test_negative_numbers_are_no_formulas() -> None:
    assert csv_address(pd.DataFrame({"a": [-0.5], "b": ["-x"]}), 10_000).endswith("-0.5,%27-x%0A")


def test_table_aligns_numbers_and_counts_what_it_leaves_out() -> None:
    data = pd.DataFrame({"name": list("ab") * 150, "n": range(300), "flag": True})
    found = table(data, "c", FULL, shown={"name": ["x"] * 300})
    assert found.right == [False, True, False]
    assert (len(found.rows), found.left_out, found.rows[0][0]) == (200, 100, "x")


def test_facts_leave_out_what_is_empty() -> None:
    assert facts({"split_hash": "ab", "none": None, "baseline": ""}) == [("split hash", "ab")]
