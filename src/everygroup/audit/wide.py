"""An audit as tables for reading: a row a group, a column a metric; as a data frame, and as HTML for a notebook."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from everygroup.audit.findings import Measured
from everygroup.audit.flags import Flag
from everygroup.audit.verdicts import verdicts
from everygroup.audit.words import p_text, title_of

NO_GROUPS = ("overall", "gap", "worst")
MOST_METRICS = 6
_STYLE = """<style>
.everygroup{max-width:60em;line-height:1.45}
.everygroup table{border-collapse:collapse;margin:.5em 0}
.everygroup th,.everygroup td{padding:.2em .7em;text-align:left;border-bottom:1px solid #8884;vertical-align:top}
.everygroup td.number{text-align:right;font-variant-numeric:tabular-nums}
.everygroup small{opacity:.75}
.everygroup .stop{border-left:4px solid #d55e00;padding-left:.6em;font-weight:bold}
.everygroup .caution{border-left:4px solid #e69f00;padding-left:.6em}
</style>"""


def by_group(table: pd.DataFrame, shown: Sequence[str]) -> pd.DataFrame:
    """A tidy frame of the values of every group.

    Parameters
    ----------
    table : long rows of an audit.
    shown : metrics, in order.

    Returns
    -------
    DataFrame
        A row a group (those whose attribute is missing included), by attribute and group; columns n, the metrics, and
        of those that are proportions ``METRIC_successes`` and ``METRIC_trials``. Undefined values are NaN.
    """
    rows = table[~table["group"].isin(NO_GROUPS) & table["metric"].isin(list(shown))]
    keys = ["attribute", "group"]
    order = pd.MultiIndex.from_frame(rows[keys].drop_duplicates())
    found = {"n": rows.drop_duplicates(keys).set_index(keys)["n"]}
    for metric in shown:
        own = rows[rows["metric"] == metric].set_index(keys)
        found[metric] = own["value"]
    for metric in shown:
        own = rows[rows["metric"] == metric].set_index(keys)
        if own["trials"].notna().any():
            found |= {f"{metric}_{what}": own[what] for what in ("successes", "trials")}
    return pd.DataFrame({name: column.reindex(order) for name, column in found.items()}, index=order)


def html(audit: Measured, flags: Iterable[Flag]) -> str:
    """An audit as HTML that stands alone: the verdict, what to heed by severity, and the numbers by group."""
    said = verdicts(audit)
    flags = list(flags)
    stops, cautions, notes = ([f for f in flags if f.severity == s] for s in ("stop", "caution", "note"))
    sentences = [s for verdict in said.by_attribute for s in verdict.sentences if s not in said.headline]
    parts = [
        _STYLE,
        *(f'<p class="stop">Stop: {escape(str(flag))}</p>' for flag in stops),
        f"<p><strong>{escape(said.headline)}</strong></p>",
        *(f"<p>{escape(sentence)}</p>" for sentence in sentences),
        *(f'<p class="caution">{escape(str(flag))}</p>' for flag in cautions),
        *_numbers(audit.table, audit.settings),
        _folded("What cannot be said", said.unknown),
        _folded("Notes on the method", [str(flag) for flag in notes]),
    ]
    return f'<div class="everygroup">{"".join(parts)}</div>'


def _folded(title: str, texts: Sequence[str]) -> str:
    if not texts:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<details><summary>{escape(title)} ({len(texts)})</summary><ul>{items}</ul></details>"


def _numbers(table: pd.DataFrame, settings: Mapping[str, Any]) -> Iterable[str]:
    """A table for every attribute: its groups, all rows, and the gap with its p."""
    shown = list(settings.get("shown", ()))[:MOST_METRICS]
    titles = settings.get("titles", {})
    heads = "".join(f"<th>{escape(title_of(metric))}</th>" for metric in shown)
    for attribute, rows in table.groupby("attribute", sort=False):
        cells = {(row["group"], row["metric"]): row for row in rows.to_dict("records")}
        groups = [g for g in dict.fromkeys(rows["group"]) if g not in NO_GROUPS]
        lines = []
        for group in (*groups, "overall", "gap"):
            own = [cells.get((group, metric)) for metric in shown]
            n = next((f"{int(row['n']):,}" for row in own if row is not None), "") if group != "gap" else ""
            numbers = "".join(f"<td>{'' if row is None else _cell(row)}</td>" for row in own)
            lines.append(f'<tr><th>{escape(str(group))}</th><td class="number">{n}</td>{numbers}</tr>')
        title = escape(str(titles.get(attribute, attribute)))
        yield f"<table><thead><tr><th>{title}</th><th>n</th>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _cell(row: Mapping[Hashable, Any]) -> str:
    """A value, and below it its interval, the counts or the p of a gap, and what is noted."""
    value, low, high = (float(row[key]) for key in ("value", "low", "high"))
    below = [f"{low:.3f} to {high:.3f}"] if math.isfinite(low) and math.isfinite(high) else []
    if not pd.isna(row["trials"]):
        below.append(f"{int(row['successes']):,} of {int(row['trials']):,}")
    below.append(p_text(float(row["p"])) if row["group"] == "gap" else "")
    below.append(str(row["note"] or ""))
    small = "<br>".join(escape(text) for text in below if text and text != "undefined")
    return f"{'undefined' if math.isnan(value) else f'{value:.3f}'}{f'<br><small>{small}</small>' if small else ''}"
