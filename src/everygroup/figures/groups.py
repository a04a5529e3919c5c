"""Forest plots over groups: a metric with its intervals, and paired changes against a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from everygroup.figures.forest import Forest, by_panel, domain_of, labelled
from everygroup.figures.frames import in_order, require
from everygroup.figures.theme import (
    BETTER,
    UNCLEAR,
    WORSE,
    estimate,
    metric_words,
    series_style,
    short_names,
)

if TYPE_CHECKING:
    import altair as alt

_DIRECTIONS = {
    "better (interval excludes zero)": (BETTER, "triangle-up"),
    "worse (interval excludes zero)": (WORSE, "triangle-down"),
    "no clear change (interval holds zero)": (UNCLEAR, "circle"),
}


def metric_by_group(table: pd.DataFrame, metric: str, *, narrow: bool = False) -> alt.TopLevelMixin:
    """Draw a forest plot of one metric by group, several methods side by side.

    Parameters
    ----------
    table : pandas.DataFrame
        Long rows with `group`, `metric`, `value`; and, where known, `attribute`, `method`, `low`, `high`, `n`.
    metric : str
        The metric's name in column `metric`.
    narrow : bool
        Whether to draw for a phone, in 360 pixels: labels above the rows.

    Returns
    -------
    altair chart
        One panel per attribute. An undefined value has no point and reads 'undefined'.

    Raises
    ------
    EverygroupError
        If a column is missing, or no row has this metric.
    """
    what = f"{metric} by group"
    require(table, ["group", "metric", "value"], what)
    rows = table[table["metric"].astype(str) == metric]
    require(rows, ["value"], what)
    rows = labelled(rows)
    methods = in_order(rows["method"])
    rows["series"] = rows["method"].map(short_names(methods) if methods != [""] else {"": ""})
    series = in_order(rows["series"])
    colours, shapes = series_style(series)
    whose = f", for {', '.join(series)}" if any(series) else ""
    rows["shown"] = [estimate(*row) for row in rows[["value", "low", "high"]].itertuples(index=False)]
    rows["say"] = rows["series"].map(lambda name: f"{name}, " if name else "") + rows["row"] + ": " + rows["shown"]
    forest = Forest("series", series, colours, shapes, metric_words(metric), domain_of(rows), narrow=narrow)
    return forest.chart(by_panel(rows, ["attribute"]), f"{metric_words(metric)} by group with 95 % intervals{whose}.")


def change_against_baseline(
    comparison: pd.DataFrame,
    *,
    lower_is_better: bool = False,
    baseline: str = "the baseline",
    narrow: bool = False,
) -> alt.TopLevelMixin:
    """Draw the paired change of every group against a baseline, with a line at zero.

    A method that levels down shows as a column of triangles that point downwards.

    Parameters
    ----------
    comparison : pandas.DataFrame
        Long rows of one metric with `group`, `value` (the change), `low`, `high`; and, where known, `attribute`,
        `method`, `n`.
    lower_is_better : bool
        True for errors and losses, so that a fall counts as better.
    baseline : str
        The baseline's name, for the axis.
    narrow : bool
        Whether to draw for a phone, in 360 pixels.
    """
    what = "changes against a baseline"
    require(comparison, ["group", "value", "low", "high"], what)
    rows = labelled(comparison)
    sign = -1.0 if lower_is_better else 1.0
    names = list(_DIRECTIONS)
    low, high = rows["low"] * sign, rows["high"] * sign
    rows["direction"] = names[2]
    rows.loc[pd.concat([low, high], axis=1).min(axis=1, skipna=False) > 0, "direction"] = names[0]
    rows.loc[pd.concat([low, high], axis=1).max(axis=1, skipna=False) < 0, "direction"] = names[1]
    rows["shown"] = [estimate(*row, signed=True) for row in rows[["value", "low", "high"]].itertuples(index=False)]
    rows["say"] = rows["row"] + ": change " + rows["shown"] + ", " + rows["direction"]
    metric = in_order(comparison["metric"])[0] if "metric" in comparison.columns else "value"
    several = len(in_order(rows["method"])) > 1
    forest = Forest(
        "direction",
        names,
        [colour for colour, _ in _DIRECTIONS.values()],
        [shape for _, shape in _DIRECTIONS.values()],
        f"change in {metric_words(metric)} against {short_names([baseline])[baseline]}",
        domain_of(rows, zero=True),
        zero=True,
        apart=False,
        narrow=narrow,
    )
    keys = ["method", "attribute"] if several else ["attribute"]
    return forest.chart(
        by_panel(rows, keys), f"Paired change of {metric_words(metric)} in every group against {baseline}."
    )
