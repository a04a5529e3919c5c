"""Tables of measured numbers: outcomes and predictions of a regression, Dice scores, anomaly scores, several labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.cohort.groups import GroupRule, as_category
from everygroup.console import say
from everygroup.errors import PredictionsError
from everygroup.predictions._coding import category_column, text_column, unit_column
from everygroup.predictions.columns import (
    ID_NAMES,
    SPLIT_NAMES,
    UNIT_NAMES,
    group_candidates,
    looks_like_splits,
    looks_unique,
    named_like,
    require,
)
from everygroup.predictions.metadata import Joined, join
from everygroup.predictions.reading import attribute_values
from everygroup.tables import Problems, open_table, settle_labels


@dataclass(frozen=True)
class NumberTable:
    """Measured numbers of n samples, their attributes and patients.

    Attributes
    ----------
    name : of the file.
    values : (n,) floats by column, NaN where empty.
    texts : (n,) texts by column, '' where empty.
    sensitive : (n,) groups by attribute, '' where missing.
    ids, units, split : (n,) texts; `ids` is None where no column identifies a sample.
    rows : (n,) rows of the file, from 0, which `place` names.
    """

    name: str
    values: Mapping[str, NDArray[np.float64]]
    texts: Mapping[str, NDArray[Any]]
    sensitive: pd.DataFrame
    ids: NDArray[Any] | None
    units: NDArray[Any]
    split: NDArray[Any]
    rows: NDArray[np.int64]
    where_in_file: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.units)

    @classmethod
    def read(
        cls,
        path: Path | str | Joined,
        *,
        values: Sequence[str],
        texts: Sequence[str] = (),
        groups: Sequence[str] | None = None,
        bins: Mapping[str, Any] | None = None,
        id: str | None = None,
        unit: str | None = None,
        split: str | None = None,
        metadata: Path | str | None = None,
        metadata_id: str | None = None,
        need_groups: bool = False,
    ) -> Self:
        """Read columns of numbers and of texts; the other arguments are those of `read_predictions`.

        Raises
        ------
        PredictionsError
            For missing columns and cells that are no numbers, naming row and column.
        """
        joined = path if isinstance(path, Joined) else join(open_table(path), metadata, metadata_id, id)
        names = list(dict.fromkeys(groups or ()))
        named = [c for c in (id, unit, split) if c is not None]
        for wanted in (*values, *texts, *names, *(bins or {}), *named):
            require(joined.name, joined.columns, wanted)
        used = {*values, *texts, *names}
        unit = unit or named_like(joined.columns, UNIT_NAMES, used)
        if id is None:
            id = named_like(joined.columns, ID_NAMES, {*used, unit or ""})
            id = id if id is not None and looks_unique(joined.sample, id) else None
        if split is None:
            split = named_like(joined.columns, SPLIT_NAMES, used)
            split = split if split is not None and looks_like_splits(joined.sample, split) else None
        for what, column in (("patient or lesion", unit), ("sample id", id), ("split", split)):
            if column is not None:
                say(f"{joined.name}: {what}: column {column!r}.")
        if need_groups and not names:
            taken = [c for c in (*used, id, unit, split) if c is not None]
            could = "; ".join(group_candidates(joined.sample, taken)) or "none"
            raise PredictionsError(
                f"{joined.name}: there is no sensitive attribute to audit.",
                fix=f"name at least one with --group; columns that could be: {could}",
            )
        plain = [c for c in (id, unit) if c is not None]
        table = joined.read(
            {*used, *plain, *((split,) if split else ())}, numbers=list(values), texts=plain, labels=texts
        )
        problems = Problems(joined.name)
        for column in texts:
            settle_labels(table, [column], (), joined.first.spelling, problems)
        problems.raise_if_any()
        n = len(table)
        rule = GroupRule.make(names, bins) if names else GroupRule(())
        ids = None if id is None else text_column("id", table[id], n)
        if ids is not None and not ids.is_unique:
            double = int(ids.duplicated(keep=False).to_numpy().argmax())
            raise PredictionsError(
                f"{joined.name}: the id {ids.iloc[double]!r} stands in several rows.",
                fix="keep one row a sample; a column of patients is named with --cluster, not --id-column",
            )
        rows = text_column("id", np.arange(n), n) if ids is None else ids
        return cls(
            joined.name,
            {c: table[c].to_numpy(np.float64) for c in values},
            {c: category_column(c, table[c], n).to_numpy(dtype=object) for c in texts},
            pd.DataFrame({c: category_column(c, attribute_values(rule, table, c), n) for c in names}, index=range(n)),
            None if ids is None else ids.to_numpy(dtype=object),
            unit_column(rows, None if unit is None else table[unit]).to_numpy(dtype=object),
            text_column("split", "" if split is None else table[split], n).to_numpy(dtype=object),
            np.arange(n),
            joined.place,
        )

    def place(self, i: int) -> str:
        """The file and the row of it that sample `i` stands in, for messages."""
        return self.where_in_file(int(self.rows[i]))

    def where(self, selection: ArrayLike) -> Self:
        """Return the rows of a mask or an index."""
        rows = np.asarray(selection)
        return replace(
            self,
            values={c: v[rows] for c, v in self.values.items()},
            texts={c: v[rows] for c, v in self.texts.items()},
            sensitive=(self.sensitive[rows] if rows.dtype == bool else self.sensitive.iloc[rows]).reset_index(
                drop=True
            ),
            ids=None if self.ids is None else self.ids[rows],
            units=self.units[rows],
            split=self.split[rows],
            rows=self.rows[rows],
        )

    def matching(self, other: NumberTable) -> tuple[Self, NumberTable]:
        """Return the rows of both tables that have the same ids, in the order of the first.

        Raises
        ------
        PredictionsError
            Without ids on one side, without ids and of different length, or without a common id.
        """
        if self.ids is None or other.ids is None:
            if self.ids is other.ids and len(self) == len(other):
                say("Neither id column is known: rows are paired in the order of the files.")
                return self, other
            raise PredictionsError(
                f"{self.name} and {other.name} have no common id and {len(self)} and {len(other)} rows.",
                fix="name the column of ids with --id-column",
            )
        partner = pd.Index(other.ids).get_indexer(pd.Index(self.ids))
        rows = np.flatnonzero(partner >= 0)
        if not rows.size:
            raise PredictionsError(f"No id of {self.name} is in {other.name}.", fix="give both files the same ids")
        if rows.size < len(self) or rows.size < len(other):
            say(f"{rows.size} samples are in both {self.name} ({len(self)}) and {other.name} ({len(other)}).")
        return self.where(rows), other.where(partner[rows])


def zero_one(name: str, column: str, texts: NDArray[Any], positive: str | None) -> NDArray[np.float64]:
    """Return a column of two classes as 1 (positive), 0 and NaN (unknown).

    Raises
    ------
    PredictionsError
        For more than two classes, or two that are not 0 and 1 without the name of the positive one.
    """
    found = sorted({v for v in pd.unique(pd.Series(texts, dtype=object)) if as_category(v) is not None})
    positive = "1" if positive is None and set(found) <= {"0", "1"} else positive
    if positive is None or len(set(found) | {positive}) > 2:
        raise PredictionsError(
            f"{name}: the column {column!r} holds {', '.join(map(repr, found[:5]))}, not 0 and 1.",
            fix="code the positive class as 1 and the other as 0, or name it with --positive",
        )
    return np.where(texts == "", np.nan, (texts == positive).astype(np.float64))
