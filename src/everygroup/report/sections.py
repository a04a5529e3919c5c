"""The parts of the page that come from the audit."""

from __future__ import annotations

import pandas as pd

from everygroup.figures import cell_heatmap, change_against_baseline, metric_by_group
from everygroup.figures.theme import clean_text, estimate, number
from everygroup.report.blocks import Limits, Section, Table, cell, figure, p_value, table
from everygroup.report.reading import GAP, LEVELLING, PREFERRED, Reading, lower_is_better, title_of

# The gaps of the SPARE paper's tables stand beside the gap in the metric in front; all others are folded away.
SHOWN_GAPS = ("eopp0_lab", "eopp1_lab", "eodds_lab")
_LARGER = "Only the {shown} largest of {all} groups of {attribute} are drawn; the table and its download hold all."


def by_group(reading: Reading, limits: Limits) -> Section:
    """Performance by group: the metric in front drawn, the others folded away."""
    name = title_of(reading.metric)
    section = Section(
        "groups",
        "Performance by group",
        [
            f"{name} in every group with its 95 % interval and the number of samples behind it. Wide intervals mean "
            "small groups. Patients whose value is missing form a group of their own."
        ],
    )
    order = [m for m in dict.fromkeys((reading.metric, *PREFERRED, *reading.metrics)) if m in reading.metrics]
    for i, metric in enumerate(order):
        rows = reading.groups(metric)
        drawn, notes = _largest(rows, limits)
        title = title_of(metric)
        whole = _estimates(rows, f"{title} by group", metric, limits)
        charts = []
        if i <= limits.more_figures:
            chart = metric_by_group(drawn.assign(metric=title), title)
            charts.append(figure(chart, f"{title} by group, with 95 % intervals."))
        if i == 0:
            section.figures, section.tables = charts, [whole]
            section.intro += notes
        else:
            section.more.append((title, charts, [whole]))
    complete = table(reading.table, "All measurements", limits, file_name="audit.csv")
    section.more.append(("Everything that was measured, as one table", [], [complete]))
    return section


def changes(reading: Reading, limits: Limits) -> Section | None:
    """Change of every group against the baseline, levelling down in sight."""
    rows = reading.changes(reading.metric)
    if rows.empty:
        return None
    baseline = clean_text(reading.baseline) or "the baseline"
    title = title_of(reading.metric)
    section = Section(
        "changes",
        f"Change of every group against {baseline}",
        [
            "Both models answered for the same patients, so the changes are paired. A smaller gap is only good news if "
            "no group had to get worse for it: look for triangles that point down."
        ],
    )
    drawn, notes = _largest(rows, limits)
    chart = change_against_baseline(
        drawn.assign(value=drawn["change"], metric=title),
        lower_is_better=lower_is_better(reading.metric),
        baseline=baseline,
    )
    section.intro += notes
    section.figures.append(figure(chart, f"Paired change of {title} in every group, with 95 % intervals."))
    section.tables.append(_changes(rows, f"Change of {title} against {baseline}", limits, "changes.csv"))
    everything = _changes(reading.comparison, "All changes", limits, "comparison.csv")
    section.more.append(("All metrics and gaps, as one table", [], [everything]))
    return section


def gaps(reading: Reading, limits: Limits) -> Section | None:
    """Gaps between groups with their intervals and permutation p; and their change, where there is a baseline."""
    rows = reading.gaps()
    if rows.empty:
        return None
    section = Section(
        "gaps",
        "Gaps between groups",
        [
            "A gap is the largest value of a metric over the groups minus the smallest, or the difference a published "
            "definition names. Gaps are never negative, so small groups alone produce one: the permutation p says how "
            "often a gap at least this large arises when group membership is shuffled."
        ],
    )
    front = (reading.metric, *SHOWN_GAPS)
    section.tables.append(_gaps(rows[rows["metric"].isin(front)], "Gaps between groups", limits, "gaps.csv"))
    moved = reading.comparison[reading.comparison["group"] == GAP]
    caption = f"Change of the gaps against {clean_text(reading.baseline) or 'the baseline'}"
    if len(moved):
        few = moved[moved["metric"].isin(front)].drop(columns="group")
        section.tables.append(_changes(few, caption, limits, "gap-changes.csv"))
    rest = [_gaps(rows, "All gaps", limits, "all-gaps.csv")]
    if len(moved):
        rest.append(_changes(moved.drop(columns="group"), f"{caption}, all", limits, "all-gap-changes.csv"))
    section.more.append(("Gaps in all metrics and by all definitions", [], rest))
    return section


