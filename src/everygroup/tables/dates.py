"""Dates as hospitals write them ('1950-12-24', '24.12.1950', '19501224', '24 Dec 1950'), and the age on a date."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.errors import CohortError
from everygroup.tables.ages import plausible
from everygroup.tables.amounts import Amounts

_BIRTH = re.compile(r"birth|(?<![a-z])dob(?![a-z])|geb(?:urt|oren|[ _.]?dat)|naissance|nacimiento|nascita")
_VISIT = re.compile(
    r"visit|study|studie|exam|acqui|scan|series|content|untersuch|aufnahme|besuch|image|index|encounter|befund"
)
_TIME = r"(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:[ap]m)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}}){_TIME}", re.IGNORECASE)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\d{4}(?:\d{2}(?:\.\d+)?)?)?(?:\.0+)?")
_DOTTED = re.compile(rf"(\d{{1,2}})\.\s?(\d{{1,2}})\.\s?(\d{{4}}){_TIME}", re.IGNORECASE)
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/])(\d{{1,2}})\2(\d{{4}}){_TIME}", re.IGNORECASE)
_NAMED = re.compile(
    rf"(?:(\d{{1,2}})[. -]+([^\W\d]+)\.?|([^\W\d]+)\.? +(\d{{1,2}})),?[ -]+(\d{{4}}){_TIME}", re.IGNORECASE
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan januar january janvier enero gennaio jän jänner",
            "feb februar february février fevrier febrero febbraio",
            "mar mär mrz märz march mars marzo maerz",
            "apr april avril abril aprile",
            "may mai mayo maggio",
            "jun juni june juin junio giugno",
            "jul juli july juillet julio luglio",
            "aug august août aout agosto",
            "sep sept september septembre septiembre settembre",
            "oct okt october oktober octobre octubre ottobre",
            "nov november novembre noviembre",
            "dec dez december dezember décembre decembre diciembre dicembre",
        ),
        start=1,
    )
    for name in names.split()
}


@dataclass(frozen=True)
class Dates:
    """Days (n,), and the texts that are none.

    Attributes
    ----------
    days : (n,) datetime64[D]
        NaT where there is no date.
    unreadable : (n,) bool
        Texts that are no date.
    ambiguous : (n,) bool
        Dates such as 03/04/1950, where nothing in the column tells the day from the month; they have no value.
    """

    days: NDArray[np.datetime64]
    unreadable: NDArray[np.bool_]
    ambiguous: NDArray[np.bool_]


def read_dates(texts: Sequence[str | None]) -> Dates:
    """Read a column of dates; None is missing.

    '03/04/1950' is read as the column's other dates tell: 24/12/1950 has the day first, 12/24/1950 the month. Where
    none tells, or they contradict each other, such dates are ambiguous.
    """
    orders = {order for text in texts if text is not None and (order := _order(text)) is not None}
    order = orders.pop() if len(orders) == 1 else None
    days = np.full(len(texts), np.datetime64("NaT"), dtype="datetime64[D]")
    unreadable, ambiguous = np.zeros(len(texts), dtype=bool), np.zeros(len(texts), dtype=bool)
    for i, text in enumerate(texts):
        if text is None:
            continue
        parts = _parts(text.strip(), order)
        if parts is None:
            found = _YEAR_LAST.fullmatch(text.strip())
            ambiguous[i] = found is not None and max(int(found[1]), int(found[3])) <= 12
            unreadable[i] = not ambiguous[i]
            continue
        try:
            days[i] = np.datetime64("{:04d}-{:02d}-{:02d}".format(*parts))
        except ValueError:
            unreadable[i] = True
    return Dates(days, unreadable, ambiguous)


def holds_dates(texts: Sequence[str | None]) -> bool:
    """Tell whether most of a column's known values are dates, ambiguous ones too."""
    known = [text for text in texts if text is not None][:1000]
    if not known:
        return False
    found = read_dates(known)
    years = found.days.astype("datetime64[Y]").astype(np.int64) + 1970
    dated = ~np.isnat(found.days) & (years >= 1850) & (years <= 2150) | found.ambiguous
    return 2 * int(dated.sum()) > len(known)


