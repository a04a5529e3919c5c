"""What `everygroup audit --verbose` prints: every value of every group, or those of the metrics asked for by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from everygroup.audit.words import p_text

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from everygroup.audit import Audit

NOT_COMPARED = ("n too small", "one patient or lesion")
_LABEL, _NUMBERS = 26, len("-0.000 to -0.000")


def value_tables(result: Audit, width: int, metrics: Collection[str] | None = None) -> Iterator[Table]:
    """Yield the tables of values for every attribute, of some metrics only where they are given."""
    titles = result.settings.get("titles", {})
    for attribute, rows in result.table.groupby("attribute", sort=False):
        records = [r for r in _records(rows) if r["group"] != "worst" and (metrics is None or r["metric"] in metrics)]
        yield from _tables(f"By {titles.get(attribute, attribute)}: value, 95 % interval", records, _value_cell, width)


def all_tables(result: Audit, width: int) -> Iterator[Table | str]:
    """Yield the tables of values and of changes for every attribute, and lines on single numbers."""
    titles = result.settings.get("titles", {})
    yield from value_tables(result, width)
    for attribute, rows in result.comparison.groupby("attribute", sort=False):
        records = _records(rows)
        changes = [_judged(r, result.comparison) for r in records if not r["metric"].startswith("fate_")]
        title = f"Change against the baseline, by {titles.get(attribute, attribute)}"
        yield from _tables(title, changes, _change_cell, width)
        for r in records:
            if r["metric"].startswith("fate_"):
                value = "undefined" if math.isnan(r["value"]) else f"{r['value']:.3f}"
                yield f"{r['metric']}: {value} ({r['note']})"


def _tables(
    title: str, records: list[dict[str, Any]], cell: Callable[[dict[str, Any]], str], width: int
) -> Iterator[Table]:
    """Metrics down, groups and the gap across; as many tables as the groups need at this width."""
    from rich.table import Table
    from rich.text import Text

    metrics = list(dict.fromkeys(r["metric"] for r in records))
    groups = list(dict.fromkeys(r["group"] for r in records if r["group"] != "gap"))
    cells = {(r["group"], r["metric"]): cell(r) for r in records}
    n = {r["group"]: r["n"] for r in records}
    label = min(_LABEL, max(len(m) for m in metrics))
    across = max(_NUMBERS, min(_LABEL, max(map(len, groups), default=0)))
    per_table = max(1, (width - label - 5) // (across + 3))
    columns = [*groups, "gap"]
    for first in range(0, len(columns), per_table):
        part = columns[first : first + per_table]
        table = Table(title=Text(f"{title} (continued)" if first else title), title_justify="left")
        # a long name of a class wraps, so that no number is cut
        table.add_column("", max_width=label, overflow="fold")
        for group in part:
            heading = "gap" if group == "gap" else f"{group}\nn = {n[group]}"
            table.add_column(Text(heading), justify="right", min_width=_NUMBERS, max_width=across, overflow="fold")
        for metric in metrics:
            texts = [cells.get((g, metric), "") for g in part]
            if any(texts):
                table.add_row(Text(metric), *(Text(t) for t in texts))
        yield table


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in record.items()} for record in rows.to_dict("records")]


def _judged(record: dict[str, Any], comparison: pd.DataFrame) -> dict[str, Any]:
    """The record; of a gap with what its intervals show in place of the verdict on point estimates."""
    from everygroup.metrics.changes import gap_verdict

    return record | {"note": gap_verdict(comparison, record)} if record["group"] == "gap" else record


def _value_cell(record: dict[str, Any]) -> str:
    """Value, interval and what to know about it, line by line."""
    if math.isnan(record["value"]):
        return "undefined"
    lines = [f"{record['value']:.3f}"]
    if not math.isnan(record["low"]):
        lines.append(f"{record['low']:.3f} to {record['high']:.3f}")
    if not math.isnan(record["p"]):
        lines.append(p_text(record["p"]))
    if record["note"] in NOT_COMPARED:
        lines.append(record["note"])
    elif math.isnan(record["low"]):
        lines.append("no interval")
    return "\n".join(lines)


def _change_cell(record: dict[str, Any]) -> str:
    """Change, interval, p of the accuracies, and the verdict of a gap or why a group is not compared, line by line."""
    if math.isnan(record["change"]):
        return "undefined"
    lines = [f"{record['change']:+.3f}"]
    if not math.isnan(record["low"]):
        lines.append(f"{record['low']:+.3f} to {record['high']:+.3f}")
    if not math.isnan(record["p"]):
        lines.append(p_text(record["p"]))
    elif record["note"] and (record["group"] == "gap" or record["note"] in NOT_COMPARED):
        lines.append(record["note"])
    return "\n".join(lines)