def cells(reading: Reading, limits: Limits) -> Section | None:
    """Recall in every cell of label and group, of the method in front and the baseline."""
    rows = reading.cells[reading.cells["method"].isin(["", reading.method, reading.baseline])]
    if rows.empty:
        return None
    intro = ["Recall of every class in every group: where patients of a class are missed, and how many that rests on."]
    sums = {
        key: rows.groupby(key, sort=False)["n"].sum().nlargest(limits.groups // 2).index for key in ("group", "label")
    }
    drawn = rows[rows["group"].isin(sums["group"]) & rows["label"].isin(sums["label"])]
    if len(drawn) < len(rows):
        intro.append("Only the largest classes and groups are drawn; the download holds all.")
    headings = {"attribute": "attribute", "method": "method", "label": "label", "group": "group"}
    headings |= {"estimate": "recall (95 % interval)", "n": "n", "note": "note"}
    behind = table(
        rows,
        "Recall by label and group",
        limits,
        headings=_used(headings, rows),
        shown={"estimate": _texts(rows)},
        file_name="cells.csv",
    )
    chart = figure(cell_heatmap(drawn), "Recall in every cell of label and group, with counts.", behind)
    return Section("cells", "Where a class is missed", intro, figures=[chart])


def _estimates(rows: pd.DataFrame, caption: str, metric: str, limits: Limits) -> Table:
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
        headings=_used(headings, rows),
        shown={"estimate": _texts(rows), "n_positive": _counts(rows["n_positive"])},
        file_name=f"{metric}-by-group.csv",
    )


def _gaps(rows: pd.DataFrame, caption: str, limits: Limits, file_name: str) -> Table:
    shown = {"estimate": _texts(rows), "p": [p_value(p) for p in rows["p"]]}
    shown["metric"] = [title_of(m) for m in rows["metric"]]
    headings = {"attribute": "attribute", "metric": "gap in", "method": "method", "estimate": "gap (95 % interval)"}
    headings |= {"p": "permutation p", "n": "n", "note": "note"}
    return table(rows, caption, limits, headings=_used(headings, rows), shown=shown, file_name=file_name)


def _changes(rows: pd.DataFrame, caption: str, limits: Limits, file_name: str) -> Table:
    shown = {
        "estimate": [
            estimate(*row, signed=True) for row in rows[["change", "low", "high"]].itertuples(index=False, name=None)
        ],
        "p": [p_value(p) for p in rows["p"]],
        "metric": [title_of(m) for m in rows["metric"]],
        "baseline_value": [number(v) for v in rows["baseline_value"]],
        "value": [number(v) for v in rows["value"]],
        "note": [LEVELLING.get(note, clean_text(note)) for note in rows["note"]],
    }
    headings = {"attribute": "attribute", "group": "group", "metric": "metric", "method": "method"}
    headings |= {"baseline_value": "before", "value": "after", "estimate": "change (95 % interval)", "p": "p"}
    headings |= {"n": "n", "note": "note"}
    return table(rows, caption, limits, headings=_used(headings, rows), shown=shown, file_name=file_name)


def _used(headings: dict[str, str], rows: pd.DataFrame) -> dict[str, str]:
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


def _texts(rows: pd.DataFrame) -> list[str]:
    return [estimate(*row) for row in rows[["value", "low", "high"]].itertuples(index=False, name=None)]


def _counts(values: pd.Series) -> list[str]:
    return ["–" if pd.isna(v) else cell(int(v)) for v in values]


def _largest(rows: pd.DataFrame, limits: Limits) -> tuple[pd.DataFrame, list[str]]:
    """Keep the largest groups of every attribute, so that a figure stays legible; say so."""
    kept, notes = [], []
    for attribute, part in rows.groupby("attribute", sort=False):
        n = part.groupby("group", sort=False)["n"].max().fillna(0)
        if len(n) > limits.groups:
            notes.append(_LARGER.format(shown=limits.groups, all=len(n), attribute=clean_text(attribute)))
            part = part[part["group"].isin(n.nlargest(limits.groups).index)]
        kept.append(part)
    return pd.concat(kept), notes
