"""How the values of sensitive attributes become groups: binning, category sets, intersections."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from everygroup.errors import CohortError

_MOST_NUMBERS, _MOST_VALUES = 12, 50
MISSING_WORDS = frozenset({"", "nan", "none", "null", "na", "n/a", "unknown", "missing"})


def missing_column(name: str, columns: Iterable[Any], where: str = "the table") -> CohortError:
    """Build the error for a column that is not there, with the nearest names."""
    names = [str(c) for c in columns]
    listed = [part.strip() for part in name.split(",")]
    if len(listed) > 1 and set(listed) <= set(names):
        repeated = " ".join(f"--group {part}" for part in listed)
        return CohortError(f"No column {name!r} in {where}.", fix=f"repeat the option for each column: {repeated}")
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return CohortError(f"No column {name!r} in {where}.", fix=f"{hint}The columns are: {', '.join(names)}")


def near_column(name: str, columns: Iterable[Any]) -> str | None:
    """Return the column that was probably meant: the same letters in another case, or nearly the same."""
    names = {str(c).strip().lower(): str(c) for c in columns}
    near = difflib.get_close_matches(name.strip().lower(), names, n=1, cutoff=0.8)
    return names[near[0]] if near else None


def natural_key(text: str) -> tuple:
    """Sort key that puts '2' before '10' and '<=55' before '>55'."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text))


def as_category(value: Any) -> str | None:
    """Return an attribute value as text ('3', not '3.0'), or None where it is missing."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    text = str(value).strip()
    if text.lower() in MISSING_WORDS:
        return None
    if re.fullmatch(r"-?\d+\.0+", text):  # '3.0' in a text column is the category 3
        text = text.split(".")[0]
    return text


@dataclass(frozen=True)
class Binning:
    """A rule for one attribute: numeric cuts, or named sets of categories.

    Cuts c1 < c2 < ... give `<=c1`, `(c1,c2]`, ..., `>c_last`: a value equal to a cut falls below it.
    """

    cuts: tuple[float, ...] = ()
    sets: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def parse(cls, attribute: str, spec: Any) -> Binning:
        """Read '55', '40,60', [40, 60] or 'light:1,2,3|dark:4,5,6' (names optional).

        Raises
        ------
        CohortError
            If the rule is neither increasing numbers nor disjoint sets of categories.
        """
        if isinstance(spec, Binning):
            return spec
        if isinstance(spec, Mapping):
            return cls._from_sets(attribute, [(str(k), [str(v) for v in values]) for k, values in spec.items()])
        if isinstance(spec, str) and "|" in spec:
            named: list[tuple[str, list[str]]] = []
            for part in spec.split("|"):
                name, colon, values = part.rpartition(":")
                members = [v.strip() for v in values.split(",") if v.strip()]
                named.append((name.strip() if colon else ",".join(members), members))
            return cls._from_sets(attribute, named)
        numbers = spec.split(",") if isinstance(spec, str) else spec if isinstance(spec, Sequence) else [spec]
        try:
            cuts = tuple(float(n) for n in numbers)
        except (TypeError, ValueError):
            cuts = ()
        if not cuts or any(not math.isfinite(c) for c in cuts) or any(a >= b for a, b in pairwise(cuts)):
            raise CohortError(
                f"Cannot read the bins {spec!r} of {attribute!r}.",
                fix="write increasing cuts (age=40,60) or category sets ('skin_type=light:1,2,3|dark:4,5,6')",
            )
        return cls(cuts=cuts)

    @classmethod
    def _from_sets(cls, attribute: str, named: list[tuple[str, list[str]]]) -> Binning:
        # The same reading as the cells' own: 3.0 in a rule is the category '3'.
        named = [(name, [as_category(v) or v for v in values]) for name, values in named]
        members = [v for _, values in named for v in values]
        names = [name for name, _ in named]
        if lost := [v for v in members if as_category(v) is None]:
            raise CohortError(
                f"The category sets of {attribute!r} name {lost[0]!r}, which counts as missing.",
                fix="leave it out; samples without a known value stay apart from the groups",
            )
        if len(members) != len(set(members)) or len(names) != len(set(names)) or not all(values for _, values in named):
            raise CohortError(
                f"The category sets of {attribute!r} are empty or overlap.",
                fix="name every category once, as in 'skin_type=light:1,2,3|dark:4,5,6'",
            )
        return cls(sets=tuple((name, tuple(values)) for name, values in named))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bins, in order."""
        if self.sets:
            return tuple(name for name, _ in self.sets)
        c = [str(int(cut)) if cut.is_integer() and abs(cut) < 1e15 else repr(cut) for cut in self.cuts]
        return (f"<={c[0]}", *(f"({a},{b}]" for a, b in pairwise(c)), f">{c[-1]}")

    def apply(self, attribute: str, values: pd.Series) -> list[str | None]:
        """Return the bin of each value, None where it is missing or in none of the category sets."""
        texts = [as_category(v) for v in values]
        if self.sets:
            home = {member: name for name, members in self.sets for member in members}
            return [home.get(t) if t is not None else None for t in texts]
        numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce")
        for row, (text, number) in enumerate(zip(texts, numbers, strict=True)):
            if text is not None and math.isnan(number):
                raise CohortError(
                    f"Row {row + 2}: {text!r} in column {attribute!r} is no number, but the column is to be cut.",
                    fix=f"leave the cell empty, or use category sets: --bins '{attribute}=name:a,b|name:c'",
                )
        index = np.searchsorted(np.asarray(self.cuts), numbers.to_numpy(float), side="left")
        return [self.names[i] if t is not None else None for i, t in zip(index, texts, strict=True)]


