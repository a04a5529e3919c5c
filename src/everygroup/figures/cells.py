"""A heat map over cells, the (label, group) pairs: where a class is missed, and how many patients that rests on."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pandas as pd

from everygroup.figures.frames import in_order, numeric, require
from everygroup.figures.spec import Spec, described, field, finished, layer
from everygroup.figures.theme import GRID, INK, UNDEFINED, metric_words, number, short_names

if TYPE_CHECKING:
    import altair as alt

# Below this value viridis is dark enough for white letters, above it for black ones (contrast of at least 4.5).
_WHITE_LETTERS_BELOW = 0.52
_AXIS = {"ticks": False, "domain": False, "labelPadding": 6, "grid": False}
_WIDE, _LETTERS, _LINE = 80, 11, 14  # pixels of a column, letters that fit above it, pixels of a line
_DRAWN = ["row", "column", "value", "shown", "count", "say"]


def cell_heatmap(cells: pd.DataFrame, *, metric: str = "recall") -> alt.TopLevelMixin:
    """Draw a rate in every cell with its count.

    Parameters
    ----------
    cells : pandas.DataFrame
        One row per cell: `label`, `group`, `value` in [0, 1], `n`; and `method` and `attribute` where there are
        several, each of which gets its own panel.
    metric : str
        What `value` is.

    Returns
    -------
    altair chart
        A cell without patients is grey and reads 'undefined'.
    """
    require(cells, ["label", "group", "value", "n"], "cells")
    rows = numeric(cells, ["value", "n"]).reset_index(drop=True)
    keys = [column for column in ("attribute", "method") if column in rows and len(in_order(rows[column])) > 1]
    rows[keys] = rows[keys].fillna("").astype(str)
    rows["row"] = rows["label"].astype(str).map(short_names(rows["label"], 28))
    names = short_names(rows["group"], 30)
    rows["column"] = rows["group"].astype(str).map(_wrapped(names))
    count = ["n unknown" if pd.isna(n) else f"n = {int(n):,}" for n in rows["n"]]
    value = [number(v, 2) for v in rows["value"]]
    rows["shown"] = value
    rows["count"] = count
    said = rows["group"].astype(str).map(names)
    rows["say"] = [
        f"{label}, {group}: {metric_words(metric)} {v}, {n}"
        for label, group, v, n in zip(rows["row"], said, value, count, strict=True)
    ]
    air = {"paddingInner": 0.03, "paddingOuter": 0}
    legend = {"orient": "bottom", "direction": "horizontal", "gradientLength": 160, "gradientThickness": 10}
    colour = field("value:Q", scale={"scheme": "viridis", "domain": [0, 1]}, title=metric_words(metric), legend=legend)
    letters = {
        "condition": [
            {"test": f"isValid(datum.value) && datum.value < {_WHITE_LETTERS_BELOW}", "value": "white"},
            {"test": "isValid(datum.value)", "value": "black"},
        ],
        "value": INK,
    }
    panels: list[Spec] = []
    for values, part in rows.groupby(keys, sort=False) if keys else [((), rows)]:
        columns, lines = in_order(part["column"]), in_order(part["row"])
        place = {
            "x": field("column:N", sort=columns, scale=air, title=None, axis=_AXIS | _above(columns)),
            "y": field("row:N", sort=in_order(rows["row"]), scale=air, title=None, axis=_AXIS),
        }
        known, text = part["value"].notna(), {"fontSize": 13, "fontWeight": "bold", "aria": False}
        layers = [
            layer("rect", place | described("say:N"), part[~known][["row", "column", "say"]], fill=GRID),
            layer("rect", place | described("say:N") | {"color": colour}, part[known][_DRAWN]),
            layer("text", place | {"text": field("shown:N"), "color": letters}, part[_DRAWN], dy=-7, **text),
            layer(
                "text",
                place | {"text": field("count:N"), "color": letters},
                part[_DRAWN],
                dy=9,
                fontSize=11,
                aria=False,
            ),
        ]
        title = " · ".join(short_names([v])[str(v)] for v in values if v)
        size = {"width": max(84, _WIDE * len(columns)), "height": 44 * len(lines)}
        panels.append({"layer": layers, **size, **({"title": title} if title else {})})
    return finished(
        panels,
        f"{metric_words(metric)} in every cell of label and group, with counts; empty cells are {UNDEFINED}.",
        columns=max(1, min(len(panels), int(900 // (max(panel["width"] for panel in panels) + 110)))),
        resolve={"x": "independent", "y": "independent"},
    )


def _wrapped(names: dict[str, str]) -> dict[str, str]:
    """Names in lines no wider than a column, so that neighbours do not lie over each other."""
    lines = {key: "\n".join(textwrap.wrap(name, _LETTERS)) or name for key, name in names.items()}
    return lines if len(set(lines.values())) == len(set(names.values())) else names


def _above(columns: list[str]) -> Spec:
    """The axis above the columns; further lines of a label go down, so that all start high enough."""
    more = max(name.count("\n") for name in columns)
    look = {"orient": "top", "labelAngle": 0, "labelLineHeight": _LINE, "labelPadding": 6 + _LINE * more}
    return look | {"labelExpr": "split(datum.label, '\\n')"}
