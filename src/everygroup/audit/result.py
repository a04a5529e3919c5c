"""The result of an audit: long tables, flags, and two sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from everygroup.audit import wide
from everygroup.audit.flags import Flag, ranked
from everygroup.audit.verdicts import in_short, verdicts
from everygroup.errors import SettingsError
from everygroup.files import plain, safe_csv, write_json
from everygroup.metrics.registry import canonical
from everygroup.offers import offered

if TYPE_CHECKING:
    import altair as alt

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
SERIES_COLUMNS = (
    *(*_RUN, "over", "order", "period", "attribute", "group", "metric", "value", "low", "high", "n"),
    *("successes", "trials", "note"),
)
STRATA_COLUMNS = (
    *(*_RUN, "within", "level", "attribute", "group", "metric", "value", "low", "high", "n"),
    *("successes", "trials", "p", "note"),
)
REFERENCE_COLUMNS = (
    *(*_RUN, "attribute", "metric", "group", "reference", "difference", "low", "high", "p", "p_holm"),
    *("n", "n_reference"),
)
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
        "series": SERIES_COLUMNS,
        "strata": STRATA_COLUMNS,
        "references": REFERENCE_COLUMNS,
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
    series : long rows of every period of time, or version of the model, one after another (`over`, `order`, `period`).
    strata : long rows of every level of a clinical variable, and at one mix of them (`level` is 'standardised').
    references : every group less the one it is held against.
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
    series: pd.DataFrame = field(default_factory=partial(frame_of, "series", ()))
    strata: pd.DataFrame = field(default_factory=partial(frame_of, "strata", ()))
    references: pd.DataFrame = field(default_factory=partial(frame_of, "references", ()))

    def value(self, attribute: str, group: str, metric: str) -> float:
        """One value of the table; NaN where there is no such row."""
        rows = self.table
        own = rows[(rows["attribute"] == attribute) & (rows["group"] == group) & (rows["metric"] == metric)]
        return float("nan") if own.empty else float(own["value"].iloc[0])

    def summary(self) -> str:
        """Plain sentences: what was found first, what changed, and how much is to be heeded (`verdicts` has more)."""
        return in_short(verdicts(self), [flag for flag in self.flags if flag.severity != "note"])

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

    def save(self, folder: Path | str, *, title: str = "") -> list[Path]:
        """Write what `everygroup audit` writes: the numbers (`write`), brief, report, model card, tables for papers."""
        saved: list[Path] = offered("Audit.save")(self, folder, title=title)
        return saved

    @property
    def by_group(self) -> pd.DataFrame:
        """Values of every group: a row an attribute and group, a column a shown metric, with n and counts.

        Columns n, the metrics, and of proportions ``METRIC_successes`` and ``METRIC_trials``; like `by_group` of
        fairlearn's MetricFrame. Intervals stand in `table`.
        """
        return wide.by_group(self.table, self.settings["shown"])

    def plot(self, metric: str | None = None) -> alt.TopLevelMixin:
        """Draw a metric (the headline by default) by group, with intervals: an altair chart, shown by a notebook.

        Raises
        ------
        SettingsError
            For a metric that this audit does not hold.
        """
        from everygroup.figures import metric_by_group  # altair takes a second

        name, rows = canonical(metric or self.headline), self.table[~self.table["group"].isin(wide.NO_GROUPS)]
        if name not in set(rows["metric"]):
            held = ", ".join(dict.fromkeys(rows["metric"]))
            raise SettingsError(f"This audit holds no metric {name!r} of groups.", fix=f"it holds {held}")
        return metric_by_group(rows, name)

    def _repr_html_(self) -> str:
        return wide.html(self, self.flags)

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

    @property
    def headline(self) -> str:
        """The metric that leads."""
        return str(self.settings["headline"])


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    records = json.loads(table.to_json(orient="records", double_precision=15))
    return [{str(k): v for k, v in record.items()} for record in records]
