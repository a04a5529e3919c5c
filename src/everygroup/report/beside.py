"""The parts of the page beside the gaps: over time, over versions, within levels of a variable, against one group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from everygroup.audit.further import changes_of, mixes_of
from everygroup.audit.strata import STANDARDISED
from everygroup.audit.verdicts import Verdicts
from everygroup.audit.words import saying, title_of
from everygroup.figures import metric_by_group, metric_over_time
from everygroup.figures.theme import clean_text
from everygroup.report.blocks import Limits, Section, Table, figure, p_value, table
from everygroup.report.reading import GAP, MISSING, OVERALL, WORST, Reading
from everygroup.report.rows import largest, texts, used

_ALL, _MIX = "all together", "at one mix"


def over_time(reading: Reading, limits: Limits) -> Section | None:
    """The metric in front by group over periods, with the periods since which it changed."""
    rows = _series(reading, "time")
    if rows["period"].nunique() < 2:
        return None
    name, settings = title_of(reading.metric), reading.settings
    changes = changes_of(settings)
    section = Section("time", "Over time", [clean_text(c.sentence(settings)) for c in changes])
    if changes:
        section.intro.append(
            "The period named is the one that parts a group's cases most clearly; the change itself may have come "
            "somewhat earlier or later."
        )
    else:
        section.intro.append(
            "No change of a group's rate at one point in time was found. Between periods numbers vary by chance alone, "
            "the more the smaller a group is."
        )
    titles = settings.get("titles", {})
    since = {(str(titles.get(c.attribute, c.attribute)), c.group): c.since for c in changes}
    drawn, behind = _drawn(rows), _behind(rows, f"{name} over time", reading.metric, limits)
    phone = metric_over_time(drawn, name, since, narrow=True) if limits.narrow else None
    marks = "; dashed: since when a group's rate changed" if changes else ""
    caption = f"{name} by group over time, with 95 % intervals{marks}."
    section.figures.append(figure(metric_over_time(drawn, name, since), caption, behind, narrow=phone))
    return section


def versions(reading: Reading, limits: Limits) -> Section | None:
    """The metric in front by group, from version to version."""
    rows = _series(reading, "version")
    if rows["period"].nunique() < 2:
        return None
    name = title_of(reading.metric)
    section = Section(
        "versions",
        "From version to version",
        [
            "The same samples, answered by each version of the model, the oldest first. The intervals are those of "
            "each version alone; whether a group changed is told by the paired comparison with the last version before."
        ],
    )
    drawn, notes = largest(_drawn(rows), limits)
    drawn = drawn.assign(method=drawn["period"], metric=name).sort_values("order", kind="stable")
    phone = metric_by_group(drawn, name, narrow=True) if limits.narrow else None
    behind = _behind(rows, f"{name} from version to version", reading.metric, limits)
    caption = f"{name} by group and version, with 95 % intervals."
    section.intro += notes
    section.figures.append(figure(metric_by_group(drawn, name), caption, behind, narrow=phone))
    return section


def strata(reading: Reading, limits: Limits, said: Verdicts) -> Section | None:
    """Every group within the levels of a clinical variable, the gap as it is and at one mix of the levels."""
    rows = reading.frame("strata")
    rows = rows[rows["metric"] == reading.metric] if len(rows) else rows
    if rows.empty:
        return None
    within = clean_text(rows["within"].iloc[0])
    section = Section(
        "strata", f"Within {within}", [clean_text(m.sentence(reading.settings)) for m in mixes_of(reading.settings)]
    )
    section.intro.append(
        f"'{_ALL}' is the rate as it is; '{_MIX}' what it would be if {within} were as frequent in every group as "
        "in all of them together (direct standardisation). What remains there is no difference of this mix."
    )
    order = [v.title for v in said.by_attribute]
    found = {str(attribute): part for attribute, part in rows.groupby("attribute", sort=False)}
    for attribute in [a for a in order if a in found]:
        whole = reading.table[
            (reading.table["attribute"] == attribute)
            & (reading.table["metric"] == reading.metric)
            & (reading.table["method"] == reading.method)
        ]
        section.tables.append(_levels(found[attribute], whole, attribute, reading, limits))
    return section


def references(reading: Reading, limits: Limits) -> Section | None:
    """Every group less the one that it is held against."""
    rows = reading.frame("references")
    if rows.empty:
        return None
    named = [
        f"{clean_text(a)}: {clean_text(g)}" for a, g in rows[["attribute", "reference"]].drop_duplicates().to_numpy()
    ]
    section = Section(
        "reference",
        "Against a reference group",
        [
            f"Every group minus the reference ({'; '.join(named)}): below zero its value is lower. The intervals hold "
            "for all pairs of groups together; p is corrected for the groups that are compared."
        ],
    )
    front = rows[rows["metric"] == reading.metric]
    title = title_of(reading.metric)
    if len(front):
        section.tables.append(_against(front, f"{title} against the reference group", limits, "reference.csv"))
    rest = _against(rows, "All metrics against the reference group", limits, "references.csv")
    section.more.append(("All metrics against the reference group", [], [rest]))
    return section


def _series(reading: Reading, over: str) -> pd.DataFrame:
    """Rows of `Audit.series` in the metric in front."""
    rows = reading.frame("series")
    if rows.empty:
        return pd.DataFrame(columns=["period"])
    return rows[(rows["over"] == over) & (rows["metric"] == reading.metric)]


def _drawn(rows: pd.DataFrame) -> pd.DataFrame:
    """Groups alone, numbers as floats."""
    own = rows[~rows["group"].isin([OVERALL, GAP, WORST, MISSING])]
    numbers = {c: pd.to_numeric(own[c], errors="coerce").astype("float64") for c in ("value", "low", "high", "n")}
    return own.assign(**numbers)


def _behind(rows: pd.DataFrame, caption: str, metric: str, limits: Limits) -> Table:
    """The numbers of a figure over periods, everybody together and groups."""
    own = rows[~rows["group"].isin([GAP, WORST])]
    headings = {
        "period": "period",
        "attribute": "attribute",
        "group": "group",
        "estimate": f"{title_of(metric)} (95 %)",
    }
    headings |= {"successes": "successes", "trials": "of", "n": "n", "note": "note"}
    return table(
        own, caption, limits, headings=used(headings, own), shown={"estimate": texts(own)}, file_name="series.csv"
    )


def _levels(rows: pd.DataFrame, whole: pd.DataFrame, attribute: str, reading: Reading, limits: Limits) -> Table:
    """A row a level, a column a group, the gap and its p; then all together and at one mix."""
    told = saying(reading.metric, reading.settings)
    parts = [(str(level), part) for level, part in rows.groupby("level", sort=False) if level != STANDARDISED]
    parts += [(_ALL, whole), *((_MIX, part) for level, part in rows.groupby("level") if level == STANDARDISED)]
    groups = [g for g in dict.fromkeys(whole["group"]) if g not in (OVERALL, GAP, WORST, MISSING)]
    data: list[dict[str, str]] = []
    for level, part in parts:
        by_group = {str(r["group"]): r for r in part.to_dict("records")}
        row = {"level": clean_text(level)}
        for group in groups:
            r = by_group.get(group, {})
            value, successes, trials = (_float(r.get(c)) for c in ("value", "successes", "trials"))
            counts = told.counts(successes, trials)
            row[f"group {group}"] = (
                "–" if np.isnan(value) else told.number(value).partition(" of ")[0] + (f" ({counts})" if counts else "")
            )
        gap = by_group.get(GAP, {})
        row["gap"] = _gap(gap, counted=told.counted)
        row["p"] = p_value(gap.get("p"))
        data.append(row)
    headings = {"level": reading.frame("strata")["within"].iloc[0]} | {f"group {g}": clean_text(g) for g in groups}
    headings |= {"gap": "gap (95 % interval)", "p": "p"}
    of = ", of 100" if told.counted else ""
    return table(
        pd.DataFrame(data),
        f"{told.short}{of}, by {clean_text(attribute)}",
        limits,
        headings=headings,
        file_name="strata.csv",
    )


def _gap(row: Mapping[Any, Any], *, counted: bool) -> str:
    value, low, high = (_float(row.get(c)) * (100 if counted else 1) for c in ("value", "low", "high"))
    if np.isnan(value):
        return "–"
    digits = 0 if counted else 3
    ends = f" ({low:.{digits}f} to {high:.{digits}f})" if np.isfinite(low) and np.isfinite(high) else ""
    return f"{value:.{digits}f}{ends}"


def _float(value: object) -> float:
    return float(pd.to_numeric(pd.Series([value]), errors="coerce").astype("float64").iloc[0])


def _against(rows: pd.DataFrame, caption: str, limits: Limits, file_name: str) -> Table:
    shown = {"estimate": texts(rows, ("difference", "low", "high"), signed=True)}
    shown |= {"p": [p_value(p) for p in rows["p_holm"]], "metric": [title_of(str(m)) for m in rows["metric"]]}
    headings = {"attribute": "attribute", "metric": "metric", "group": "group", "reference": "reference"}
    headings |= {"estimate": "group − reference (95 % interval)", "p": "p (Holm)"}
    headings |= {"n": "n of the group", "n_reference": "n of the reference"}
    return table(rows, caption, limits, headings=used(headings, rows), shown=shown, file_name=file_name)
