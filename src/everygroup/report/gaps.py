"""The parts of the page about gaps: utility against disparity, and every gap beside what chance alone gives."""

from __future__ import annotations

import numpy as np
import pandas as pd

from everygroup.audit.words import title_of
from everygroup.figures import gaps_against_chance, pareto_front, utility_against_disparity
from everygroup.figures.theme import clean_text, estimate, number
from everygroup.report.blocks import Figure, Limits, Section, Table, figure, p_value, table
from everygroup.report.reading import GAP, OVERALL, Reading, lower_is_better
from everygroup.report.rows import changes_table, texts, used

# The gaps of the SPARE paper's tables stand beside the gap in the metric in front; all others are folded away.
SHOWN_GAPS = ("eopp0_lab", "eopp1_lab", "eodds_lab")
_CHANCE = ("chance", "chance_high", "detectable")


def tradeoff(reading: Reading, limits: Limits, first: str) -> Section | None:
    """Utility against disparity of all methods, drawn for the attribute that comes first."""
    points = _points(reading)
    if points.empty or len(points["method"].unique()) < 2:
        return None
    name = title_of(reading.metric)
    section = Section(
        "tradeoff",
        "Utility against disparity",
        [
            f"Every method by its {name} over all patients and by the largest gap in it between groups. The dashed "
            "line joins the methods that no other beats on both. Where intervals overlap, the order may be chance; and "
            "a small gap at a low value helps no group."
        ],
    )
    parts = [part for _, part in points.groupby("attribute", sort=False)]
    fronts = [pareto_front(_sign(reading) * part["utility"], part["disparity"]) for part in parts]
    points = pd.concat(parts).assign(front=np.concatenate(fronts))
    shown = {
        "utility": [estimate(*row) for row in points[["utility", "utility_low", "utility_high"]].to_numpy()],
        "disparity": [estimate(*row) for row in points[["disparity", "disparity_low", "disparity_high"]].to_numpy()],
    }
    headings = {"attribute": "attribute", "method": "method", "utility": f"{name}, everybody", "disparity": "gap"}
    headings["front"] = "beaten by none"
    caption = f"{name} and the gap in it"
    behind = table(points, caption, limits, headings=headings, shown=shown, file_name="tradeoff.csv")
    drawn = points[points["attribute"] == first] if first in set(points["attribute"]) else points
    _, part = next(iter(drawn.groupby("attribute", sort=False)))
    attribute = clean_text(part["attribute"].iloc[0])
    chart = utility_against_disparity(
        part, utility=name, disparity=f"gap in {name}", lower_is_better=lower_is_better(reading.metric)
    )
    section.figures.append(
        figure(chart, f"{name} against the gap in it over {attribute}, with 95 % intervals.", behind)
    )
    return section


def gaps(reading: Reading, limits: Limits) -> Section | None:
    """Gaps between groups with intervals, chance level and smallest detectable gap; and their change."""
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
    front = rows[rows["metric"].isin((reading.metric, *SHOWN_GAPS))]
    behind = _gaps(front, "Gaps between groups", limits, "gaps.csv")
    if len(front):
        section.figures.append(_chance_figure(front, behind, limits))
    else:
        section.tables.append(behind)
    moved = reading.comparison[reading.comparison["group"] == GAP]
    caption = f"Change of the gaps against {clean_text(reading.baseline) or 'the baseline'}"
    if len(moved):
        few = moved[moved["metric"].isin(front["metric"])]
        section.tables.append(changes_table(reading, few, caption, limits, "gap-changes.csv"))
    rest = [_gaps(rows, "All gaps", limits, "all-gaps.csv")]
    if len(moved):
        rest.append(changes_table(reading, moved, f"{caption}, all", limits, "all-gap-changes.csv"))
    section.more.append(("Gaps in all metrics and by all definitions", [], rest))
    pairs = reading.frame("differences")
    if len(pairs):
        title = "Differences between every two groups"
        section.more.append((title, [], [_differences(pairs, title, limits)]))
    return section


def _points(reading: Reading) -> pd.DataFrame:
    """Utility and disparity of every method that was audited; of the baseline from the comparison if it was not."""
    names = {"value": "utility", "low": "utility_low", "high": "utility_high"}
    keys = ["attribute", "method"]
    rows = reading.table[reading.table["metric"] == reading.metric]
    overall = rows[rows["group"] == OVERALL].rename(columns=names)[[*keys, *names.values()]]
    spread = rows[rows["group"] == GAP].rename(columns={k: v.replace("utility", "disparity") for k, v in names.items()})
    found = overall.merge(spread[[*keys, "disparity", "disparity_low", "disparity_high"]], on=keys)
    compared = reading.comparison[reading.comparison["metric"] == reading.metric]
    if reading.baseline and reading.baseline not in set(found["method"]) and len(compared):
        before = [compared[compared["group"] == g].drop_duplicates("attribute") for g in (OVERALL, GAP)]
        both = before[0].merge(before[1], on="attribute", suffixes=("", "_gap"))
        base = both[["attribute"]].assign(
            method=reading.baseline, utility=both["baseline_value"], disparity=both["baseline_value_gap"]
        )
        found = pd.concat([base, found], ignore_index=True)
    found["method"] = found["method"].where(found["method"] != "", "this model")
    return found.dropna(subset=["utility", "disparity"])


def _sign(reading: Reading) -> float:
    return -1.0 if lower_is_better(reading.metric) else 1.0


def _chance_figure(rows: pd.DataFrame, behind: Table, limits: Limits) -> Figure:
    drawn = rows.assign(metric=[title_of(m) for m in rows["metric"]]).head(limits.groups)
    phone = gaps_against_chance(drawn, narrow=True) if limits.narrow else None
    words = "Gaps with 95 % intervals"
    if rows[list(_CHANCE)].notna().any(axis=None):
        words += ", beside the gaps that shuffled groups give and the smallest gap that this n could have shown"
    return figure(gaps_against_chance(drawn), f"{words}.", behind, narrow=phone)


def _gaps(rows: pd.DataFrame, caption: str, limits: Limits, file_name: str) -> Table:
    shown = {"estimate": texts(rows), "p": [p_value(p) for p in rows["p"]]}
    shown["metric"] = [title_of(m) for m in rows["metric"]]
    headings = {"attribute": "attribute", "metric": "gap in", "method": "method", "estimate": "gap (95 % interval)"}
    headings |= {"p": "permutation p", "chance": "mean gap by chance", "chance_high": "95 % of chance gaps below"}
    headings |= {"detectable": "smallest detectable gap", "n": "n", "note": "note"}
    shown |= {name: [number(v) if np.isfinite(v) else "–" for v in rows[name]] for name in _CHANCE}
    return table(rows, caption, limits, headings=used(headings, rows), shown=shown, file_name=file_name)


def _differences(rows: pd.DataFrame, caption: str, limits: Limits) -> Table:
    shown = {"estimate": texts(rows, ("difference", "low", "high"), signed=True)}
    shown["metric"] = [title_of(str(m)) for m in rows["metric"]]
    shown |= {name: [p_value(p) for p in rows[name]] for name in ("p", "p_holm")}
    headings = {"attribute": "attribute", "metric": "metric", "group_a": "group a", "group_b": "group b"}
    headings |= {"estimate": "a − b (simultaneous 95 % interval)", "p": "p", "p_holm": "p (Holm)"}
    headings |= {"n_a": "n of a", "n_b": "n of b"}
    return table(rows, caption, limits, headings=headings, shown=shown, file_name="differences.csv")
