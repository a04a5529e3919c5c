"""The parts of the page about groups: how each fares, and what changed for it."""

from __future__ import annotations

from typing import Any

from everygroup.audit.words import title_of
from everygroup.figures import change_against_baseline, metric_by_group
from everygroup.figures.theme import clean_text
from everygroup.report.blocks import Limits, Section, figure, table
from everygroup.report.reading import PREFERRED, Reading, lower_is_better
from everygroup.report.rows import changes_table, estimates_table, largest


def by_group(reading: Reading, limits: Limits) -> Section:
    """Performance by group: the metric in front drawn, the others as tables, folded away."""
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
    others = []
    for i, metric in enumerate(order):
        rows = reading.groups(metric)
        drawn, notes = largest(rows, limits)
        title = title_of(metric)
        whole = estimates_table(rows, f"{title} by group", metric, limits)
        if i == 0:
            drawn = drawn.assign(metric=title)
            phone = metric_by_group(drawn, title, narrow=True) if limits.narrow else None
            caption = f"{title} by group, with 95 % intervals."
            section.figures.append(figure(metric_by_group(drawn, title), caption, whole, narrow=phone))
            section.intro += notes
        else:
            others.append(whole)
    if others:
        section.more.append(("All other metrics by group, as tables", [], others))
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
    drawn, notes = largest(rows, limits)
    drawn = drawn.assign(value=drawn["change"], metric=title)
    look: dict[str, Any] = {"lower_is_better": lower_is_better(reading.metric), "baseline": baseline}
    phone = change_against_baseline(drawn, narrow=True, **look) if limits.narrow else None
    chart = change_against_baseline(drawn, **look)
    section.intro += notes
    caption = f"Paired change of {title} in every group, with 95 % intervals."
    behind = changes_table(reading, rows, f"Change of {title} against {baseline}", limits, "changes.csv")
    section.figures.append(figure(chart, caption, behind, narrow=phone))
    everything = changes_table(reading, reading.comparison, "All changes", limits, "comparison.csv")
    section.more.append(("All metrics and gaps, as one table", [], [everything]))
    return section
