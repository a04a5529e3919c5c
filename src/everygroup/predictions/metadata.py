"""Further columns from a second table (age, sex, patient), joined by the column of both that behaves like a key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.console import say, warn
from everygroup.errors import PredictionsError
from everygroup.predictions.columns import require
from everygroup.predictions.keys import Key, best, keys_of, pairs_of
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
        cut: Collection[str] = (),
        known: Mapping[str, Collection[str]] | None = None,
    ) -> pd.DataFrame:
        """Read some columns of both tables; see `Source.read`."""
        how: dict[str, Any] = {"numbers": numbers, "texts": texts, "labels": labels, "cut": cut, "known": known}
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
    """Find every row's partner in a second table, by the key that behaves like one.

    A key is unique in the metadata, and columns that stand in both tables agree on the rows that it joins.

    Parameters
    ----------
    first : the predictions.
    metadata : the second table; None for none.
    metadata_id : its column of ids; id : the predictions' column of ids. Looked for when not given.

    Raises
    ------
    PredictionsError
        For columns that are not there, ids that stand twice in the metadata, no common id at all, or a key by which
        the tables contradict each other.
    """
    if metadata is None:
        if metadata_id is not None:
            raise PredictionsError("--metadata-id without --metadata.", fix="name the table too: --metadata FILE")
        return Joined(first)
    second = open_table(metadata, first.spelling)
    for source, column in ((second, metadata_id), (first, id)):
        if column is not None:
            require(source.name, source.columns, column)
    pairs = pairs_of(first, second, metadata_id, id)
    keys = keys_of(first, second, pairs)
    named = metadata_id is not None or (id is not None and id in second.columns)
    if named and keys[0].refuted:  # which key would do is told
        keys += keys_of(first, second, pairs_of(first, second, None, None))
    chosen = best(first, second, keys, named=named)
    _tell(first, second, chosen, keys)
    return Joined(first, second, chosen.partner)


def _tell(first: Source, second: Source, key: Key, keys: list[Key]) -> None:
    n, lost = len(key.partner), len(key.partner) - key.found
    say(f"{second.name}: joined by {key.columns}; {key.found} of {n} rows found.")
    if key.spelt:
        warn(f"{second.name}: the ids of both tables are equal only {key.spelt}; they are joined so.")
    for other in keys:
        if other is not key and other.refuted:
            say(f"{second.name}: not joined by {other.columns}, as {other.refuted[0]!r} would then differ.")
    if key.row_numbers:
        warn(
            f"{second.name}: {key.columns} only numbers the rows in both tables, and nothing tells that they are in "
            "one order; name another key with --metadata-id."
        )
    if lost:
        warn(f"{lost} of {n} rows of {first.name} are not in {second.name}; their further columns are missing.")
    unused = len(second.read([key.theirs], texts=[key.theirs])) - np.unique(key.partner[key.partner >= 0]).size
    if unused:
        ids = f"{unused} id{'s' if unused > 1 else ''} {_are(unused)}"
        say(f"{second.name}: {ids} not in {first.name} and {_are(unused)} not used.")
    both = sorted((set(second.columns) & set(first.columns)) - {key.theirs, key.ours})
    if both:
        verb, which = ("stands", "that") if len(both) == 1 else ("stand", "those")
        say(f"{second.name}: {', '.join(both)} {verb} in both tables; {which} of {first.name} {_are(len(both))} used.")
    for column, share in key.differ.items():
        if share > 0:
            warn(f"{column!r} differs between {first.name} and {second.name} in {share:.1%} of the joined rows.")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