def age_on(birth: NDArray[np.datetime64], day: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return ages in completed years, below two in completed months (as fractions of a year); NaN where a date lacks.

    Parameters
    ----------
    birth, day : (n,) datetime64[D]
    """
    months = (day.astype("datetime64[M]") - birth.astype("datetime64[M]")).astype(np.float64)
    known = ~(np.isnat(birth) | np.isnat(day))
    of_month = [np.nan_to_num((d - d.astype("datetime64[M]")).astype(np.float64)) for d in (birth, day)]
    months = np.where(known, months, np.nan) - (of_month[1] < of_month[0])
    return np.where(months >= 24, np.floor(months / 12), months / 12)


def ages_at_visit(table: pd.DataFrame, birth: str) -> Amounts:
    """Return the age of each row (n,) from a column of dates of birth and the one of the visit, which is looked for.

    Raises
    ------
    CohortError
        Where there is no date of the visit or more than one could be it, and for dates that cannot be read.
    """
    visit = _visit(table, birth)
    born, seen = (_read(table[column], column) for column in (birth, visit))
    ages = age_on(born, seen)
    return plausible(Amounts(ages, ages, np.zeros(len(ages), dtype=bool), np.zeros(len(ages), dtype=bool)))


def date_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns that hold dates."""
    return [str(c) for c in table.columns if holds_dates(texts_of(table[c].head(1000)))]


def visit_columns(table: pd.DataFrame, attributes: Collection[str]) -> set[str]:
    """Return the columns of dates that may be needed to make ages of those attributes that are dates of birth."""
    born = [a for a in attributes if holds_dates(texts_of(table[a].head(1000)))]
    return set(date_columns(table)) - set(born) if born else set()


def texts_of(values: pd.Series) -> list[str | None]:
    """Return a column as texts; None where it is missing or blank."""
    return [None if pd.isna(v) or not str(v).strip() else str(v).strip() for v in values.astype(object)]


def _visit(table: pd.DataFrame, birth: str) -> str:
    others = [c for c in date_columns(table) if c != birth and not _BIRTH.search(c.casefold())]
    named = [c for c in others if _VISIT.search(c.casefold())]
    found = named if len(named) == 1 else others
    if len(found) != 1:
        several = f"several could be it ({', '.join(found)})" if found else "no column holds one"
        raise CohortError(
            f"{birth!r} holds dates: an age needs the date of the visit too, and {several}.",
            fix="keep one column of dates beside it, called study_date, or give a column of ages",
        )
    return found[0]


def _read(values: pd.Series, column: str) -> NDArray[np.datetime64]:
    texts = texts_of(values)
    found = read_dates(texts)
    _refuse(found.ambiguous, "have day and month in an order that nothing tells", texts, column)
    _refuse(found.unreadable, "are no dates", texts, column)
    return found.days


def _refuse(wrong: NDArray[np.bool_], why: str, texts: Sequence[str | None], column: str) -> None:
    if wrong.any():
        n, row = int(wrong.sum()), int(wrong.argmax())
        raise CohortError(
            f"{n} of {len(texts)} values of {column!r} {why}, the first {texts[row]!r} in row {row + 2}.",
            fix="write dates as 1950-12-24, or leave the cells empty",
        )


def _order(text: str) -> str | None:
    found = _YEAR_LAST.fullmatch(text.strip())
    if found is None:
        return None
    first, second = int(found[1]), int(found[3])
    return "day first" if first > 12 >= second else "month first" if second > 12 >= first else None


def _parts(text: str, order: str | None) -> tuple[int, int, int] | None:
    """Return year, month and day; None where the text is no date or ambiguous."""
    if found := _YEAR_FIRST.fullmatch(text):
        return int(found[1]), int(found[3]), int(found[4])
    if found := _COMPACT.fullmatch(text):
        return int(found[1]), int(found[2]), int(found[3])
    if found := _DOTTED.fullmatch(text):
        return int(found[3]), int(found[2]), int(found[1])
    if found := _NAMED.fullmatch(text):
        month = _MONTHS.get((found[2] or found[3]).casefold())
        return None if month is None else (int(found[5]), month, int(found[1] or found[4]))
    if found := _YEAR_LAST.fullmatch(text):
        first, second = int(found[1]), int(found[3])
        if first == second:
            return int(found[4]), second, first
        if order == "day first" and second <= 12:
            return int(found[4]), second, first
        if order == "month first" and first <= 12:
            return int(found[4]), first, second
    return None
