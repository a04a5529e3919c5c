"""Forest plots over groups: a metric with its intervals, and paired changes against a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from everygroup.figures.frames import counts, in_order, numeric, require, top_level, zero_line
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

PLOT_WIDTH = 400
_DIRECTIONS = {
    "better (interval excludes zero)": (BETTER, "triangle-up"),
    "worse (interval excludes zero)": (WORSE, "triangle-down"),
    "no clear change (interval holds zero)": (UNCLEAR, "circle"),
}


def metric_by_group(table: pd.DataFrame, metric: str) -> alt.TopLevelMixin:
    """Draw a forest plot of one metric by group, several methods side by side.

    Parameters
    ----------
    table : pandas.DataFrame
        Long rows with `group`, `metric`, `value`; and, where known, `attribute`, `method`, `low`, `high`, `n`.
    metric : str
        The metric's name in column `metric`.

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
    rows = _filled(rows)
    methods = in_order(rows["method"])
    rows["series"] = rows["method"].map(short_names(methods))
    series = in_order(rows["series"])
    colours, shapes = series_style(series)
    rows["shown"] = [estimate(*row) for row in rows[["value", "low", "high"]].itertuples(index=False)]
    rows["say"] = rows["series"] + ", " + rows["row"] + ": " + rows["shown"]
    panels = [
        _panel(
            part,
            field="series",
            names=series,
            colours=colours,
            shapes=shapes,
            title=title,
            x=metric_words(metric),
            domain=_domain(rows),
        )
        for title, part in _by_panel(rows, ["attribute"])
    ]
    return _stack(panels, f"{metric_words(metric)} by group with 95 % intervals, for {', '.join(series)}.")


def change_against_baseline(
    comparison: pd.DataFrame, *, lower_is_better: bool = False, baseline: str = "the baseline"
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
    """
    what = "changes against a baseline"
    require(comparison, ["group", "value", "low", "high"], what)
    rows = _filled(comparison)
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
    panels = [
        _panel(
            part,
            field="direction",
            names=names,
            colours=[colour for colour, _ in _DIRECTIONS.values()],
            shapes=[shape for _, shape in _DIRECTIONS.values()],
            title=title,
            x=f"change in {metric_words(metric)} against {short_names([baseline])[baseline]}",
            domain=_domain(rows, zero=True),
            zero=True,
        )
        for title, part in _by_panel(rows, ["method", "attribute"] if several else ["attribute"])
    ]
    return _stack(panels, f"Paired change of {metric_words(metric)} in every group against {baseline}.")


def _filled(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns every forest plot uses, with optional ones filled and a label for each row of the plot."""
    rows = numeric(table, ["value", "low", "high", "n"]).reset_index(drop=True)
    for column in ("attribute", "method"):
        rows[column] = rows[column].astype(str) if column in table.columns else ""
    rows["group"] = rows["group"].astype(str)
    rows["row"] = ""
    for _, part in rows.groupby("attribute", sort=False):
        labels = short_names(part["group"])
        for group, same in part.groupby("group", sort=False):
            n = counts(same["n"])
            rows.loc[same.index, "row"] = f"{labels[str(group)]}  ({n})" if n else labels[str(group)]
    return rows[["attribute", "method", "group", "row", "value", "low", "high"]]


def _by_panel(rows: pd.DataFrame, keys: list[str]) -> list[tuple[str, pd.DataFrame]]:
    found = []
    for values, part in rows.groupby(keys, sort=False):
        words = [short_names([value])[str(value)] for value in values if value]
        found.append((" · ".join(words), part))
    return found


def _panel(
    rows: pd.DataFrame,
    *,
    field: str,
    names: list[str],
    colours: list[str],
    shapes: list[str],
    title: str,
    x: str,
    domain: tuple[float, float],
    zero: bool = False,
) -> Any:
    """Draw one panel: a row per group, within it an offset per method, and the numbers to the right."""
    import altair as alt

    order = in_order(rows["row"])
    offsets = in_order(rows["series"]) if "series" in rows else [""]
    height = len(order) * (10 + 18 * len(offsets))
    columns = ["row", "value", "low", "high", "shown", "say", field]
    base = alt.Chart(rows[list(dict.fromkeys(columns))])
    y = alt.Y("row:N", sort=order, title=None, scale=alt.Scale(paddingInner=0.15, paddingOuter=0.1), axis=_row_axis())
    place: dict[str, Any] = {"y": y}
    if len(offsets) > 1:
        place["yOffset"] = alt.YOffset("series:N", sort=offsets, scale=alt.Scale(domain=offsets))
    scale = alt.Scale(domain=domain, nice=False, zero=False)
    across = alt.X("value:Q", title=x, scale=scale, axis=alt.Axis(tickCount=6))
    one_series = names == [""]
    colour: Any = alt.Color(
        f"{field}:N", scale=alt.Scale(domain=names, range=colours), title=None, legend=_legend(names)
    )
    shape: Any = alt.Shape(f"{field}:N", scale=alt.Scale(domain=names, range=shapes), title=None, legend=_legend(names))
    if one_series:
        colour, shape = alt.value(colours[0]), alt.value(shapes[0])
    layers = [
        base.mark_rule(strokeWidth=2, aria=False).encode(
            x=alt.X("low:Q", title=x, scale=scale), x2="high:Q", color=colour, **place
        ),
        base.mark_point(filled=True, size=75, opacity=1).encode(
            x=across, color=colour, shape=shape, description="say:N", tooltip=alt.Tooltip("say:N", title=" "), **place
        ),
        base.mark_text(align="left", fontSize=13, aria=False).encode(
            x=alt.value(PLOT_WIDTH + 14), text="shown:N", **place
        ),
    ]
    if zero:
        mark = base.mark_rule(**zero_line()).encode(x=alt.XDatum(0))
        layers.insert(0, mark)
    return alt.layer(*layers, width=PLOT_WIDTH, height=height, **({"title": title} if title else {}))


def _domain(rows: pd.DataFrame, *, zero: bool = False) -> tuple[float, float]:
    """Return the range of the values and intervals with a little air, so that no interval is cut."""
    found = rows[["value", "low", "high"]].to_numpy(dtype=float)
    found = found[np.isfinite(found)]
    low, high = (float(found.min()), float(found.max())) if len(found) else (0.0, 1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    air = 0.04 * (high - low) or 0.05
    return low - air, high + air


def _row_axis() -> Any:
    import altair as alt

    return alt.Axis(ticks=False, domain=False, labelPadding=8, grid=False)


def _legend(names: list[str]) -> Any:
    import altair as alt

    # Many methods wrap into columns, so that the legend never grows wider than the plot.
    return alt.Legend(columns=max(1, min(4, 72 // max(len(name) for name in names)))) if any(names) else None


def _stack(panels: list[Any], description: str) -> alt.TopLevelMixin:
    import altair as alt

    resolve = alt.Resolve(scale={"x": "shared", "y": "independent", "color": "shared", "shape": "shared"})
    return alt.vconcat(*panels, resolve=resolve, **top_level(description))
