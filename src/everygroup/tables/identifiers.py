"""Columns that look like the patient, by how they behave: many values that come back a few times each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from everygroup.tables.ages import words_of
from everygroup.tables.dates import holds_dates, texts_of

_PATIENT = re.compile(
    r"patient|person|subject|subj|proband|participant|pseudonym|lesion|(?<![a-z])(?:pat|pid|mrn|emr|ehr|nhs|ssn|unit|"
    r"cluster|case|fall|kis)(?![a-z])|fall(?:nummer|nr|id)|case(?:number|no|id)|pat(?:nr|nummer|id)|medical ?record"
)
_NUMBER = re.compile(r"(?:^|[ _.-])(?:id|nr|no|num|number|key|uid)$|nummer$|number$|(?<=[a-z])(?:ID|Id|Nr|No)$")
_NO_PATIENT = re.compile(
    r"(?<![a-z])(?:age|alter|date|datum|time|zeit|year|jahr|width|height|rows?|columns?|size|score|prob\w*|logit|weight|"
    r"gewicht|bmi|dose|kvp|mas|slices?|frames?|zip|plz|postal|postcode|path|file\w*|url|device|scanner|model|station|"
    r"radiolog\w*|reader|physician|doctor|arzt|operator|icd\w*|diagnos\w*)(?![a-z])"
)
_STABLE = re.compile(
    r"(?<![a-z])(?:sex|gender|geschlecht|race|ethnic\w*|ancestry|skin ?type|fitzpatrick|dob|birth\w*|geb\w*)(?![a-z])"
)
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_LEAST_VALUES, _MOST_ROWS = 8, 200
_ENOUGH = 3


@dataclass(frozen=True)
class PatientColumn:
    """A column that looks like the patient (or lesion, or case).

    Attributes
    ----------
    name : its name.
    n_values, n_rows : different values, and rows that have one.
    """

    name: str
    n_values: int
    n_rows: int

    def __str__(self) -> str:
        return (
            f"the column {self.name!r} looks like the patient ({self.n_values:,} values in {self.n_rows:,} rows) "
            "but is not used"
        )


def patient_column(table: pd.DataFrame, taken: Collection[str] = ()) -> PatientColumn | None:
    """Find the column that looks like the patient; None where there is none that comes back.

    It has many different values, most of which come back a few times; it holds no dates and no numbers with fractions.
    What else speaks for it: other columns (sex, birth) agree within its values, its name, its values are codes of one
    form. None of these is needed alone.

    Parameters
    ----------
    table : DataFrame
        The rows; every column may be text.
    taken : collection of str
        Columns that are something else: label, answer, scores, split, sensitive attributes that are named.
    """
    found = []
    few = None
    for name in (str(c) for c in table.columns if str(c) not in taken):
        codes, distinct = pd.factorize(table[name].replace("", None))
        if not _comes_back(name, codes, distinct):
            continue
        if few is None:
            few = _few_valued(table)
        named, attributes = _by_name(name), _by_attributes(name, codes, few)
        # a column called patient is one even where its entries of sex are at odds
        score = named + _by_form(distinct) + _evenly(codes) + (max(0, attributes) if named > 1 else attributes)
        if score >= _ENOUGH:
            found.append((score, -len(distinct), PatientColumn(name, len(distinct), int((codes >= 0).sum()))))
    return max(found, key=lambda f: f[:2])[2] if found else None


def stable_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns whose values do not change in a patient's life, by their names: sex, birth, ethnicity."""
    return [str(c) for c in table.columns if _STABLE.search(_plain(str(c)))]


def changing(table: pd.DataFrame, units: np.ndarray, columns: Collection[str]) -> list[str]:
    """Say which columns have more than one value for one patient, in how many patients.

    Parameters
    ----------
    table : DataFrame, n rows.
    units : (n,) patient of each row.
    columns : such as `stable_columns` returns; what is missing does not count as a change.
    """
    found = []
    patients = pd.factorize(np.asarray(units))[0]
    for column in columns:
        codes, distinct = pd.factorize(table[column].replace("", None))
        known = codes >= 0
        pairs = pd.DataFrame({"unit": patients[known], "value": codes[known]}).drop_duplicates()
        per_unit = pairs.groupby("unit")["value"].size()
        if not (per_unit > 1).any():
            continue
        first = int(per_unit.index[per_unit > 1][0])
        values = ", ".join(sorted(str(distinct[int(v)]) for v in pairs.loc[pairs["unit"] == first, "value"]))
        name = str(np.asarray(units)[patients == first][0])
        found.append(
            f"{int((per_unit > 1).sum())} of {int(per_unit.size)} patients have more than one value of {column!r}, "
            f"which should not change (the first: {name} with {values}): wrong entries, or two people under one number."
        )
    return found


