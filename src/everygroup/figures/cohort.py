"""Figures of a cohort before anything is trained: cells by size, ages by sex, angles of skin tone, confusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from everygroup.cohort.counts import cells
from everygroup.cohort.crossed import MISSING
from everygroup.figures.frames import in_order, numeric, require
from everygroup.figures.spec import Spec, described, field, finished, layer
from everygroup.figures.theme import GRID, INK, PALETTE, series_style, short_names

if TYPE_CHECKING:
    import altair as alt

    from everygroup.cohort import Cohort

_AXIS: dict[str, Any] = {"ticks": False, "domain": False, "labelPadding": 6, "grid": False}
_AIR = {"paddingInner": 0.03, "paddingOuter": 0}
_WHITE_BELOW = 0.52  # viridis is dark enough for white letters below, light enough for black ones above


def count_heatmap(
    counts: pd.DataFrame,
    *,
    row: str = "label",
    column: str = "group",
    what: str = "n",
    titles: tuple[str, str] | None = None,
) -> alt.TopLevelMixin:
    """Draw a table of counts, coloured on a logarithmic scale, with the number in every cell.

    Parameters
    ----------
    counts : pandas.DataFrame
        One row a cell: the two columns named, and `n`.
    row, column : str
        Which columns make the rows and columns.
    what : str
        What is counted, for a screen reader.
    titles : (str, str), optional
        Titles of the rows and of the columns.
    """
    require(counts, [row, column, "n"], "counts")
    rows = numeric(counts, ["n"]).reset_index(drop=True)
    rows["row"] = rows[row].astype(str).map(short_names(rows[row], 28))
    rows["column"] = rows[column].astype(str).map(short_names(rows[column], 14))
    top = float(np.log1p(rows["n"].max()))
    rows["shade"] = np.log1p(rows["n"]) / top if top > 0 else 0.0
    rows["shown"] = [f"{int(n):,}" for n in rows["n"]]
    rows["say"] = rows["row"] + ", " + rows["column"] + f": {what} " + rows["shown"]
    columns, lines = in_order(rows["column"]), in_order(rows["row"])
    down, across = titles or (None, None)
    above = _AXIS | {"orient": "top", "labelAngle": 0}
    place = {
        "x": field("column:N", sort=columns, scale=_AIR, title=across, axis=above),
        "y": field("row:N", sort=lines, scale=_AIR, title=down, axis=_AXIS),
    }
    colour = field("shade:Q", scale={"scheme": "viridis", "domain": [0, 1]}, legend=None)
    letters = {"condition": {"test": f"datum.shade < {_WHITE_BELOW}", "value": "white"}, "value": "black"}
    drawn = rows[["row", "column", "shade", "shown", "say"]]
    some = drawn["shown"] != "0"
    text = {"fontSize": 13, "aria": False}
    layers = [
        layer("rect", place | described("say:N"), drawn[~some], fill=GRID),
        layer("rect", place | described("say:N") | {"color": colour}, drawn[some]),
        layer("text", place | {"text": field("shown:N"), "color": letters}, drawn[some], **text),
        layer("text", place | {"text": field("shown:N")}, drawn[~some], fill=INK, **text),
    ]
    size = {"width": max(84, 76 * len(columns)), "height": 30 * len(lines)}
    return finished([{"layer": layers, **size}], f"{what} in every cell of {row} and {column}.")


def age_pyramid(ages: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw patients by age band, one panel per sex, side by side on one scale.

    Two sexes face each other; each panel has its own colour and name, so that colour is never the only channel.

    Parameters
    ----------
    ages : pandas.DataFrame
        `band` (in order of age, as '40-49'), `sex`, `n`.
    """
    require(ages, ["band", "sex", "n"], "ages by sex")
    rows = numeric(ages, ["n"]).reset_index(drop=True)
    bands = sorted(in_order(rows["band"]), key=lambda band: int(band.split("-")[0]), reverse=True)
    names = short_names(rows["sex"], 24)
    sexes = sorted(in_order(rows["sex"]), key=lambda sex: sex == "missing")
    top = float(rows["n"].max())
    panels: list[Spec] = []
    for k, sex in enumerate(sexes):
        part = rows[rows["sex"].astype(str) == sex].set_index("band")["n"].reindex(bands, fill_value=0).reset_index()
        part["shown"] = [f"{int(n):,}" if n else "" for n in part["n"]]
        part["say"] = [
            f"{names[sex]}, {band} years: {int(n):,}" for band, n in zip(part["band"], part["n"], strict=True)
        ]
        left = k == 0 and len(sexes) > 1
        labels = _AXIS if k == 0 else _AXIS | {"labels": False}
        x = field(
            "n:Q",
            title="patients or lesions",
            scale={"domain": [0, top * 1.15], "reverse": left, "nice": False},
            axis={"tickCount": 4, "grid": True},
        )
        y = field("band:N", sort=bands, title="age" if k == 0 else None, axis=labels, scale={"paddingInner": 0.1})
        place = {"x": x, "y": y}
        beside = {"align": "right" if left else "left", "dx": -4 if left else 4, "fontSize": 11, "aria": False}
        layers = [
            layer("bar", place | described("say:N"), part, fill=PALETTE[1:][k % (len(PALETTE) - 1)]),
            layer("text", place | {"text": field("shown:N")}, part, fill=INK, **beside),
        ]
        title = f"{names[sex]} (n = {int(part['n'].sum()):,})"
        panels.append({"layer": layers, "width": 230, "height": 20 * len(bands), "title": title})
    return finished(panels, "Patients or lesions by ten years of age and by sex.", columns=len(panels))


