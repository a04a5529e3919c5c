"""Further columns from a second table (age, sex, patient), joined by id: what finds no partner is counted and said."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.cohort.groups import as_category
from everygroup.console import say, warn
from everygroup.errors import PredictionsError
from everygroup.predictions._coding import coded
from everygroup.predictions.columns import ID_NAMES, UNIT_NAMES, columns_are, normal, require
from everygroup.tables import Source, Spelling, open_table


@dataclass(frozen=True)
class Joined:
    """A table on disk, with columns of a second one beside it.

    Attributes
    ----------
    first : the predictions.
    second : the metadata; None without.
    partner : (n,) row of the metadata for every row of the predictions, -1 where there is none.
    """

    first: Source
    second: Source | None = None
    partner: NDArray[np.int64] | None = None

    @property
    def name(self) -> str:
        """Name of the first file, for messages."""
        return self.first.name

    def place(self, row: int) -> str:
        """The first file and a row of it, for messages."""
        return self.first.place(row)

    @property
    def added(self) -> tuple[str, ...]:
        """Columns that only the second table has."""
        return () if self.second is None else tuple(c for c in self.second.columns if c not in self.first.columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """All column names."""
        return (*self.first.columns, *self.added)

    @property
    def sample(self) -> pd.DataFrame:
        """The first rows as text; those of the two tables belong together."""
        if self.second is None or self.partner is None:
            return self.first.sample
        few = len(self.first.sample)
        return pd.concat([self.first.sample, self._from_second(self.added, few).astype(str)], axis=1)

    def read(
        self,
        columns: Collection[str],
        *,
        numbers: Collection[str] = (),
        texts: Collection[str] = (),
        labels: Collection[str] = (),
        known: Mapping[str, Collection[str]] | None = None,
    ) -> pd.DataFrame:
        """Read some columns of both tables; see `Source.read`."""
        how: dict[str, Any] = {"numbers": numbers, "texts": texts, "labels": labels, "known": known}
        table = self.first.read([c for c in self.first.columns if c in columns], **how)
        added = [c for c in self.added if c in columns]
        return pd.concat([table, self._from_second(added, **how)], axis=1) if added else table

    def spelled(self, spelling: Spelling) -> Joined:
        """Return the same tables, their words to be understood in another way."""
        second = None if self.second is None else self.second.spelled(spelling)
        return replace(self, first=self.first.spelled(spelling), second=second)

    def _from_second(self, columns: Collection[str], few: int | None = None, **how: Any) -> pd.DataFrame:
        assert self.second is not None and self.partner is not None
        table = self.second.read(columns, **how)
        partner = self.partner[:few]
        taken = table.take(np.maximum(partner, 0)).reset_index(drop=True)
        lost = partner < 0
        for name in taken.columns:
            if isinstance(taken[name].dtype, pd.CategoricalDtype) and "" not in taken[name].cat.categories:
                taken[name] = taken[name].cat.add_categories([""])
            if lost.any():
                empty = "" if isinstance(taken[name].dtype, pd.CategoricalDtype) else None
                taken[name] = taken[name].mask(lost, empty)
        return taken


def join(first: Source, metadata: Path | str | None, metadata_id: str | None, id: str | None) -> Joined:
    """Find every row's partner in a second table.

    Parameters
    ----------
    first : the predictions.
    metadata : the second table; None for none.
    metadata_id : its column of ids; guessed when not given. The predictions are matched by their column of the same
        name, else by `id`.
    id : the predictions' column of ids; guessed when not given.

    Raises
    ------
    PredictionsError
        For columns that are not there, ids that stand twice in the metadata, or no common id at all.
    """
    if metadata is None:
        if metadata_id is not None:
            raise PredictionsError("--metadata-id without --metadata.", fix="name the table too: --metadata FILE")
        return Joined(first)
    second = open_table(metadata, first.spelling)
    theirs = metadata_id or _shared_id(first, second, id)
    require(second.name, second.columns, theirs)
    ours = theirs if theirs in first.columns and id is None else id or _id_of(first)
    require(first.name, first.columns, ours)
    partner, n_unused = _partners(first, second, ours, theirs)
    lost = int((partner < 0).sum())
    n = len(partner)
    say(f"{second.name}: joined by {theirs!r}{'' if ours == theirs else f' = {ours!r}'}; {n - lost} of {n} rows found.")
    if lost:
        warn(f"{lost} of {n} rows of {first.name} are not in {second.name}; their further columns are missing.")
    if n_unused:
        ids = f"{n_unused} id{'s' if n_unused > 1 else ''} {_are(n_unused)}"
        say(f"{second.name}: {ids} not in {first.name} and {_are(n_unused)} not used.")
    both = sorted((set(second.columns) & set(first.columns)) - {theirs, ours})
    if both:
        verb, which = ("stands", "that") if len(both) == 1 else ("stand", "those")
        say(f"{second.name}: {', '.join(both)} {verb} in both tables; {which} of {first.name} {_are(len(both))} used.")
    return Joined(first, second, partner)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _partners(first: Source, second: Source, ours: str, theirs: str) -> tuple[NDArray[np.int64], int]:
    """Row in the metadata for every row of the predictions, and the number of ids that nobody asked for."""
    code, distinct = coded(second.read([theirs], texts=[theirs])[theirs])
    keys = [as_category(v) for v in distinct]
    count = np.bincount(code[code >= 0], minlength=len(keys))
    known = np.array([k is not None for k in keys], dtype=bool)
    if (count[known] > 1).any() or len({k for k in keys if k is not None}) < known.sum():
        double = next(k for k, c in zip(keys, count, strict=True) if k is not None and (c > 1 or keys.count(k) > 1))
        raise PredictionsError(
            f"{second.name}: the id {double!r} stands in several rows of {theirs!r}.",
            fix="keep one row an id in the metadata, or name another column with --metadata-id",
        )
    row = np.empty(len(keys), dtype=np.int64)
    row[code[code >= 0]] = np.flatnonzero(code >= 0)
    place = {k: int(r) for k, r in zip(keys, row, strict=True) if k is not None}
    own_code, own_distinct = coded(first.read([ours], texts=[ours])[ours])
    own_keys = [as_category(v) for v in own_distinct]
    found = np.array([*(place.get(k, -1) if k is not None else -1 for k in own_keys), -1], dtype=np.int64)
    if (found < 0).all():
        raise PredictionsError(
            f"No id of {first.name} ({ours!r}: {_first(own_keys)}) is in {second.name} ({theirs!r}: {_first(keys)}).",
            fix="name the matching columns with --id-column and --metadata-id",
        )
    return found[own_code], len(place) - len({k for k in own_keys if k in place})


def _first(keys: list[str | None]) -> str:
    return next((repr(k) for k in keys if k is not None), "empty")


def _id_of(source: Source) -> str:
    found = {normal(c): c for c in reversed(source.columns)}
    for name in ID_NAMES:
        if name in found:
            return found[name]
    raise PredictionsError(
        f"{source.name} has no column named like an id to join by.",
        fix=f"name it with --id-column; {columns_are(source.columns)}",
    )


def _shared_id(first: Source, second: Source, id: str | None) -> str:
    """The likeliest column to join by: the predictions' id, or an id or patient that both tables have."""
    if id is not None and id in second.columns:
        return id
    both = {normal(c): c for c in reversed(second.columns) if c in first.columns}
    for name in (*ID_NAMES, *UNIT_NAMES):
        if name in both:
            return both[name]
    return _id_of(second)
