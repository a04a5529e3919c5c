"""What an audit prints: one table per attribute, the change against the baseline, flags and the summary."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from everygroup.console import console, say

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from everygroup.audit import Audit

NOT_COMPARED = ("n too small", "one patient or lesion")


def show(result: Audit) -> None:
    """Print one table per attribute, the comparison, the flags and the summary."""
    titles = result.settings.get("titles", {})
    for attribute, rows in result.table.groupby("attribute", sort=False):
        attribute = titles.get(attribute, attribute)
        records = [r for r in _records(rows) if r["group"] != "worst"]
        for table in _tables(f"By {attribute}: value, 95 % interval", records, _value_cell, console.width):
            console.print(table)
    for attribute, rows in result.comparison.groupby("attribute", sort=False):
        attribute = titles.get(attribute, attribute)
        records = _records(rows)
        changes = [_judged(r, result.comparison) for r in records if not r["metric"].startswith("fate_")]
        for table in _tables(f"Change against the baseline, by {attribute}", changes, _change_cell, console.width):
            console.print(table)
        for r in records:
            if r["metric"].startswith("fate_"):
                value = "undefined" if math.isnan(r["value"]) else f"{r['value']:.3f}"
                say(f"{r['metric']}: {value} ({r['note']})")
    for flag in result.flags:
        console.print(f"! {flag}", markup=False, style="yellow", soft_wrap=True)
    say(result.summary())


def _new_table(title: str, columns: list[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if i == 0 else "right")
    return table


def _tables(
    title: str, records: list[dict[str, Any]], cell: Callable[[dict[str, Any]], str], width: int
) -> list[Table]:
    """Metrics down, groups and the gap across; as many tables as the groups need at this width."""
    from rich.text import Text

    metrics = list(dict.fromkeys(r["metric"] for r in records))
    groups = list(dict.fromkeys(r["group"] for r in records if r["group"] != "gap"))
    cells = {(r["group"], r["metric"]): cell(r) for r in records}
    n = {r["group"]: r["n"] for r in records}
    longest = max(len(m) for m in metrics)
    per_table = max(1, (width - longest - 5) // (max(len("-0.000 to -0.000"), *map(len, groups)) + 3))
    columns = [*groups, "gap"]
    tables = []
    for first in range(0, len(columns), per_table):
        part = columns[first : first + per_table]
        headings = ["gap" if g == "gap" else f"{g}\nn = {n[g]}" for g in part]
        table = _new_table(f"{title} (continued)" if first else title, ["", *headings])
        for metric in metrics:
            texts = [cells.get((g, metric), "") for g in part]
            if any(texts):
                table.add_row(Text(metric), *(Text(t) for t in texts))
        tables.append(table)
    return tables


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
        lines.append(_p(record["p"]))
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
        lines.append(_p(record["p"]))
    elif record["note"] and (record["group"] == "gap" or record["note"] in NOT_COMPARED):
        lines.append(record["note"])
    return "\n".join(lines)


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
