"""The rows of a table: who they are, which groups they are of and which split; not yet what was predicted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.console import say
from everygroup.errors import PredictionsError
from everygroup.predictions._coding import attribute_of


@dataclass(frozen=True)
class Rows:
    """The n rows of a table.

    Attributes
    ----------
    name : of the file.
    table : columns id, unit, split and one for every attribute, as texts, '' where missing; then the other columns that
        were asked for: floats, NaN where empty, or texts as they were written.
    sensitive : names of the attributes.
    columns : what was found, by what it is: 'id', 'unit', 'split'.
    has_ids : whether a column identifies every row.
    line : (n,) row of the file, from 0, which `place` names.
    """

    name: str
    table: pd.DataFrame
    sensitive: tuple[str, ...]
    columns: Mapping[str, str]
    has_ids: bool
    line: NDArray[np.int64]
    where_in_file: Callable[[int], str]
    groups: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def place(self, i: int) -> str:
        """The file and the row of it that sample `i` stands in, for messages."""
        return self.where_in_file(int(self.line[i]))

    @property
    def units(self) -> NDArray[Any]:
        """(n,) patient or lesion of every row."""
        return self.table["unit"].to_numpy(dtype=object)

    def numbers(self, column: str) -> NDArray[np.float64]:
        """(n,) floats of a column that was asked for."""
        return self.table[column].to_numpy(np.float64)

    def attribute(self, name: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Names, in order, and index (-1 missing) of one attribute."""
        return attribute_of(self.table[name])

    def where(self, selection: ArrayLike) -> Self:
        """Return the rows of a mask or an index."""
        chosen = np.asarray(selection)
        index = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        return replace(self, table=self.table.iloc[index].reset_index(drop=True), line=self.line[index])

    def answered_as(self, other: Rows, columns: Collection[str]) -> Self:
        """Return the rows that another table has, too, with what that one says in some columns."""
        ours, theirs = self.matching(other)
        given = {c: theirs.table[c].to_numpy() for c in columns if c in theirs.table}
        return replace(ours, table=ours.table.assign(**given))

    def matching(self, other: Rows) -> tuple[Self, Rows]:
        """Return the rows of both tables that have the same ids, in the order of the first.

        Raises
        ------
        PredictionsError
            Without ids on one side, without ids and of different length, or without a common id.
        """
        if not self.has_ids or not other.has_ids:
            if self.has_ids == other.has_ids and len(self) == len(other):
                say("Neither id column is known: rows are paired in the order of the files.")
                return self, other
            raise PredictionsError(
                f"{self.name} and {other.name} have no common id and {len(self)} and {len(other)} rows.",
                fix="name the column of ids with --id-column",
            )
        partner = pd.Index(other.table["id"]).get_indexer(pd.Index(self.table["id"]))
        rows = np.flatnonzero(partner >= 0)
        if not rows.size:
            raise PredictionsError(f"No id of {self.name} is in {other.name}.", fix="give both files the same ids")
        if rows.size < len(self) or rows.size < len(other):
            say(f"{rows.size} samples are in both {self.name} ({len(self)}) and {other.name} ({len(other)}).")
        return self.where(rows), other.where(partner[rows])
