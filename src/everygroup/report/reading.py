"""What an audit says, in the order a page tells it: methods, attributes, the metric in front, groups, gaps, changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from everygroup.audit.called import called_in, named, named_metric, named_settings
from everygroup.audit.flags import Flag, ranked
from everygroup.audit.words import direction
from everygroup.errors import OutputError
from everygroup.metrics.changes import gap_changes

# Rows of an audit that are no group of patients.
OVERALL, GAP, WORST, MISSING = "overall", "gap", "worst", "missing"
PREFERRED = ("macro_f1", "balanced_accuracy", "accuracy", "auc")
# The further tables an audit may have, each of them possibly empty.
FRAMES = ("differences", "intersections", "curves", "criteria", "sources", "series", "strata", "references")
_COLUMNS = ("attribute", "group", "metric", "value")
_NUMBERS = ("value", "low", "high", "n", "n_positive", "p", "chance", "chance_high", "detectable")
_ALL = (*_COLUMNS, "method", "baseline_value", "change", "low", "high", "p", "n", "note")


class AuditLike(Protocol):
    """What a report needs of an audit; `everygroup.audit.Audit` is one."""

    @property
    def table(self) -> pd.DataFrame:
        """Return the long rows."""

    @property
    def comparison(self) -> pd.DataFrame | None:
        """Return the long rows of the change against a baseline, if there was one."""

    @property
    def flags(self) -> Sequence[Flag | str]:
        """Return what to heed."""


@dataclass(frozen=True)
class Front:
    """Table, comparison, series and settings of one method."""

    table: pd.DataFrame
    comparison: pd.DataFrame
    series: pd.DataFrame
    settings: dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """An audit's tables, made regular.

    Attributes
    ----------
    table, comparison : long rows; every column a page uses is there, `comparison` may have no rows. In `comparison`,
        `value` is the method's value, `baseline_value` the baseline's and `change` the difference, to which `low` and
        `high` belong.
    cells : recall by label and group, or no rows.
    methods : in the audit's order; `method` is the one in front, `baseline` what it is compared with (or empty).
    metric : the metric in front.
    metrics : all performance metrics.
    min_n : groups with fewer samples were left out; empty where that is not known.
    settings : of the audit of the method in front.
    flags : what to heed, of all audits, by severity.
    names : what the classes of these rows and settings are called here, by the names they are stored under.
    frames : the audit's further tables by name (`FRAMES`), with a column `method`; those without rows are left out.
    """

    table: pd.DataFrame
    comparison: pd.DataFrame
    cells: pd.DataFrame
    methods: list[str]
    method: str
    baseline: str
    metric: str
    metrics: list[str]
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    min_n: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    names: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, audits: Sequence[AuditLike], question: Mapping[str, Any]) -> Reading:
        """Read one audit or those of several methods; `question` may name `metric`, `method` and `baseline`.

        Raises
        ------
        OutputError
            If the audits have no rows or lack a column.
        """
        settings = [getattr(audit, "settings", None) or {} for audit in audits]
        names = next(filter(None, map(called_in, settings)), {})
        settings = [named_settings(s, names) for s in settings]
        table = named(_joined([_regular(audit.table, "table") for audit in audits]), names)
        if table.empty:
            raise OutputError("The audit has no rows, so there is nothing to report.", fix="audit some predictions")
        compared = [audit.comparison for audit in audits if audit.comparison is not None and len(audit.comparison)]
        comparison = named(_joined([_comparison(c) for c in compared]), names)
        methods = list(dict.fromkeys(table["method"]))
        baseline = str(question.get("baseline") or _only(comparison, "baseline"))
        if not baseline and len(methods) > 1:
            baseline = methods[0]
        method = str(question.get("method", ""))
        if method not in methods:
            method = ([m for m in methods if m != baseline] or methods)[-1]
        comparison.loc[comparison["method"] == "", "method"] = method
        metrics = list(dict.fromkeys(table.loc[~table["group"].isin([GAP, WORST]), "metric"]))
        headlines = [str(s.get("headline", "")) for s in settings]
        wanted = (named_metric(str(question.get("metric", "")), names), *headlines, *PREFERRED)
        metric = next((m for m in wanted if m in metrics), (metrics or [""])[0])
        of_cells = [c for audit in audits if isinstance(c := getattr(audit, "cells", None), pd.DataFrame) and len(c)]
        cells = named(_joined([_regular(c.assign(metric="recall"), "cells") for c in of_cells]), names)
        if len(cells):
            cells = _side_by_side(cells, ["attribute", "method"])
        further = {name: _further(audits, name, method) for name in FRAMES}
        further = {name: named(rows, names) for name, rows in further.items() if len(rows)}
        # a grouping goes by the attribute that it is made of
        titles = {k: v for s in settings for k, v in s.get("titles", {}).items()}
        for rows in (table, comparison, cells, *further.values()) if titles else ():
            if "attribute" in rows:
                rows["attribute"] = rows["attribute"].replace(titles)
        min_n = next((str(s["min_n"]) for s in settings if s.get("min_n")), "")
        front = [method in set(_regular(audit.table, "table")["method"]) for audit in audits]
        own = [s for s, mine in zip(settings, front, strict=True) if mine]
        flags = ranked(
            flag
            for mine, audit in sorted(zip(front, audits, strict=True), key=lambda pair: not pair[0])
            for flag in _flags(audit, mine)
        )
        return cls(
            table,
            comparison,
            cells,
            methods,
            method,
            baseline,
            metric,
            metrics,
            further,
            min_n,
            dict(own[-1] if own else settings[-1]),
            flags,
            names,
        )

    @property
    def front(self) -> Front:
        """The method in front alone, as verdicts are made of it."""
        compared = self.comparison[self.comparison["method"] == self.method]
        if self.baseline:
            compared = compared.assign(baseline=self.baseline)
        return Front(self.table[self.table["method"] == self.method], compared, self.frame("series"), self.settings)

    def frame(self, name: str) -> pd.DataFrame:
        """Rows of a further table, of the method in front; no rows where there is none."""
        rows = self.frames.get(name, pd.DataFrame())
        return rows[rows["method"] == self.method].reset_index(drop=True) if len(rows) else rows

    def groups(self, metric: str) -> pd.DataFrame:
        """Rows of everybody together and of all groups for one metric, methods side by side."""
        rows = self.table[(self.table["metric"] == metric) & ~self.table["group"].isin([GAP, WORST])]
        return _side_by_side(_everybody_once(rows), ["attribute", "group", "method"])

    def changes(self, metric: str) -> pd.DataFrame:
        """Rows of the paired changes of everybody together and of all groups for one metric."""
        rows = self.comparison[(self.comparison["metric"] == metric) & ~self.comparison["group"].isin([GAP, WORST])]
        return _side_by_side(_everybody_once(rows), ["method", "attribute", "group"])

    def words(self, rows: pd.DataFrame) -> list[str]:
        """What rows of the comparison note; of a gap what its intervals show."""
        gaps = (rows["group"] == GAP) & (rows["note"] != "undefined")
        records = [{str(k): v for k, v in record.items()} for record in rows.to_dict("records")]
        return [
            gap_changes(self.comparison, record) if gap and not record["metric"].startswith("fate_") else record["note"]
            for gap, record in zip(gaps, records, strict=True)
        ]

    def gaps(self) -> pd.DataFrame:
        """Rows of all gaps, methods side by side, the metric in front first."""
        rows = _side_by_side(self.table[self.table["group"] == GAP], ["metric", "attribute", "method"])
        return pd.concat([rows[rows["metric"] == self.metric], rows[rows["metric"] != self.metric]])


def _flags(audit: AuditLike, front: bool) -> list[Flag]:
    """What to heed; what stops another method than the one in front is a caution, and told after its own."""
    told = ranked(audit.flags)
    return list(told) if front else [replace(f, severity="caution") if f.severity == "stop" else f for f in told]


def lower_is_better(metric: str) -> bool:
    """Tell the direction of a metric; unknown ones count as scores."""
    return direction(metric) is False


def _everybody_once(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep one row for everybody together (an audit repeats it for every attribute), under an attribute of its own."""
    together = rows["group"] == OVERALL
    first = rows[together].drop_duplicates("method").assign(attribute="everybody")
    return pd.concat([first, rows[~together]])


