"""Words and codes that stand for 'not known' and are read as values: told of, never taken away unasked."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from everygroup.console import warn
from everygroup.tables.missing import quoted

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
