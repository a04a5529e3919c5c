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
from everygroup.tables.ages import read_column
from everygroup.tables.amounts import TORN, Amounts
from everygroup.tables.dates import ages_at_visit, holds_dates, texts_of

_MOST_NUMBERS, _MOST_VALUES = 12, 50


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
    """Return an attribute value as text ('3', not '3.0'), or None where it is missing: None, NaN or empty.

    So are 'nan' and '<NA>', which NaN becomes among texts. Other words, such as 'unknown' or 'None', are understood
    where a table is read (`everygroup.tables.Spelling`); here they are values.
    """
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    text = str(value).strip()
    if text.lower() in ("", "nan", "<na>"):
        return None
    if re.fullmatch(r"-?\d+\.0+", text):  # '3.0' in a text column is the category 3
        text = text.split(".")[0]
    return text


def _coded(values: pd.Series) -> tuple[np.ndarray, list[str | None]]:
    """Return (n,) codes and the distinct values as categories; -1 where there is none."""
    if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True).startswith("mixed"):
        values = values.map(as_category)  # 1, 1.0 and True would be one value to a hash table
    codes, distinct = pd.factorize(values)
    texts = [as_category(v) for v in distinct]
    missing = np.array([*(t is None for t in texts), True], dtype=bool)
    return np.where(missing[codes], -1, codes), texts


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
    def members(self) -> tuple[str, ...]:
        """All categories of the sets."""
        return tuple(v for _, values in self.sets for v in values)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bins, in order."""
        if self.sets:
            return tuple(name for name, _ in self.sets)
        c = [str(int(cut)) if cut.is_integer() and abs(cut) < 1e15 else repr(cut) for cut in self.cuts]
        return (f"<={c[0]}", *(f"({a},{b}]" for a, b in pairwise(c)), f">{c[-1]}")

    def apply(self, attribute: str, values: pd.Series) -> list[str | None]:
        """Return the bin of each value, None where it is missing, no plausible age, or in none of the category sets.

        Raises
        ------
        CohortError
            For values to be cut that are no numbers, or of which too little is known ('89+' and a cut at 95).
        """
        codes, texts = _coded(values)
        if self.sets:
            home = {member: name for name, members in self.sets for member in members}
            homes = [None if t is None else home.get(t) for t in texts]
            return np.array([*homes, None], dtype=object)[codes].tolist()
        amounts = read_column(attribute, texts)
        words = "leave these cells empty, or name such words with --missing"
        self._refuse(attribute, amounts.unreadable, "are no numbers", codes, texts, words)
        bins = amounts.bins(self.cuts)
        known = max((low for low in amounts.low[(bins == TORN) & amounts.open_ended]), default=math.nan)
        fix = "choose cuts that leave them whole" if math.isnan(known) else f"choose cuts of at most {known:g}"
        why = "are not known well enough" if math.isnan(known) else f"are only known to be {known:g} or more"
        self._refuse(attribute, bins == TORN, why, codes, texts, fix)
        return self._named(bins[codes] if len(bins) else np.full(len(codes), -1), codes)

    def apply_to_ages(self, attribute: str, ages: Amounts) -> list[str | None]:
        """Return the bin of each age (n,)."""
        return self._named(ages.bins(self.cuts), np.arange(len(ages.low)))

    def _named(self, bins: np.ndarray, codes: np.ndarray) -> list[str | None]:
        names = np.array([*self.names, None], dtype=object)
        return names[np.where(codes < 0, -1, bins)].tolist()

    def _refuse(
        self, attribute: str, wrong: np.ndarray, why: str, codes: np.ndarray, texts: Sequence[str | None], fix: str
    ) -> None:
        rows = np.flatnonzero(np.append(wrong, False)[codes])
        if not len(rows):
            return
        first = {texts[codes[row]]: row for row in rows[::-1]}
        shown = ", ".join(f"{text!r} (row {row + 2})" for text, row in sorted(first.items(), key=lambda i: i[1])[:6])
        raise CohortError(
            f"Column {attribute!r} is to be cut, but {len(rows)} of {len(codes)} values {why}: "
            f"{shown}{', ...' if len(first) > 6 else '.'}",
            fix=f"{fix}, or use category sets: --bins '{attribute}=name:a,b|name:c'",
        )

    def remarks(self, attribute: str, values: pd.Series) -> list[str]:
        """Return what is to be known of values that fall in no bin, or are only known to lie above a cut."""
        codes, texts = _coded(values)
        counts = np.bincount(codes[codes >= 0], minlength=len(texts))
        if self.sets:
            return self._outside(attribute, {t: int(n) for t, n in zip(texts, counts, strict=True) if t is not None})
        amounts = read_column(attribute, texts)
        found = []
        if n := int(counts[amounts.placeholder].sum()):
            examples = ", ".join(repr(texts[i]) for i in np.flatnonzero(amounts.placeholder)[:6])
            found.append(f"{n} ages in {attribute!r} are placeholders or impossible ({examples}) and are in no group.")
        for i in np.flatnonzero(amounts.open_ended & np.isin(amounts.low, self.cuts)):
            if n := int(counts[i]):
                found.append(f"{texts[i]!r} in {attribute!r} ({n} rows) counts as above {amounts.low[i]:g}.")
        return found

    def _outside(self, attribute: str, counts: Mapping[str, int]) -> list[str]:
        known = {member for _, members in self.sets for member in members}
        outside = sorted(((t, n) for t, n in counts.items() if t not in known), key=lambda item: -item[1])
        if not outside:
            return []
        shown = ", ".join(f"{value!r} ({n})" for value, n in outside[:6])
        said = (
            f"{sum(n for _, n in outside)} values of {attribute!r} lie in none of the sets given with --bins: "
            f"{shown}{', ...' if len(outside) > 6 else '.'}"
        )
        folded = {text.casefold(): text for text, _ in outside}
        for member in sorted(known - set(counts)):
            twin = folded.get(member.casefold())
            near = [twin] if twin is not None else difflib.get_close_matches(member, folded.values(), n=1)
            said += "".join(f" {member!r} is no value of {attribute!r}; did you mean {n!r}?" for n in near)
        for member in sorted(m for m in known & set(counts) if m.casefold() in folded):
            said += f" {folded[member.casefold()]!r} differs from {member!r} only in case."
        return [said]


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
        if attribute not in self.bins:
            codes, texts = _coded(table[attribute])
            return np.array([*texts, None], dtype=object)[codes].tolist()
        if (ages := self._ages(table, attribute)) is not None:
            return self.bins[attribute].apply_to_ages(attribute, ages)
        return self.bins[attribute].apply(attribute, table[attribute])

    def remarks(self, table: pd.DataFrame) -> list[str]:
        """Return, per binned attribute, which values fall in no bin, and what is known of others only in part."""
        found = []
        for attribute, binning in self.bins.items():
            if (ages := self._ages(table, attribute)) is None:
                found += binning.remarks(attribute, table[attribute])
            elif n := int(ages.placeholder.sum()):
                found.append(f"{n} ages by {attribute!r} are impossible (below 0 or above 120) and are in no group.")
        return found

    def _ages(self, table: pd.DataFrame, attribute: str) -> Amounts | None:
        """Return the ages of a column of dates of birth that is to be cut; None for any other column."""
        if not self.bins[attribute].cuts or not holds_dates(texts_of(table[attribute].head(1000))):
            return None
        return ages_at_visit(table, attribute)

    def refuse_numbers(self, table: pd.DataFrame) -> None:
        """Refuse an attribute whose values would each be a group of its own: bins were forgotten.

        Raises
        ------
        CohortError
            For an attribute without bins of more than 12 different numbers or dates, or more than 50 different values.
        """
        for attribute in [a for a in self.attributes if a not in self.bins]:
            texts = pd.Series([v for v in self.values(table, attribute) if v is not None], dtype=object)
            numbers = pd.to_numeric(texts, errors="coerce").dropna()
            n = texts.nunique()
            dates = n > _MOST_NUMBERS and holds_dates(texts_of(texts))
            if n <= _MOST_NUMBERS or (len(numbers) <= len(texts) / 2 and n <= _MOST_VALUES and not dates):
                continue
            cuts = [f"{c:.4g}" for c in numbers.quantile([1 / 3, 2 / 3])] if len(numbers) > len(texts) / 2 else []
            cuts = ["40", "60"] if dates else cuts  # a date of birth is cut by age
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
