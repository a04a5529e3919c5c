"""What reads as missing and which spellings mean one thing: decided once, where a table is read, and said."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from everygroup.console import say, warn
from everygroup.errors import SettingsError
from everygroup.tables.numbers import looks_numeric
from everygroup.tables.problems import Problems

# Software's own words for an empty cell, which nothing else is called.
EMPTY_WORDS = frozenset({"nan", "-nan", "<na>", "#n/a", "#n/a n/a", "#na", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"})
# Words that may as well be a value: a country, an ancestry, a grade.
MISSING_WORDS = frozenset({"none", "null", "na", "n/a", "unknown", "missing"})
_MAYBE_VALUES = frozenset({"none", "null", "na"})
_SHOWN = 6
_Cells = tuple[str, str, int, int]  # column, word, how many cells of how many


@dataclass(frozen=True)
class Spelling:
    """How the words of a table are understood. Behind the door that applies it, only None, NaN and '' are missing.

    Attributes
    ----------
    missing : words that count as missing besides the usual ones, in any case.
    kept : words that are values, although they usually count as missing.
    maps : by column, the value that each spelling stands for; '' makes it missing.
    decimal : the decimal mark, "." or ","; "" to find it by the column and the file.
    """

    missing: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    decimal: str = ""

    def __post_init__(self) -> None:
        if self.decimal not in ("", ".", ","):
            raise SettingsError(f"The decimal mark {self.decimal!r} is neither . nor ,", fix="write --decimal ,")

    @classmethod
    def make(
        cls,
        missing: str | Iterable[str] | None = None,
        not_missing: str | Iterable[str] | None = None,
        map: Iterable[str] | Mapping[str, Mapping[str, str]] | None = None,
        decimal: str | None = None,
    ) -> Self:
        """Read what a user writes: 'unknown,-', 'NA', and maps such as 'sex:m,male,männlich=male'.

        Raises
        ------
        SettingsError
            For a map that cannot be read, or a word that is both missing and not.
        """
        added, kept = _words(missing), _words(not_missing)
        if both := sorted(added & kept):
            raise SettingsError(f"{both[0]!r} is to be missing and not missing.", fix="name it with one of the options")
        maps = {c: dict(m) for c, m in map.items()} if isinstance(map, Mapping) else _read_maps(map or ())
        return cls(added, kept, maps, decimal or "")

    def as_written(self) -> Self:
        """Return the same for a file of our own, in which what is missing is empty and words are values."""
        return replace(self, kept=(EMPTY_WORDS | MISSING_WORDS | self.kept) - self.missing)

    @cached_property
    def words(self) -> frozenset[str]:
        """All words that count as missing, in small letters."""
        return (EMPTY_WORDS | MISSING_WORDS | self.missing) - self.kept

    def reads_missing(self, text: str) -> bool:
        """Whether a cell counts as missing: it is empty, or holds such a word."""
        text = text.strip()
        return not text or text.casefold() in self.words

    def column(self, name: str, values: pd.Series, told: Told, *, known: Collection[str] = ()) -> pd.Series:
        """Return a column of texts in which what counts as missing is '' and maps are applied.

        Parameters
        ----------
        name, values : the column, categories or texts.
        told : gathers what was found, to be said.
        known : texts that are values here whatever they read like, such as members of a category set.
        """
        return self._changed(name, values, told, set(known), self.words)

    def label(self, name: str, values: pd.Series, told: Told) -> pd.Series:
        """Return a column of labels: only software's empty words and those the user names are missing.

        Words such as 'None' stay, for `settle_labels`.
        """
        return self._changed(name, values, told, set(), (EMPTY_WORDS | self.missing) - self.kept)

    def id(self, name: str, values: pd.Series, told: Told) -> pd.Series:
        """Return a column of ids or patients: never missing by spelling, unless the user names the word."""
        return self._changed(name, values, told, set(), self.missing, identifier=True)

    def _changed(
        self,
        name: str,
        values: pd.Series,
        told: Told,
        known: set[str],
        words: frozenset[str],
        identifier: bool = False,
    ) -> pd.Series:
        mapping = self.maps.get(name, {})
        if identifier and not words and not mapping:
            return values
        codes, distinct = pd.factorize(values.astype(object))
        texts = ["" if v is None or v != v else str(v) for v in distinct]
        plain = texts if identifier else [stripped(unicodedata.normalize("NFC", t)) for t in texts]
        counts = np.bincount(codes[codes >= 0], minlength=len(texts))
        new: list[str] = []
        read: dict[str, int] = {}
        for text, n in zip(plain, counts.tolist(), strict=True):
            if text in mapping:
                new.append(mapping[text])
            elif text and text not in known and text.casefold() in words:
                read[text] = read.get(text, 0) + n
                new.append("")
            else:
                new.append(text)
        if read:
            numeric = looks_numeric([t for t in new if t][:1000])
            told.add(name, read, len(values), sure=numeric)
        if mapping:
            told.unused_maps(name, sorted(set(mapping) - set(plain)))
        if new == texts and not (codes < 0).any():
            return values
        return _recoded(values, codes, new)


def stripped(text: str) -> str:
    """Return a text without what cannot be seen at its ends: blanks, and marks such as a zero-width space."""
    text = text.strip()
    while text and unicodedata.category(text[0]) == "Cf":
        text = text[1:].lstrip()
    while text and unicodedata.category(text[-1]) == "Cf":
        text = text[:-1].rstrip()
    return text


def _recoded(values: pd.Series, codes: np.ndarray, new: list[str]) -> pd.Series:
    names = sorted({*new, ""} if (codes < 0).any() else set(new))
    place = {text: i for i, text in enumerate(names)}
    at = np.array([*(place[t] for t in new), place.get("", -1)], dtype=np.int64)[codes]
    if isinstance(values.dtype, pd.CategoricalDtype):
        return pd.Series(pd.Categorical.from_codes(at, categories=pd.Index(names, dtype=str)), index=values.index)
    return pd.Series(np.asarray(names, dtype=object)[at], index=values.index, dtype=str)


@dataclass
class Told:
    """What was read as missing in one file, said once all its columns are read.

    Attributes
    ----------
    file : its name.
    """

    file: str
    _words: list[tuple[str, dict[str, int], int, bool]] = field(default_factory=list)

    def add(self, column: str, words: Mapping[str, int], n: int, *, sure: bool) -> None:
        """Note the words of a column with their counts; `sure` where they can be nothing but missing."""
        if telling := {w: k for w, k in words.items() if w.casefold() not in EMPTY_WORDS}:
            self._words.append((column, telling, n, sure))

    def unused_maps(self, column: str, values: list[str]) -> None:
        """Say which values of a map stand in no row."""
        if values:
            warn(f"{self.file}: --map names {', '.join(map(repr, values))} in {column!r}, which no row has.")

    def say(self) -> None:
        """Say what counts as missing: aloud where it may as well be a value."""
        doubtful: list[_Cells] = []
        plain: list[_Cells] = []
        for column, words, n, sure in self._words:
            for word, k in words.items():
                maybe = not sure and word.casefold() in _MAYBE_VALUES
                (doubtful if maybe else plain).append((column, word, k, n))
        for column, word, k, n in doubtful[:_SHOWN]:
            warn(
                f"{column}: {k} of {n} cells read {word!r}, which counts as missing; "
                f"--not-missing {quoted(word)} makes it a value."
            )
        if rest := doubtful[_SHOWN:]:
            warn(f"{_listed(rest)} count as missing, too; --not-missing WORD makes a word a value.")
        if plain:
            verb = "counts" if len(plain) == 1 else "count"
            say(f"{self.file}: {_listed(plain)} {verb} as missing (--not-missing WORD makes a word a value).")


def _listed(found: list[_Cells]) -> str:
    shown = "; ".join(f"{column}: {word!r} in {k} of {n} cells" for column, word, k, n in found[:_SHOWN])
    more = len(found) - _SHOWN
    return f"{shown}; and the like in {more} more" if more > 0 else shown


def settle_labels(
    table: pd.DataFrame,
    columns: Collection[str],
    classes: Iterable[str],
    spelling: Spelling,
    problems: Problems,
) -> None:
    """Decide whether a word such as 'None' in a label or an answer is a class; what cannot be decided is a problem.

    It is a class where labels and answers both hold it, or where it is among the classes that are given or that the
    scores are named by.

    Parameters
    ----------
    table : holds the columns, as `Spelling.label` left them.
    columns : the labels and the answers.
    classes : names of classes known from elsewhere.
    """
    settled = {str(c) for c in classes}
    found = {c: {t: n for t, n in _counts(table[c]).items() if t and spelling.reads_missing(t)} for c in columns}
    spelt = [{word.casefold() for word in words} for words in found.values()]
    everywhere = set.intersection(*spelt) if len(spelt) > 1 else set()
    for column, words in found.items():
        for word, n in words.items():
            if word in settled:
                continue
            if word.casefold() in everywhere:
                say(f"{problems.file}: {word!r} stands among labels and answers and is taken as a class.")
                settled.add(word)
                continue
            problems.add(
                f"{n} of {len(table)} cells read {word!r}, which is a word for missing, or a class of that name",
                column=column,
                fix=f"--not-missing {quoted(word)} makes it a class, --missing {quoted(word)} a missing label",
            )


def _counts(values: pd.Series) -> dict[str, int]:
    counts = values.value_counts()
    return {str(k): int(n) for k, n in counts.items() if n}


def quoted(word: str) -> str:
    """A word as one writes it on the command line."""
    return word if word.replace("-", "").replace("_", "").replace("/", "").isalnum() else f"'{word}'"


def _words(given: str | Iterable[str] | None) -> frozenset[str]:
    parts = [given] if isinstance(given, str) else list(given or ())
    return frozenset(w.strip().casefold() for part in parts for w in part.split(",") if w.strip())


def _read_maps(texts: Iterable[str]) -> dict[str, dict[str, str]]:
    maps: dict[str, dict[str, str]] = {}
    for text in [texts] if isinstance(texts, str) else texts:
        column, colon, rule = text.partition(":")
        spellings, equals, canonical = rule.rpartition("=")
        members = [unicodedata.normalize("NFC", v.strip()) for v in spellings.split(",") if v.strip()]
        if not (column.strip() and colon and equals and members):
            raise SettingsError(f"Cannot read the map {text!r}.", fix="write it as --map sex:m,male,männlich=male")
        target = maps.setdefault(column.strip(), {})
        if twice := [m for m in members if target.get(m, canonical.strip()) != canonical.strip()]:
            raise SettingsError(
                f"{twice[0]!r} in {column.strip()!r} is mapped to two values.", fix="name every spelling once"
            )
        target.update(dict.fromkeys(members, canonical.strip()))
    return maps