def twins(names: Iterable[str], column: str) -> list[str]:
    """Return a warning where names of patients differ only in case or leading zeros: P07 and p7, 007 and 7."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_ZEROS.sub("", unicodedata.normalize("NFKC", name).casefold()), []).append(name)
    several = [spelled for spelled in alike.values() if len(spelled) > 1]
    if not several:
        return []
    first = " and ".join(repr(name) for name in several[0][:3])
    return [
        f"{sum(map(len, several))} values of {column!r} differ from another only in case or leading zeros (the first: "
        f"{first}); they count as different patients. If they are one, write them alike."
    ]


def _plain(name: str) -> str:
    parted = re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])", " ", name)
    return re.sub(r"[\s_.\-]+", " ", parted).strip().casefold()


def _comes_back(name: str, codes: np.ndarray, distinct: pd.Index) -> bool:
    """Whether a column has many values of which enough come back, and is neither dates nor fractions."""
    n = int((codes >= 0).sum())
    if len(distinct) < _LEAST_VALUES or len(distinct) == n or n < 0.5 * len(codes):
        return False
    if not _PATIENT.search(_plain(name)):
        counts = np.bincount(codes[codes >= 0])
        repeated = counts[counts > 1].sum() / n
        if len(distinct) < 0.02 * n or counts.max() > max(_MOST_ROWS, 0.1 * n) or repeated < 0.05:
            return False
    return not _has_fractions(distinct) and not holds_dates(texts_of(pd.Series(distinct[:200])))


def _has_fractions(distinct: pd.Index) -> bool:
    numbers = pd.to_numeric(pd.Series(distinct[:1000]).astype(str).str.replace(",", "."), errors="coerce")
    return bool(((numbers % 1) != 0)[numbers.notna()].any())


def _by_name(name: str) -> int:
    plain = _plain(name)
    if _NO_PATIENT.search(plain) or words_of(name) & {"image", "img", "picture", "bild", "study", "series"}:
        return -2
    return 2 if _PATIENT.search(plain) else 1 if _NUMBER.search(name) or _NUMBER.search(plain) else 0


def _by_form(distinct: pd.Index) -> int:
    """2 for codes of letters and digits, or long numbers of one length: nothing measured looks so."""
    texts = pd.Series(distinct[:1000]).astype(str)
    letters = texts.str.fullmatch(r"(?=.*\d)(?=.*[A-Za-z])[\w-]+").mean()
    length = texts.str.len()
    numbers = texts.str.fullmatch(r"\d{5,}").mean()
    return 2 if letters > 0.95 or (numbers > 0.95 and length.nunique() <= 2) else 0


def _evenly(codes: np.ndarray) -> int:
    """1 where most values come back a few times, none very often."""
    counts = np.bincount(codes[codes >= 0])
    return int(np.median(counts) <= 20 and counts.max() <= 20 * max(1.0, float(np.median(counts))))


def _few_valued(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Columns with 2 to 12 values, as codes."""
    coded = {str(c): pd.factorize(table[c].replace("", None)) for c in table.columns}
    return {name: codes for name, (codes, distinct) in coded.items() if 2 <= len(distinct) <= 12}


def _by_attributes(name: str, codes: np.ndarray, few: dict[str, np.ndarray]) -> int:
    """2 where sex and the like agree within the values, or two other columns do; -2 where sex and the like do not."""
    shares = {other: _agreement(codes, values) for other, values in few.items() if other != name}
    stable = [share for other, share in shares.items() if share is not None and _STABLE.search(_plain(other))]
    if stable:
        return 2 if min(stable) >= 0.9 else -2
    return 2 if sum(share is not None and share >= 0.98 for share in shares.values()) >= 2 else 0


def _agreement(codes: np.ndarray, values: np.ndarray) -> float | None:
    """How often a row has the value of the first row of its code; None where that says nothing."""
    both = (codes >= 0) & (values >= 0)
    pairs = pd.DataFrame({"code": codes[both], "value": values[both]})
    later = pairs["code"].duplicated()
    by_chance = float((pairs["value"].value_counts(normalize=True) ** 2).sum())
    if int(later.sum()) < 20 or by_chance > 0.9:
        return None
    first = pairs.groupby("code")["value"].transform("first")
    return float((pairs["value"] == first)[later].mean())