def _side_by_side(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sort by keys, each in order of first appearance."""
    order = {key: {value: i for i, value in enumerate(dict.fromkeys(rows[key]))} for key in keys}
    return rows.sort_values(keys, key=lambda column: column.map(order[str(column.name)]), kind="stable")


def _regular(table: pd.DataFrame, what: str) -> pd.DataFrame:
    missing = [c for c in _COLUMNS if c not in table.columns]
    if missing:
        raise OutputError(f"The audit's {what} lacks the column {', '.join(missing)}.", fix="give an everygroup audit")
    rows = table.copy()
    for column in _NUMBERS:
        values = pd.to_numeric(rows[column], errors="coerce") if column in rows else pd.Series(np.nan, index=rows.index)
        rows[column] = values.astype("float64")
    for column in ("attribute", "group", "metric", "method", "note"):
        rows[column] = rows[column].fillna("").astype(str) if column in rows else ""
    return _seeds_apart(rows).reset_index(drop=True)


def _seeds_apart(rows: pd.DataFrame) -> pd.DataFrame:
    """Several seeds or data sets in one audit stay apart: they become part of the method's name."""
    for column in ("seed", "data_set"):
        if column in rows and len(rows[column].unique()) > 1:
            rows["method"] = rows["method"] + f" ({column.replace('_', ' ')} " + rows[column].astype(str) + ")"
    return rows


def _further(audits: Sequence[AuditLike], name: str, method: str) -> pd.DataFrame:
    """Join one of the further tables over all audits; a table without names of methods is of the method in front."""
    found = []
    for audit in audits:
        rows = getattr(audit, name, None)
        if isinstance(rows, pd.DataFrame) and len(rows):
            named = rows["method"].fillna("").astype(str) if "method" in rows else ""
            rows = _seeds_apart(rows.assign(method=named))
            found.append(rows.assign(method=rows["method"].where(rows["method"] != "", method)))
    return _joined(found) if found else pd.DataFrame()


def _comparison(table: pd.DataFrame) -> pd.DataFrame:
    """Give a comparison both the two values and the change; where only the change is known it is in `value`."""
    rows = _regular(table, "comparison")
    if "change" not in rows:
        rows["change"], rows["value"] = rows["value"], np.nan
    for column in ("change", "baseline_value"):
        known = pd.to_numeric(rows[column], errors="coerce") if column in rows else pd.Series(np.nan, index=rows.index)
        rows[column] = known.astype("float64")
    return rows


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    # Columns that are empty in one table and not in another would change type when joined.
    full = [table.dropna(axis=1, how="all") if len(tables) > 1 else table for table in tables if len(table)]
    columns = list(dict.fromkeys(c for table in tables for c in table.columns)) or list(_ALL)
    return pd.concat(full, ignore_index=True).reindex(columns=columns) if full else pd.DataFrame(columns=columns)


def _only(table: pd.DataFrame, column: str) -> str:
    """Return the value of a column that has one value only."""
    values = list(table[column].dropna().unique()) if column in table else []
    return str(values[0]) if len(values) == 1 else ""