@dataclass(frozen=True)
class GroupRule:
    """How one or several sensitive attributes become groups.

    Attributes
    ----------
    attributes : tuple of str
        Columns; several give intersections such as 'female & >55'.
    bins : mapping of str to Binning
        Rules for the attributes that are binned; the others are taken as categories.
    """

    attributes: tuple[str, ...]
    bins: Mapping[str, Binning] = field(default_factory=dict)

    @classmethod
    def make(cls, attributes: Sequence[str] | str, bins: Mapping[str, Any] | None = None) -> GroupRule:
        """Build a rule from column names and bin specifications as a user writes them.

        Raises
        ------
        CohortError
            For a bin specification that cannot be read, one for a column that is not grouped by, or a column that is
            named twice.
        """
        names = (attributes,) if isinstance(attributes, str) else tuple(attributes)
        if twice := [a for a in names if names.count(a) > 1]:
            raise CohortError(f"Groups are to be made by {twice[0]!r} twice.", fix="name each column once")
        if stray := [a for a in bins or {} if a not in names]:
            raise CohortError(
                f"Bins are given for {stray[0]!r}, but groups are made by {', '.join(names)}.",
                fix=f"add --group {stray[0]}, or correct the name in --bins",
            )
        return cls(names, {a: Binning.parse(a, spec) for a, spec in (bins or {}).items()})

    @property
    def name(self) -> str:
        """Name of the grouping, such as 'age' or 'sex & age'."""
        return " & ".join(self.attributes)

    def values(self, table: pd.DataFrame, attribute: str) -> list[str | None]:
        """Return the (binned) category of every row for one attribute, None where it is missing."""
        if attribute not in table.columns:
            raise missing_column(attribute, table.columns)
        if attribute in self.bins:
            return self.bins[attribute].apply(attribute, table[attribute])
        return [as_category(v) for v in table[attribute]]

    def refuse_numbers(self, table: pd.DataFrame) -> None:
        """Refuse an attribute whose values would each be a group of its own: bins were forgotten.

        Raises
        ------
        CohortError
            For an attribute without bins of more than 12 different numbers, or of more than 50 different values.
        """
        for attribute in [a for a in self.attributes if a not in self.bins]:
            texts = pd.Series([v for v in self.values(table, attribute) if v is not None], dtype=object)
            numbers = pd.to_numeric(texts, errors="coerce").dropna()
            n = texts.nunique()
            if n <= _MOST_NUMBERS or (len(numbers) <= len(texts) / 2 and n <= _MOST_VALUES):
                continue
            cuts = [f"{c:.4g}" for c in numbers.quantile([1 / 3, 2 / 3])] if len(numbers) > len(texts) / 2 else []
            rule = f"{attribute}={','.join(dict.fromkeys(cuts))}" if cuts else f"'{attribute}=one:a,b|other:c,d'"
            raise CohortError(
                f"{attribute} has {n:,} different values, each a group of its own.",
                fix=f"make groups of them, for example --bins {rule}, or choose another --group",
            )

    def assign(self, table: pd.DataFrame, groups: Sequence[str] | None = None) -> tuple[tuple[str, ...], np.ndarray]:
        """Return the groups' names and each row's index into them, -1 where any attribute is missing.

        Parameters
        ----------
        table : DataFrame
            Holds the attribute columns.
        groups : sequence of str, optional
            Names fixed earlier (at training); a value outside them is unknown and gets -1, like a missing one.

        Raises
        ------
        CohortError
            If a column is lacking, or two intersections would have the same name.
        """
        columns = [self.values(table, a) for a in self.attributes]
        joined = [None if any(v is None for v in row) else " & ".join(row) for row in zip(*columns, strict=True)]  # type: ignore[arg-type]
        if groups is None:
            present = {row for row in zip(*columns, strict=True) if None not in row}
            groups = [" & ".join(row) for row in sorted(present, key=self._order)]  # type: ignore[arg-type]
            if twice := [name for name in groups if groups.count(name) > 1]:
                raise CohortError(
                    f"Different values of {self.name} make one name, {twice[0]!r}.",
                    fix="write the values without ' & ', or give them other names with --bins",
                )
        position = {name: i for i, name in enumerate(groups)}
        return tuple(groups), np.array([position.get(j, -1) if j is not None else -1 for j in joined], dtype=np.int64)

    def _order(self, row: tuple[str, ...]) -> list[tuple]:
        """Sort key of a group: bins in their own order, categories in natural order."""
        return [
            (self.bins[a].names.index(v),) if a in self.bins else natural_key(v)
            for a, v in zip(self.attributes, row, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as JSON-able values."""
        bins = {
            a: {"cuts": list(b.cuts)} if b.cuts else {"sets": {n: list(v) for n, v in b.sets}}
            for a, b in self.bins.items()
        }
        return {"attributes": list(self.attributes), "bins": bins}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> GroupRule:
        """Rebuild a rule from `to_dict`."""
        bins = {a: b["cuts"] if "cuts" in b else b["sets"] for a, b in value["bins"].items()}
        return cls.make(value["attributes"], bins)