def boxes_by_category(values: pd.DataFrame, *, x: str, y: str) -> alt.TopLevelMixin:
    """Draw the spread of numbers in ordered categories, one panel a series.

    Parameters
    ----------
    values : pandas.DataFrame
        `series`, `category`, `value`: one row a sample; undefined values are left out.
    x, y : str
        Titles of the axes.

    Returns
    -------
    altair chart
        Box: middle half; line: median; whiskers: 5th to 95th percentile. No single sample is drawn.
    """
    require(values, ["series", "category", "value"], "categories")
    rows = numeric(values, ["value"]).dropna(subset=["value"])
    names = in_order(rows["series"])
    colours, _ = series_style(names)
    low, high = rows["value"].quantile([0.01, 0.99])
    panels: list[Spec] = []
    for name, colour in zip(names, colours, strict=True):
        part = rows[rows["series"].astype(str) == name]
        by = part.groupby("category", sort=True)["value"]
        levels = {"low": 0.05, "q1": 0.25, "median": 0.5, "q3": 0.75, "high": 0.95}
        spread = pd.DataFrame({name: by.quantile(level) for name, level in levels.items()} | {"n": by.size()})
        spread = spread.reset_index().astype({"category": str})
        spread["say"] = [f"{name}, {r.category}: median {r.median:.1f}, n = {r.n:,}" for r in spread.itertuples()]
        across = field("category:N", title=x, sort=None, axis={"labelAngle": 0, "grid": False})
        scale = {"domain": [float(low), float(high)], "nice": True, "zero": False, "clamp": True}

        def up(column: str, scale: dict[str, Any] = scale) -> Spec:
            return field(f"{column}:Q", title=y, scale=scale)

        layers = [
            layer("rule", {"x": across, "y": up("low"), "y2": field("high")}, spread, color=colour, aria=False),
            layer(
                "bar",
                {"x": across, "y": up("q1"), "y2": field("q3"), **described("say:N")},
                spread,
                fill=colour,
                fillOpacity=0.35,
                stroke=colour,
                width=22,
            ),
            layer("tick", {"x": across, "y": up("median")}, spread, color=INK, thickness=2, width=22, aria=False),
        ]
        panels.append({"layer": layers, "width": 44 * len(spread), "height": 220, "title": name})
    return finished(panels, f"{y} by {x}: medians, middle halves, 5th to 95th percentiles.", columns=2)


def groups_of(cohort: Cohort) -> alt.TopLevelMixin:
    """Draw how many samples of every label are in every group of a cohort, those of no group last."""
    counts = cells(cohort, "all")
    if (cohort.group >= 0).all():
        counts = counts[counts["group"] != MISSING]
    return count_heatmap(counts, what="samples", titles=(cohort.label, cohort.rule.name))
