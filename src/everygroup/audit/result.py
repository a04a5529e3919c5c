"""The result of an audit: long tables, flags, and two sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from everygroup.audit.flags import Flag, ranked
from everygroup.audit.partition import TOO_SMALL
from everygroup.files import plain, safe_csv, write_json
from everygroup.metrics import metric_info
from everygroup.metrics.changes import everyone_worse, gap_changes

_RUN = ("data_set", "method", "seed")
COLUMNS = (
    *_RUN,
    *("attribute", "group", "metric", "value", "low", "high", "n"),
    *("successes", "trials", "n_positive", "note"),
    *("p", "chance", "chance_high", "detectable", "interval"),
)
CELL_COLUMNS = (*_RUN, "attribute", "label", "group", "metric", "value", "low", "high", "n")
COMPARISON_COLUMNS = (
    *("data_set", "method", "baseline", "seed", "attribute", "group", "metric"),
    *("baseline_value", "value", "change", "low", "high", "p", "n", "note"),
)
DIFFERENCE_COLUMNS = (
    *_RUN,
    *("attribute", "metric", "group_a", "group_b", "difference", "low", "high", "p", "p_holm", "n_a", "n_b"),
)
INTERSECTION_COLUMNS = (
    *_RUN,
    *("attribute", "order", "group", "metric", "value", "low", "high", "n", "n_positive"),
    *("difference", "difference_low", "difference_high", "p", "p_adjusted", "shrunken", "violation", "note"),
)
CURVE_COLUMNS = (*_RUN, "attribute", "group", "kind", "label", "x", "y", "low", "high", "n")
CRITERION_COLUMNS = (*_RUN, "attribute", "criterion", "quantity", "gap", "low", "high", "p", "verdict", "note")
SOURCE_COLUMNS = (*_RUN, "attribute", "source", "group", "quantity", "value", "low", "high", "n", "note")
FRAMES = MappingProxyType(
    {
        "table": COLUMNS,
        "comparison": COMPARISON_COLUMNS,
        "cells": CELL_COLUMNS,
        "differences": DIFFERENCE_COLUMNS,
        "intersections": INTERSECTION_COLUMNS,
        "curves": CURVE_COLUMNS,
        "criteria": CRITERION_COLUMNS,
        "sources": SOURCE_COLUMNS,
    }
)
"""Every table of an audit and its columns."""
FILES = MappingProxyType({"table": "summary"})
"""File names that differ from the table's name."""


def frame_of(name: str, rows: Sequence[Mapping[str, Any]], **run: Any) -> pd.DataFrame:
    """One table of an audit from its rows and what stands in front of all of them; empty without rows."""
    columns = list(FRAMES[name])
    if not rows:
        return pd.DataFrame(columns=columns)
    frame = pd.DataFrame(list(rows)).assign(**run)[columns]
    whole = [c for c in ("seed", "successes", "trials", "n_positive") if c in columns]
    return frame.astype(dict.fromkeys(whole, "Int64"))


