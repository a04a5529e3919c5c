"""The parts of the page about criteria of fairness and their conflict, and about where gaps may come from."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from everygroup.audit.words import title_of
from everygroup.figures.theme import clean_text
from everygroup.report.blocks import Limits, Section, Table, csv_address, p_value, table
from everygroup.report.reading import Reading
from everygroup.report.rows import texts, used

_CONFLICT = (
    "The criteria ask for different things. Where a label is more frequent in one group than in another, no classifier "
    "that errs can meet predictive parity and equalised odds at once (Chouldechova 2017; Kleinberg et al. 2017), and "
    "demographic parity together with equalised odds only by predictions that say nothing about the label (Barocas et "
    "al. 2023). Which one matters is a choice for people, not a result."
)
_SIDE_BY_SIDE = 5
_SOURCES = {
    "representation": "few samples of a group: its numbers are uncertain, and a model saw it seldom",
    "prevalence": "labels differ in frequency: criteria conflict, and thresholds act differently",
    "separability": "images tell the group apart: a model can treat groups differently",
    "uncertainty": "the model is less sure in one group, and its doubt may tell less about its errors there",
    "calibration": "the same score means different risks",
    "label noise": "labels that the model contradicts with confidence: the reference itself may be worse in a group",
}


def criteria(reading: Reading, limits: Limits) -> Section | None:
    """Which criteria the measurements agree with, and which of them exclude each other."""
    rows = reading.frame("criteria")
    if rows.empty:
        return None
    section = Section("criteria", "Criteria, and the conflict between them", [_CONFLICT, *_verdicts(rows)])
    shown = {"estimate": texts(rows, ("gap", "low", "high")), "p": [p_value(p) for p in rows["p"]]}
    shown["quantity"] = [title_of(str(q)) for q in rows["quantity"]]
    headings = {"attribute": "attribute", "criterion": "criterion", "quantity": "what is compared"}
    headings |= {"estimate": "gap (95 % interval)", "p": "p", "verdict": "measured", "note": "note"}
    caption = "Criteria of fairness"
    section.tables.append(
        table(rows, caption, limits, headings=used(headings, rows), shown=shown, file_name="criteria.csv")
    )
    return section


def sources(reading: Reading, limits: Limits) -> Section | None:
    """Where gaps may come from."""
    rows = reading.frame("sources")
    if rows.empty:
        return None
    named = [name for name in dict.fromkeys(rows["source"].astype(str)) if name in _SOURCES]
    section = Section(
        "sources",
        "Where gaps may come from",
        ["What differs between the groups besides the model's performance. A difference here is a lead, not a cause."],
        facts=[(name, _SOURCES[name]) for name in named],
    )
    for attribute, part in rows.groupby("attribute", sort=False):
        caption = f"Possible sources of gaps over {clean_text(attribute)}"
        section.tables.append(_by_source(part, caption, limits, f"sources-{len(section.tables) + 1}.csv"))
    return section


def _by_source(rows: pd.DataFrame, caption: str, limits: Limits, file_name: str) -> Table:
    """Return one row per quantity and a column per group; many groups stay one below the other."""
    groups = list(dict.fromkeys(rows["group"].astype(str)))
    if len(groups) > _SIDE_BY_SIDE:
        headings = {"source": "source", "quantity": "quantity", "group": "group"}
        headings |= {"estimate": "value (95 % interval)", "n": "n", "note": "note"}
        shown = {"estimate": _estimates(rows, with_n=False)}
        return table(rows, caption, limits, headings=used(headings, rows), shown=shown, file_name=file_name)
    written = rows.assign(text=_estimates(rows))
    wide = written.pivot_table(
        index=["source", "quantity"], columns="group", values="text", aggfunc="first", sort=False
    ).reindex(columns=groups)
    columns = {group: f"in {group}" for group in groups}  # a group may be called 'source'
    wide = wide.fillna("–").rename(columns=columns).reset_index()
    headings = {"source": "source", "quantity": "quantity"} | {columns[group]: group for group in groups}
    shown = {name: list(wide[name]) for name in columns.values()}
    made = table(wide, caption, limits, headings=headings, shown=shown, file_name=file_name)
    right = [name in shown for name in headings]
    return replace(made, right=right, names=1, csv=csv_address(rows, limits.csv_bytes))


def _estimates(rows: pd.DataFrame, *, with_n: bool = True) -> list[str]:
    """Value, interval and n; numbers of samples and patients as whole numbers, and why where there is no value."""
    found = []
    numbers = pd.to_numeric(rows["n"], errors="coerce").fillna(0).astype(int)
    for text, value, quantity, n, note in zip(
        texts(rows), rows["value"], rows["quantity"], numbers, rows["note"].astype(str), strict=True
    ):
        if pd.isna(value) and not n:
            found.append(clean_text(note) or "undefined")
        elif quantity in ("samples", "patients"):
            found.append(f"{value:,.0f}")
        else:
            found.append(f"{text}, n = {n:,}" if with_n and n else text)
    return found


def _verdicts(rows: pd.DataFrame) -> list[str]:
    """One sentence per attribute: which criteria hold within the interval, which are violated, which are open."""
    said = []
    endings = {"holds within the interval": "within the interval", "violated": "violated", "undecided": "undecided"}
    for attribute, part in rows.groupby("attribute", sort=False):
        parts = []
        for verdict, words in endings.items():
            names = dict.fromkeys(clean_text(c) for c in part[part["verdict"] == verdict]["criterion"])
            if names:
                parts.append(f"{words}: {', '.join(names)}")
        if parts:
            said.append(f"Over {clean_text(attribute)} – {'; '.join(parts)}.")
    return said
