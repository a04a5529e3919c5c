"""Values that cannot be, or hardly: ages of 0 and 150, placeholders, spikes, codes for 'not known'."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from everygroup.cohort.cohort import Cohort
from everygroup.cohort.groups import as_category
from everygroup.tables.ages import holds_ages, in_years
from everygroup.tables.unknown import in_words, unknown_words

_SEX_NAME = re.compile(r"(^|[^a-z])(sex|gender)([^a-z]|$)", re.IGNORECASE)
MAX_AGE = 110
# A spike: this many people at one value, this many times its neighbours, and this unlikely if it were like them.
_LEAST, _TIMES, _LEVEL = 5, 3.0, 0.001
_DISTINCT = 12  # columns with fewer values are categories, where neighbours say nothing
_COLUMNS = ["attribute", "what", "values", "n", "n_units", "expected"]
_BAND, _HEAD = 10, 200


def implausible(cohort: Cohort) -> tuple[pd.DataFrame, list[str]]:
    """Find implausible values of the sensitive attributes and of every column of ages.

    Returns
    -------
    table : DataFrame
        attribute, what, values, n (images), n_units (patients or lesions), expected (what the neighbouring values
        suggest, in patients; NaN where the value itself is impossible).
    warnings : list of str
    """
    rows: list[tuple] = []
    found = unknown_values(cohort)
    for attribute, codes in _unknown(cohort).items():
        texts = pd.Series([as_category(v) for v in cohort.table[attribute]], dtype=object)
        for code, n in codes.items():
            rows.append((attribute, "code", code, n, _units(cohort, (texts == code).to_numpy()), np.nan))
    for column in age_columns(cohort):
        _ages(cohort, column, rows, found)
    return pd.DataFrame(rows, columns=_COLUMNS), found


def unknown_values(cohort: Cohort) -> list[str]:
    """Return a warning for each value of the label and the sensitive attributes that looks like 'not known'."""
    return [in_words(column, word, n) for column, words in _unknown(cohort).items() for word, n in words.items()]


def _unknown(cohort: Cohort) -> dict[str, dict[str, int]]:
    found = {}
    for column in dict.fromkeys(c for c in (*cohort.sensitive, *cohort.label_columns) if c in cohort.table):
        counts = pd.Series([as_category(v) for v in cohort.table[column]], dtype=object).value_counts()
        binning = cohort.rule.bins.get(column)
        found[column] = unknown_words({str(w): int(n) for w, n in counts.items()}, binning.members if binning else ())
    return found


def age_columns(cohort: Cohort) -> list[str]:
    """Return the columns that hold ages."""
    names = [str(c) for c in cohort.table.columns if str(c) not in cohort.label_columns]
    return [c for c in names if holds_ages(c, [as_category(v) for v in cohort.table[c].head(_HEAD)])]


def age_by_sex(cohort: Cohort) -> pd.DataFrame:
    """Count patients (or lesions) by ten-year age band and sex: band, sex, n; a patient with two ages counts twice.

    Empty where no column of ages in years is found. The sex is 'missing' where it is, and 'all' without such a column.
    """
    empty = pd.DataFrame(columns=["band", "sex", "n"])
    ages = next(iter(age_columns(cohort)), None)
    if ages is None:
        return empty
    years = pd.Series(in_years([as_category(v) for v in cohort.table[ages]]).exact)
    if years.notna().sum() < 2 or years.nunique() < 5:
        return empty
    named = [str(c) for c in cohort.table.columns if _SEX_NAME.search(str(c)) and str(c) not in cohort.label_columns]
    sexes = [as_category(v) or "missing" for v in cohort.table[named[0]]] if named else ["all"] * len(cohort)
    people = pd.DataFrame({"unit": cohort.units, "age": years, "sex": sexes}).dropna()
    people = people[(people["age"] >= 0) & (people["age"] <= MAX_AGE)].drop_duplicates()
    people["from"] = (people["age"] // _BAND * _BAND).astype(int)
    counts = people.groupby(["from", "sex"]).size().rename("n").reset_index()
    counts.insert(0, "band", [f"{a}-{a + _BAND - 1}" for a in counts["from"]])
    return counts[["band", "sex", "n"]]


def _ages(cohort: Cohort, column: str, rows: list[tuple], found: list[str]) -> None:
    texts = [as_category(v) for v in cohort.table[column]]
    ages = in_years(texts)
    if 2 * np.isnan(ages.exact).sum() >= len(texts) + sum(t is None for t in texts):
        return  # where ranges such as '40-49' prevail they are categories
    if ages.unreadable.any():
        words = ", ".join(dict.fromkeys(str(texts[i]) for i in np.flatnonzero(ages.unreadable)[:5]))
        n = int(ages.unreadable.sum())
        rows.append((column, "no number", words, n, _units(cohort, ages.unreadable), np.nan))
        found.append(f"{column!r} is no number in {n} rows: {words}.")
    years = ages.exact
    for what, wrong in (("0 or less", years <= 0), (f"above {MAX_AGE}", years > MAX_AGE)):
        if wrong.any():
            values = ", ".join(f"{v:g}" for v in np.unique(years[wrong])[:5])
            rows.append((column, what, values, int(wrong.sum()), _units(cohort, wrong), np.nan))
            found.append(f"{column!r} is {what} in {int(wrong.sum())} rows: implausible or a placeholder.")
    ones, twos = int((years == 1).sum()), int((years == 2).sum())
    if ones >= _LEAST and ones > _TIMES * twos:
        rows.append((column, "placeholder", "1", ones, _units(cohort, years == 1), float(twos)))
        found.append(f"{column!r} is 1 in {ones} rows but 2 in {twos}: 1 is probably a placeholder.")
    people = pd.DataFrame({"unit": cohort.units, "age": years}).dropna().drop_duplicates()
    for value, expected in spikes(people["age"].to_numpy()):
        if value <= 1 or value > MAX_AGE:  # told above
            continue
        here = years == value
        n, units = int(here.sum()), _units(cohort, here)
        rows.append((column, "spike", f"{value:g}", n, units, expected))
        why = "perhaps ages above it are written so" if value == people["age"].max() else "perhaps a placeholder"
        found.append(
            f"{column!r} is {value:g} for {units} patients or lesions ({n} rows), where its neighbours suggest "
            f"{expected:.1f}: {why}."
        )


def spikes(values: np.ndarray) -> list[tuple[float, float]]:
    """Find values that occur far more often than their neighbours on the values' own grid suggest.

    The two grid points on either side (within the range of the values) give the expected count. A spike has at least
    5 and over 3 times as many, and a Poisson probability below 0.001 over the number of distinct values.

    Parameters
    ----------
    values : (n,) one value per person, without NaN.

    Returns
    -------
    list of (value, expected count)
    """
    from scipy.stats import poisson

    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) < _DISTINCT:
        return []
    step = float(np.gcd.reduce(np.diff(distinct).astype(int))) if (distinct % 1 == 0).all() else 0.0
    if step <= 0:
        return []
    at = dict(zip(distinct.tolist(), counts.tolist(), strict=True))
    found = []
    for value, n in at.items():
        near = [value + k * step for k in (-2, -1, 1, 2)]
        expected = float(np.mean([at.get(v, 0) for v in near if distinct[0] <= v <= distinct[-1]]))
        # Half a person more: where the neighbours are empty, a few at one value are no spike yet.
        if n >= _LEAST and n > _TIMES * expected and poisson.sf(n - 1, expected + 0.5) < _LEVEL / len(distinct):
            found.append((value, expected))
    return found


def _units(cohort: Cohort, rows: np.ndarray) -> int:
    return len(set(cohort.units[rows].tolist()))