@dataclass(frozen=True)
class Audit:
    """All group-wise numbers of one set of predictions.

    Attributes
    ----------
    table : long rows. `group` is a group's name, 'missing', 'overall', 'gap' (between the groups) or 'worst' (left out
        where neither more nor less is better). `low` and `high` are the 95 % interval named in `interval`; `p` of a gap
        is that chance alone gives one as large (permutation of the groups), `chance` and `chance_high` the mean and the
        95th percentile of such gaps, `detectable` the smallest gap that this n would have shown with 80 % power (not
        known of distances such as EOdds). `n` is the number of rows; `successes` of `trials` are the counts behind a
        proportion, as 34 of 43 positives behind a sensitivity. `n_positive` counts the second class of two.
    comparison : long rows of the change against the baseline; empty without one. `p` is for accuracy (McNemar's, or
        that of a sign-flip test over patients where one has several samples) and for the AUC of two classes (DeLong).
        The note of a 'gap' row is the verdict 'improved all', 'unchanged', 'trade' or 'levelled down' on the point
        estimates; the sentences say no more than the intervals do.
    cells : long rows of the recall of every (label, group) cell, with interval and n.
    flags : what to heed, the gravest first.
    settings : how it was computed, among it `task`, `headline` (the metric that leads) and `shown` (all in order), and
        of classes `positive` (empty with more than two) and `critical`.
    differences : signed difference of every two groups, with simultaneous intervals, p and Holm's p.
    intersections : every subgroup of one or more attributes, smallest n first.
    curves, criteria, sources : points of curves by group, criteria of fairness with verdicts, sources of unfairness.
    """

    table: pd.DataFrame
    comparison: pd.DataFrame
    cells: pd.DataFrame
    flags: tuple[Flag, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    differences: pd.DataFrame = field(default_factory=partial(frame_of, "differences", ()))
    intersections: pd.DataFrame = field(default_factory=partial(frame_of, "intersections", ()))
    curves: pd.DataFrame = field(default_factory=partial(frame_of, "curves", ()))
    criteria: pd.DataFrame = field(default_factory=partial(frame_of, "criteria", ()))
    sources: pd.DataFrame = field(default_factory=partial(frame_of, "sources", ()))

    def value(self, attribute: str, group: str, metric: str) -> float:
        """One value of the table; NaN where there is no such row."""
        row = self._row(attribute, group, metric)
        return float("nan") if row is None else float(row["value"])

    def summary(self) -> str:
        """Plain sentences: the worst group and the gap, and what changed or should be heeded.

        Where every group got worse against the baseline, that is said first.
        """
        worse = everyone_worse(self.comparison, self.headline)
        return " ".join(s for s in (worse, self._first_sentence(), self._second_sentence()) if s)

    def heeding(self, flags: Iterable[Flag | str]) -> Audit:
        """The audit with further things to heed, which come first within their severity."""
        return replace(self, flags=ranked((*flags, *self.flags)))

    def frames(self) -> dict[str, pd.DataFrame]:
        """Every table by name, empty ones too."""
        return {name: getattr(self, name) for name in FRAMES}

    def write(self, folder: Path | str) -> list[Path]:
        """Write every table that has rows as CSV (the long table as summary.csv), and everything as audit.json."""
        root = Path(folder)
        written = [
            safe_csv(frame, root / f"{FILES.get(name, name)}.csv")
            for name, frame in self.frames().items()
            if not frame.empty
        ]
        return [*written, self.to_json(root / "audit.json")]

    def to_csv(self, path: Path | str) -> Path:
        """Write the long table, atomically."""
        return safe_csv(self.table, path)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able values; NaN is None."""
        return {
            "summary": self.summary(),
            "flags": [asdict(flag) for flag in self.flags],
            "settings": plain(self.settings),
            **{name: _records(frame) for name, frame in self.frames().items()},
        }

    def to_json(self, path: Path | str) -> Path:
        """Write `to_dict`, atomically."""
        write_json(path, self.to_dict())
        return Path(path)

    def _row(self, attribute: str, group: str, metric: str) -> dict[str, Any] | None:
        return _find(self.table, attribute, group, metric)

    @property
    def headline(self) -> str:
        """The metric that the two sentences are about."""
        return str(self.settings["headline"])

    def _headline(self) -> str | None:
        """The first attribute that has a gap in the leading metric."""
        rows = self.table[(self.table["group"] == "gap") & (self.table["metric"] == self.headline)]
        rows = rows.dropna(subset="value")
        return None if rows.empty else str(rows["attribute"].iloc[0])

    def _first_sentence(self) -> str:
        attribute = self._headline()
        if attribute is None:
            return "No two groups are large enough to be compared."
        gap, worst = self._row(attribute, "gap", self.headline), self._row(attribute, "worst", self.headline)
        assert gap is not None
        info = metric_info(self.headline)
        what = info.words
        if self.headline == "sensitivity" and self.settings.get("positive"):
            what = f"sensitivity for {self.settings['positive']}"
        by = self.settings.get("titles", {}).get(attribute, attribute)
        p = (
            ""
            if pd.isna(gap["p"])
            else f", permutation p {'< 0.001' if gap['p'] < 0.001 else '= ' + format(gap['p'], '.3f')}"
        )
        between = f"the gap between the groups is {_number(gap)}{p}."
        if worst is None:
            return f"By {by}, {between.replace('the gap', f'the gap in {what}', 1)}"
        place = {True: "lowest", False: "highest", None: "furthest from its best value"}[info.higher_is_better]
        name = str(worst["note"]).removeprefix("worst group: ")
        # the interval of the row 'worst' is that of the lowest of all groups, not that of this group
        own = self._row(attribute, name, self.headline) or worst
        among = self._among(attribute)
        count = f"n = {own['n']}" if pd.isna(own["trials"]) else f"{own['successes']} of {own['trials']}"
        return f"By {by}, {what} is {place} in {name} ({_number(own)}, {count}{among}), and {between}"

    def _among(self, attribute: str) -> str:
        """Which groups were looked at, where some were too small."""
        rows = self.table[(self.table["attribute"] == attribute) & (self.table["metric"] == self.headline)]
        min_n = self.settings.get("min_n")
        return f"; among groups with n >= {min_n}" if min_n and (rows["note"] == TOO_SMALL).any() else ""

    def _second_sentence(self) -> str:
        attribute = self._headline()
        row = None if attribute is None else _find(self.comparison, attribute, "gap", self.headline)
        if row is not None:
            direction = "rose" if row["change"] > 0 else "fell" if row["change"] < 0 else "stayed, changing"
            return (
                f"Against the baseline this gap {direction} by {abs(row['change']):.3f} (95 % interval of the change "
                f"{row['low']:.3f} to {row['high']:.3f}): {gap_changes(self.comparison, row)}."
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
