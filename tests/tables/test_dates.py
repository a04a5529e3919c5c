"""Dates, however a hospital writes them, and the age on a day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from everygroup.errors import CohortError
from everygroup.tables.dates import age_on, ages_at_visit, date_columns, holds_dates, read_dates

CHRISTMAS = ["1950-12-24", "1950/12/24", "24.12.1950", "24. 12. 1950", "19501224", "24 Dec 1950", "Dec 24, 1950"]
CHRISTMAS += [
    "24. Dezember 1950",
    "1950-12-24 00:00:00",
    "1950-12-24T08:30:00Z",
    "24/12/1950",
    "12/24/1950",
    "24-12-1950",
]


@pytest.mark.parametrize("text", CHRISTMAS)
def test_a_date_is_read(text: str) -> None:
    found = read_dates([text, None])
    assert str(found.days[0]) == "1950-12-24" and np.isnat(found.days[1])
    assert not found.unreadable.any() and not found.ambiguous.any()


def test_the_column_tells_the_day_from_the_month() -> None:
    assert [str(d) for d in read_dates(["03/04/1950", "24/12/1950"]).days] == ["1950-04-03", "1950-12-24"]
    assert [str(d) for d in read_dates(["03/04/1950", "12/24/1950"]).days] == ["1950-03-04", "1950-12-24"]
    assert read_dates(["03/04/1950", "05/06/1951"]).ambiguous.all()
    torn = read_dates(["03/04/1950", "24/12/1950", "12/24/1950"])
    assert torn.ambiguous.tolist() == [True, False, False] and torn.unreadable.tolist() == [False, True, True]


@pytest.mark.parametrize("text", ["1950-13-01", "30.02.1950", "today", "1950", "24.12.50", "123456789"])
def test_what_is_no_date_is_unreadable(text: str) -> None:
    assert read_dates([text]).unreadable.all()


def test_columns_of_dates_are_told_from_numbers_and_names() -> None:
    table = pd.DataFrame(
        {"seen": ["20200615", "20210101"], "id": ["10203040", "99999999"], "age": [40, 50], "name": ["a", "b"]}
    )
    assert date_columns(table) == ["seen"]
    assert not holds_dates([None])


def test_an_age_is_in_completed_years_and_below_two_in_months() -> None:
    born = np.array(["1950-12-24", "1950-12-24", "2019-01-31", "2020-02-29", "NaT"], dtype="datetime64[D]")
    seen = np.array(["2020-12-23", "2020-12-24", "2020-07-30", "2021-02-28", "2020-01-01"], dtype="datetime64[D]")
    np.testing.assert_allclose(age_on(born, seen), [69, 70, 17 / 12, 11 / 12, np.nan])


def test_the_visit_is_the_other_column_of_dates_or_the_one_named_so() -> None:
    table = pd.DataFrame({"dob": ["1950-12-24"] * 2, "day": ["2020-12-24", None], "x": ["1", "2"]})
    assert ages_at_visit(table, "dob").exact[0] == 70
    two = table.assign(study_date="2010-12-24")
    assert ages_at_visit(two, "dob").exact.tolist() == [60, 60]
    with pytest.raises(CohortError, match=r"several could be it \(day, other\)"):
        ages_at_visit(table.assign(other="2010-12-24"), "dob")
    three = pd.DataFrame({"dob": ["1950-12-24"] * 3, "day": ["2020-12-24", "2020-12-25", "soon"]})
    with pytest.raises(CohortError, match="1 of 3 values of 'day' are no dates, the first 'soon' in row 4"):
        ages_at_visit(three, "dob")
