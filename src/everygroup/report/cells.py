"""The parts of the page about smaller parts of the cohort: cells of label and group, and intersections of groups."""

from __future__ import annotations

import pandas as pd

from everygroup.audit.words import title_of
from everygroup.figures import cell_heatmap, intersections_forest
from everygroup.figures.theme import clean_text, number
from everygroup.report.blocks import Limits, Section, Table, figure, p_value, table
from everygroup.report.reading import Reading
from everygroup.report.rows import texts, used

_LEVEL = 0.05


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
        headings=used(headings, rows),
        shown={"estimate": texts(rows)},
        file_name="cells.csv",
    )
    chart = figure(cell_heatmap(drawn), "Recall in every cell of label and group, with counts.", behind)
    return Section("cells", "Where a class is missed", intro, figures=[chart])


def intersections(reading: Reading, limits: Limits) -> Section | None:
    """Subgroups of several attributes at once, smallest first."""
    everything = reading.frame("intersections")
    if everything.empty:
        return None
    metrics = list(dict.fromkeys(everything["metric"].astype(str)))
    metric = reading.metric if reading.metric in metrics else metrics[0]
    rows = everything[everything["metric"] == metric].sort_values("n", kind="stable")
    name = title_of(metric)
    section = Section(
        "intersections",
        "Intersections of groups",
        [
            f"{name} where several attributes meet, the smallest subgroup first: a model can look even over each "
            "attribute and still fail where they meet. Small subgroups vary by chance; the shrunken estimate pulls "
            "each towards the whole by how little its n tells. The p-values test a subgroup against the other "
            "subgroups of the same attributes together, corrected for their number (Benjamini and Hochberg).",
            _found(rows, name),
        ],
    )
    drawn = rows.dropna(subset=["value"]).head(limits.groups)
    if len(drawn) < len(rows):
        section.intro.append(
            f"Drawn are the {len(drawn)} smallest of {len(rows)} subgroups whose value is defined; the table holds all."
        )
    behind = _subgroups(rows, f"{name} in intersections", limits, "intersections.csv")
    if len(drawn):
        titled = drawn.assign(metric=name, shrunken=_shrunken(drawn))
        phone = intersections_forest(titled, name, narrow=True) if limits.narrow else None
        caption = f"{name} in every intersection of groups, with n and 95 % intervals."
        section.figures.append(figure(intersections_forest(titled, name), caption, behind, narrow=phone))
    else:
        section.tables.append(behind)
    if len(metrics) > 1:
        rest = _subgroups(everything, "Intersections, all metrics", limits, "all-intersections.csv")
        section.more.append(("Intersections in all metrics", [], [rest]))
    return section


def _found(rows: pd.DataFrame, name: str) -> str:
    clear = rows[pd.to_numeric(rows["p_adjusted"], errors="coerce") < _LEVEL]
    if clear.empty:
        return f"No subgroup's {name} differs from that of the others beyond chance at 5 %, after correction."
    worst = [f"{clean_text(group)} (n = {int(n):,})" for group, n in clear[["group", "n"]].to_numpy()[:5]]
    more = f" and {len(clear) - 5} more" if len(clear) > 5 else ""
    return f"{len(clear)} of {len(rows)} differ from the others after correction: {', '.join(worst)}{more}."


def _shrunken(rows: pd.DataFrame) -> pd.Series:
    """The subgroups' values after shrinking: an audit shrinks the difference to everybody."""
    return rows["value"] - rows["difference"] + rows["shrunken"]


def _subgroups(rows: pd.DataFrame, caption: str, limits: Limits, file_name: str) -> Table:
    shown = {
        "metric": [title_of(str(m)) for m in rows["metric"]],
        "estimate": texts(rows),
        "against": texts(rows, ("difference", "difference_low", "difference_high"), signed=True),
        "shrunken": [number(v) for v in _shrunken(rows)],
        "p": [p_value(p) for p in rows["p"]],
        "p_adjusted": [p_value(p) for p in rows["p_adjusted"]],
    }
    headings = {"attribute": "attributes", "group": "group", "n": "n", "metric": "metric"}
    headings |= {
        "estimate": "value (95 % interval)",
        "shrunken": "shrunken value",
        "against": "difference to everybody",
    }
    headings |= {"against": "difference to everybody", "p": "p", "p_adjusted": "p, corrected", "note": "note"}
    return table(rows, caption, limits, headings=used(headings, rows), shown=shown, file_name=file_name)
