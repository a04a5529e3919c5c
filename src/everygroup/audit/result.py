"""The result of an audit: long tables, flags, and two sentences."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from everygroup.files import atomic_path, plain, write_json

COLUMNS = (
    "data_set",
    "method",
    "seed",
    "attribute",
    "group",
    "metric",
    "value",
    "low",
    "high",
    "n",
    "n_positive",
    "note",
    "p",
)
CELL_COLUMNS = ("data_set", "method", "seed", "attribute", "label", "group", "metric", "value", "low", "high", "n")
COMPARISON_COLUMNS = (
    "data_set",
    "method",
    "baseline",
    "seed",
    "attribute",
    "group",
    "metric",
    "baseline_value",
    "value",
    "change",
    "low",
    "high",
    "p",
    "n",
    "note",
)


@dataclass(frozen=True)
class Audit:
    """All group-wise numbers of one set of predictions.

    Attributes
    ----------
    table : long rows (data_set, method, seed, attribute, group, metric, value, low, high, n, n_positive, note, p).
        `group` is a group's name, 'missing', 'overall', 'gap' (between the groups, with the permutation p that it is
        no larger than chance) or 'worst'. `low` and `high` are the 95 % cluster-bootstrap percentile interval.
        `n_positive` counts the second class of two and is empty otherwise.
    comparison : long rows of the change against the baseline; empty without one. `p` is for accuracy: McNemar's,
        or that of a sign-flip test over patients where one has several samples. The note of a 'gap' row is the verdict
        'improved all', 'unchanged', 'trade' or 'levelled down'.
    cells : long rows of the recall of every (label, group) cell, with interval and n.
    flags : what to heed, as plain sentences.
    settings : how it was computed.
    """

    table: pd.DataFrame
    comparison: pd.DataFrame
    cells: pd.DataFrame
    flags: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    def value(self, attribute: str, group: str, metric: str) -> float:
        """One value of the table; NaN where there is no such row."""
        row = self._row(attribute, group, metric)
        return float("nan") if row is None else float(row["value"])

    def summary(self) -> str:
        """Two plain sentences: the worst group and the gap, and what changed or should be heeded."""
        return f"{self._first_sentence()} {self._second_sentence()}"

    def to_csv(self, path: Path | str) -> Path:
        """Write the long table, atomically."""
        with atomic_path(path) as temporary:
            self.table.to_csv(temporary, index=False)
        return Path(path)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able values; NaN is None."""
        return {
            "summary": self.summary(),
            "flags": list(self.flags),
            "settings": plain(self.settings),
            "table": _records(self.table),
            "comparison": _records(self.comparison),
            "cells": _records(self.cells),
        }

    def to_json(self, path: Path | str) -> Path:
        """Write `to_dict`, atomically."""
        write_json(path, self.to_dict())
        return Path(path)

    def _row(self, attribute: str, group: str, metric: str) -> dict[str, Any] | None:
        return _find(self.table, attribute, group, metric)

    def _headline(self) -> str | None:
        """The first attribute that has a gap in macro F1."""
        rows = self.table[(self.table["group"] == "gap") & (self.table["metric"] == "macro_f1")].dropna(subset="value")
        return None if rows.empty else str(rows["attribute"].iloc[0])

    def _first_sentence(self) -> str:
        attribute = self._headline()
        if attribute is None:
            return "No two groups are large enough to be compared."
        gap, worst = self._row(attribute, "gap", "macro_f1"), self._row(attribute, "worst", "macro_f1")
        assert gap is not None and worst is not None
        by = "group" if attribute == "group" else attribute
        name = str(worst["note"]).removeprefix("worst group: ")
        p = (
            ""
            if pd.isna(gap["p"])
            else f", permutation p {'< 0.001' if gap['p'] < 0.001 else '= ' + format(gap['p'], '.3f')}"
        )
        return (
            f"By {by}, macro F1 is lowest in {name} ({_number(worst)}, n = {worst['n']}), and the gap between the "
            f"groups is {_number(gap)}{p}."
        )

    def _second_sentence(self) -> str:
        attribute = self._headline()
        row = None if attribute is None else _find(self.comparison, attribute, "gap", "macro_f1")
        if row is not None:
            direction = "rose" if row["change"] > 0 else "fell" if row["change"] < 0 else "stayed, changing"
            return (
                f"Against the baseline this gap {direction} by {abs(row['change']):.3f} (95 % interval of the change "
                f"{row['low']:.3f} to {row['high']:.3f}): {row['note']}."
            )
        if self.flags:
            count = len(self.flags)
            return f"{count} thing{'s' if count > 1 else ''} to heed, the first: {self.flags[0]}"
        return "Nothing to heed was found in group sizes and undefined values."


def _find(table: pd.DataFrame, attribute: str, group: str, metric: str) -> dict[str, Any] | None:
    if table.empty:
        return None
    rows = table[(table["attribute"] == attribute) & (table["group"] == group) & (table["metric"] == metric)]
    return None if rows.empty else {str(k): v for k, v in rows.iloc[0].items()}


def _number(row: dict[str, Any]) -> str:
    return f"{row['value']:.3f}, 95 % interval {row['low']:.3f} to {row['high']:.3f}"


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    records = json.loads(table.to_json(orient="records", double_precision=15))
    return [{str(k): v for k, v in record.items()} for record in records]
