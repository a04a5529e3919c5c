"""Tables that several parts of the page show, and the texts in their columns."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from everygroup.audit.words import title_of
from everygroup.figures.theme import clean_text, estimate, number
from everygroup.report.blocks import Limits, Table, cell, p_value, table
from everygroup.report.reading import GAP, Reading

_LARGER = "Only the {shown} largest of {all} groups of {attribute} are drawn; the table and its download hold all."


def estimates_table(rows: pd.DataFrame, caption: str, metric: str, limits: Limits) -> Table:
    """Return the values of one metric with interval and n."""
    headings = {"attribute": "attribute", "group": "group", "method": "method"}
    headings |= {
        "estimate": f"{title_of(metric)} (95 % interval)",
        "n": "n",
        "n_positive": "n positive",
        "note": "note",
    }
    return table(
        rows,
        caption,
        limits,
        headings=used(headings, rows),
        shown={"estimate": texts(rows), "n_positive": counts(rows["n_positive"])},
        file_name=f"{slug(metric)}-by-group.csv",
    )


def changes_table(reading: Reading, rows: pd.DataFrame, caption: str, limits: Limits, file_name: str) -> Table:
    """Return paired changes with both values, interval and p; a table of gaps alone has no column of groups."""
    shown = {
        "estimate": texts(rows, ("change", "low", "high"), signed=True),
        "p": [p_value(p) for p in rows["p"]],
        "metric": [title_of(m) for m in rows["metric"]],
        "baseline_value": [number(v) for v in rows["baseline_value"]],
        "value": [number(v) for v in rows["value"]],
        "note": [clean_text(note) for note in reading.words(rows)],
    }
    headings = {"attribute": "attribute", "group": "group", "metric": "metric", "method": "method"}
    headings |= {"baseline_value": "before", "value": "after", "estimate": "change (95 % interval)", "p": "p"}
    headings |= {"n": "n", "note": "note"}
    if (rows["group"] == GAP).all():
        rows = rows.drop(columns="group")
    return table(rows, caption, limits, headings=used(headings, rows), shown=shown, file_name=file_name)


def used(headings: dict[str, str], rows: pd.DataFrame) -> dict[str, str]:
    """Leave out columns that say nothing: empty everywhere, or one method only."""
    kept = {}
    for name, title in headings.items():
        if name == "group" and name not in rows:
            continue
        if name in rows:
            empty = rows[name].isna().all() or (rows[name].astype(str) == "").all()
            if empty or (name in ("method", "metric") and len(rows[name].unique()) == 1):
                continue
        kept[name] = title
    return kept


def texts(rows: pd.DataFrame, columns: Sequence[str] = ("value", "low", "high"), *, signed: bool = False) -> list[str]:
    """Write out estimates with their intervals."""
    numbers = rows[list(columns)].itertuples(index=False, name=None)
    return [estimate(*row, signed=signed) for row in numbers]


def counts(values: pd.Series) -> list[str]:
    """Write out counts; an absent one is a dash."""
    return ["–" if pd.isna(v) else cell(int(v)) for v in values]


def largest(rows: pd.DataFrame, limits: Limits) -> tuple[pd.DataFrame, list[str]]:
    """Keep the largest groups of every attribute, so that a figure stays legible; say so."""
    kept, notes = [], []
    for attribute, part in rows.groupby("attribute", sort=False):
        n = part.groupby("group", sort=False)["n"].max().fillna(0)
        if len(n) > limits.groups:
            notes.append(_LARGER.format(shown=limits.groups, all=len(n), attribute=clean_text(attribute)))
            part = part[part["group"].isin(n.nlargest(limits.groups).index)]
        kept.append(part)
    return pd.concat(kept), notes


def slug(text: str) -> str:
    """Return a text that may be part of a file's name."""
    return "-".join("".join(ch if ch.isascii() and (ch.isalnum() or ch == "_") else " " for ch in text).split())[:48]
