"""Values that are probably one value in several spellings: F and f, m and male, 1 and yes, II and 2."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from everygroup.console import warn

_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "sex": {
        "female": (
            *("f", "w", "female", "females", "woman", "women", "girl", "weiblich", "frau", "femme", "feminin"),
            *(
                "féminin",
                "femenino",
                "feminino",
                "mujer",
                "donna",
                "femmina",
                "femminile",
                "vrouw",
                "kvinna",
                "kobieta",
            ),
        ),
        "male": (
            *("m", "male", "males", "man", "men", "boy", "männlich", "maennlich", "mann", "homme", "masculin"),
            *("masculino", "hombre", "uomo", "maschio", "maschile", "mężczyzna", "herr"),
        ),
    },
    "truth": {
        "yes": (
            *("1", "yes", "y", "true", "t", "ja", "j", "wahr", "oui", "vrai", "si", "sí", "sì", "sim", "verdadero"),
            *("positive", "positiv", "pos", "+", "present"),
        ),
        "no": (
            *("0", "no", "n", "false", "nein", "falsch", "non", "faux", "não", "nao", "falso", "nee"),
            *("negative", "negativ", "neg", "absent"),
        ),
    },
    "roman": {str(k): (str(k), roman) for k, roman in enumerate(("i", "ii", "iii", "iv", "v", "vi"), 1)},
}
_MEANING = {kind: {word: name for name, words in names.items() for word in words} for kind, names in _WORDS.items()}
_BARE = re.compile(r"[\w:,=+-]+")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


@dataclass(frozen=True)
class Coding:
    """Spellings that are probably one value.

    Attributes
    ----------
    name : what they are best called: the word where there is one, else the most frequent spelling.
    counts : rows by spelling, the most frequent first.
    """

    name: str
    counts: Mapping[str, int]

    def __str__(self) -> str:
        parts = [f"{value!r} ({n})" for value, n in self.counts.items()]
        return f"{', '.join(parts[:-1])} and {parts[-1]}"

    def map_option(self, column: str) -> str:
        """Return the option that makes one value of them, ready to paste."""
        rule = f"{column}:{','.join(self.counts)}={self.name}"
        return f"--map {rule if _BARE.fullmatch(rule) else repr(rule)}"


def codings(counts: Mapping[str, int]) -> list[Coding]:
    """Find values of one column that look like one value in several spellings.

    Values are one where they differ only in case, blanks, hyphens, Unicode form or as numbers do (1, 1.0, 01), where
    they mean one sex, where every value of the column means yes or no, and where Roman stand beside Arabic numerals
    from 1 to 6.

    Parameters
    ----------
    counts : rows by value.

    Returns
    -------
    list of Coding
        In the order of the most frequent values.
    """
    forms = {value: _form(value) for value in counts}
    kind = _kind(set(forms.values()))
    meaning = _MEANING.get(kind, {})
    alike: dict[str, dict[str, int]] = {}
    for value in sorted(counts, key=lambda v: -counts[v]):
        form = forms[value]
        alike.setdefault(f"={meaning[form]}" if form in meaning else form, {})[value] = counts[value]
    return [Coding(_name(key, kind, values), values) for key, values in alike.items() if len(values) > 1 and key]


def in_words(column: str, found: list[Coding]) -> str:
    """Return one sentence about the codings of a column, with the options that make one value of each."""
    options = " ".join(coding.map_option(column) for coding in found)
    return f"{column}: {'; '.join(map(str, found))} look like one value in several spellings; {options} makes it one."


def tell_codings(table: pd.DataFrame) -> None:
    """Warn of the codings of all columns of a table, texts or categories with '' where missing."""
    for column in table.columns:
        counts = table[column].astype(object).value_counts()
        if found := codings({str(value): int(n) for value, n in counts.items() if n and str(value).strip()}):
            warn(in_words(str(column), found))
        if beside := digits_beside_sex({str(v): int(n) for v, n in counts.items() if n}):
            warn(
                f"{column}: {beside} stand beside words for sex and are groups of their own; where they are codes of "
                f"the same, --map {column}:1=male (or what it means) makes one of both."
            )


def digits_beside_sex(counts: Mapping[str, int]) -> str:
    """Name the digits, with their rows, that stand among words for sex: two codings, of which the key is not known."""
    forms = {value: _form(value) for value in counts}
    if not set(forms.values()) & set(_MEANING["sex"]):
        return ""
    digits = sorted(v for v, form in forms.items() if form in ("0", "1", "2"))
    return " and ".join(f"{v!r} ({counts[v]})" for v in digits)


def _form(value: str) -> str:
    """A value without what is only form: case, blanks, hyphens, composed letters, the zeros of a number."""
    text = "".join(c for c in unicodedata.normalize("NFKC", value).casefold() if unicodedata.category(c) != "Cf")
    text = re.sub(r"[\s_\-]+", " ", text).strip() if re.search(r"[^\W\d_]", text) else text.strip()
    return f"{float(text):g}" if _NUMBER.fullmatch(text) and len(text) < 15 else text


def _kind(forms: set[str]) -> str:
    """Which vocabulary a column speaks; "" for none."""
    if len(forms & set(_MEANING["sex"])) > 1:
        return "sex"
    if forms <= set(_MEANING["truth"]):
        return "truth"
    digits = {f for f in forms if f in _WORDS["roman"]}
    numerals = {f for f in forms if f in _MEANING["roman"]} - digits
    return "roman" if digits and numerals and forms == digits | numerals else ""


def _name(key: str, kind: str, values: Mapping[str, int]) -> str:
    if kind == "sex" and key.startswith("="):
        return key[1:]
    return next(iter(values))
