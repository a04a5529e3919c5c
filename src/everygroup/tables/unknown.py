"""Words and codes that stand for 'not known' and are read as values: told of, never taken away unasked."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from everygroup.console import warn
from everygroup.tables.missing import Spelling, quoted

_WORDS = frozenset(
    {
        *("-1", "-9", "-99", "-999", "999", "9999", "x", "?", "??", "-", "--", "---", "–", ".", "..", "/"),
        *("unk", "unkn", "unknown", "missing", "n/a", "n.a.", "null", "undetermined", "undefined", "unspecified"),
        *("not known", "not available", "not recorded", "not reported", "not specified", "not stated", "not given"),
        *("undisclosed", "declined", "declined to answer", "patient declined", "prefer not to say", "refused"),
        *("unbekannt", "nicht bekannt", "unbek.", "k.a.", "k. a.", "k.a", "keine angabe", "keine angaben"),
        *("ohne angabe", "o.a.", "nicht angegeben", "nicht erfasst", "nicht dokumentiert", "fehlt", "fehlend"),
        *("inconnu", "inconnue", "non renseigné", "non précisé", "nsp", "desconocido", "desconocida", "no consta"),
        *("desconhecido", "sconosciuto", "sconosciuta", "non noto", "onbekend", "okänd", "ukjent", "ukendt"),
        *("nieznany", "nieznane", "neznámý", "neznámé", "ismeretlen", "bilinmiyor"),
    }
)


def unknown_words(counts: Mapping[str, int], values: Collection[str] = ()) -> dict[str, int]:
    """Return those of a column's values, with their rows, that look like 'not known'; `values` are known to be some."""
    return {word: n for word, n in counts.items() if n and word.strip().casefold() in _WORDS and word not in values}


def in_words(column: str, word: str, n: int) -> str:
    """Return one sentence about such a word, with the option that makes it missing."""
    return (
        f"{column!r} is {word!r} in {n} rows, which looks like a code for 'not known' and is taken for a value; "
        f"--missing {quoted(word)} makes it missing."
    )


def tell_unknown(table: pd.DataFrame) -> None:
    """Warn of such words in all columns of a table, texts or categories with '' where missing."""
    for column in table.columns:
        counts = table[column].astype(object).value_counts()
        for word, n in unknown_words({str(value): int(n) for value, n in counts.items()}).items():
            warn(in_words(str(column), word, n))


_CODES = (-9999.0, -999.0, -99.0, -9.0, -1.0, 99.0, 999.0, 9999.0, 99999.0)
_FAR = 3.0
"""A code is told of where it lies so many times further out than every other number."""


def tell_unknown_numbers(file: str, table: pd.DataFrame) -> None:
    """Warn of numbers such as -999 that lie far from all others of their column, and are counted as measured."""
    for column in table.columns:
        numbers = table[column].to_numpy(float)
        numbers = numbers[np.isfinite(numbers)]
        for code in _CODES:
            others = numbers[numbers != code]
            if others.size in (0, numbers.size):
                continue
            below = code < 0 <= others.min() or (code < 0 and code < _FAR * others.min())
            if below or code > _FAR * max(others.max(), 1.0) > 0:
                n = numbers.size - others.size
                warn(
                    f"{file}: {str(column)!r} is {code:g} in {n} rows, which looks like a code for 'not known' and is "
                    f"counted as a number; --missing {code:g} makes it missing."
                )


def tell_one_for_many(file: str, column: str, patients: pd.Series, spelling: Spelling) -> None:
    """Warn of words such as 'unknown' among patients that hold many rows, which then count as one patient."""
    counts = patients.astype(str).value_counts()
    counts = counts[counts.index.str.strip() != ""]
    words = {str(w) for w in counts.index if spelling.reads_missing(str(w))}
    words |= set(unknown_words({str(w): int(n) for w, n in counts.items()}))
    for word in sorted(words):
        n = int(counts[word])
        if n > _FAR * float(counts.median()):
            warn(
                f"{file}: {column!r} is {word!r} in {n} rows, which count as one patient; --missing {quoted(word)} "
                "makes each of them a patient of its own."
            )
