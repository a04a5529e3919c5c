"""Ages in years, as hospitals write them: '045Y', '42', '18 months', '2 years 3 months', '89+', '90 or older'."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from everygroup.tables.amounts import Amounts, bound_of, read_amounts

OLDEST = 120.0
"""Years; nobody is older, so that a higher age is a placeholder."""

_UNITS = (
    (1.0, r"years?(?:[ -]old)?|yrs?|y\.?/?o\.?|y|jahren?|jahre?|j|ans?|años?|anos?|anni|anno|jaar|år"),
    (1 / 12, r"months?(?:[ -]old)?|mos?|mths?|m|mon|mt|monate?n?|mois|mes(?:es)?|mesi|maanden"),
    (7 / 365.25, r"weeks?(?:[ -]old)?|wks?|w|wochen?|semaines?|semanas?|settimane|weken"),
    (1 / 365.25, r"days?(?:[ -]old)?|d|tage?n?|jours?|d[ií]as?|giorni|dagen"),
)
_NUMBER = r"\d+(?:[.,]\d+)?"
_END = r"\.?(?![a-zà-ÿ])"
_PART = re.compile("|".join(rf"({_NUMBER})\s*(?:{words}){_END}" for _, words in _UNITS))
_YEARS = re.compile(rf"(?<=[\d+])\s*(?:{_UNITS[0][1]}){_END}|(?:years?|jahre?)\s+(?=\d)|\b(?:aged?|alter)\s+(?=\d)")
_DICOM = re.compile(r"\d{1,3}[YMWD]", re.IGNORECASE)
_AGE_WORDS = {"age", "ages", "alter", "lebensalter", "edad", "idade", "eta", "età", "âge", "leeftijd", "alder", "ålder"}
_NO_YEARS = {
    "month",
    "months",
    "monate",
    "week",
    "weeks",
    "wochen",
    "day",
    "days",
    "tage",
    "hours",
    "mois",
    "meses",
    "bone",
}
_MOST_PLACEHOLDERS = 5


def words_of(name: str) -> set[str]:
    """Return the words of a column's name: 'PatientAge' and 'age at visit' hold 'age', 'stage' does not."""
    parted = re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])", " ", name)
    return set(re.findall(r"[a-zà-ÿ]+", parted.casefold()))


def holds_ages(name: str, texts: Sequence[str | None]) -> bool:
    """Tell whether a column holds ages in years, by its name or because most of it is written as DICOM's ages."""
    words = words_of(name)
    if words & _AGE_WORDS:
        return not words & _NO_YEARS
    known = [text for text in texts if text is not None]
    return bool(known) and 2 * sum(_DICOM.fullmatch(text.strip()) is not None for text in known) > len(known)


def in_years(texts: Sequence[str | None]) -> Amounts:
    """Read ages in years, impossible ones too; None is missing.

    Years need no unit; months, weeks and days become fractions (12 months, 365.25 days a year).
    """
    return read_amounts([None if text is None else _in_years(text) for text in texts])


def read_ages(texts: Sequence[str | None]) -> Amounts:
    """Read ages in years; None is missing.

    What cannot be an age is a placeholder (see `plausible`), unless so many different ones occur that the numbers are
    no years.
    """
    found = in_years(texts)
    checked = plausible(found)
    n_impossible = len({text for text, wrong in zip(texts, checked.placeholder, strict=True) if wrong})
    return found if n_impossible > max(_MOST_PLACEHOLDERS, 0.1 * len(set(texts))) else checked


def plausible(ages: Amounts) -> Amounts:
    """Return ages without those below 0 or above 120 years, which are placeholders ('999Y', -1) and have no value."""
    impossible = (ages.low < 0) & np.isfinite(ages.low) | (ages.low > OLDEST) | (ages.high < 0)
    low, high = (np.where(impossible, np.nan, bound) for bound in (ages.low, ages.high))
    return replace(ages, low=low, high=high, placeholder=impossible)


def read_column(name: str, texts: Sequence[str | None]) -> Amounts:
    """Read a column of numbers: as ages where it holds them."""
    return read_ages(texts) if holds_ages(name, texts) else read_amounts(texts)


def _in_years(text: str) -> str:
    """Write an age as a number (or bound, or range) of years that `read_amounts` understands."""
    plain = " ".join(text.casefold().split())
    if bound_of(plain, comma=True) is not None:
        return plain.replace(",", ".") if "[" not in plain and "(" not in plain else plain
    parts = list(_PART.finditer(plain))
    if parts and not _PART.sub("", plain).strip(" ,;&"):
        # each part matched one of the alternatives, whose group holds the number
        units = [(part[group], _UNITS[group - 1][0]) for part in parts if (group := part.lastindex) is not None]
        return repr(sum(float(number.replace(",", ".")) * factor for number, factor in units))
    return _YEARS.sub("", plain).strip().replace(",", ".")
