"""A heat map over cells, the (label, group) pairs: where a class is missed, and how many patients that rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from everygroup.figures.frames import in_order, numeric, require, top_level
from everygroup.figures.theme import GRID, INK, UNDEFINED, metric_words, number, short_names

if TYPE_CHECKING:
    import altair as alt

# Below this value viridis is dark enough for white letters, above it for black ones (contrast of at least 4.5).
_WHITE_LETTERS_BELOW = 0.52


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
    import altair as alt

    require(cells, ["label", "group", "value", "n"], "cells")
    rows = numeric(cells, ["value", "n"]).reset_index(drop=True)
    keys = [column for column in ("attribute", "method") if column in rows and len(in_order(rows[column])) > 1]
    rows[keys] = rows[keys].fillna("").astype(str)
    rows["row"] = rows["label"].astype(str).map(short_names(rows["label"], 28))
    rows["column"] = rows["group"].astype(str).map(short_names(rows["group"], 20))
    count = ["n unknown" if pd.isna(n) else f"n = {int(n):,}" for n in rows["n"]]
    value = [number(v, 2) for v in rows["value"]]
    rows["shown"] = value
    rows["count"] = count
    rows["say"] = [
        f"{label}, {group}: {metric_words(metric)} {v}, {n}"
        for label, group, v, n in zip(rows["row"], rows["column"], value, count, strict=True)
    ]
    air = alt.Scale(paddingInner=0.03, paddingOuter=0)
    panels = []
    parts = rows.groupby(keys, sort=False) if keys else [((), rows)]
    for values, part in parts:
        base = alt.Chart(part[["row", "column", "value", "shown", "count", "say"]]).encode(
            x=alt.X(
                "column:N", sort=in_order(part["column"]), scale=air, title=None, axis=_axis(orient="top", labelAngle=0)
            ),
            y=alt.Y("row:N", sort=in_order(rows["row"]), scale=air, title=None, axis=_axis()),
        )
        defined = base.transform_filter("isValid(datum.value)")
        colour = alt.Color(
            "value:Q",
            scale=alt.Scale(scheme="viridis", domain=[0, 1]),
            title=metric_words(metric),
            legend=alt.Legend(orient="bottom", direction="horizontal", gradientLength=160, gradientThickness=10),
        )
        letters = (
            alt.when(f"isValid(datum.value) && datum.value < {_WHITE_LETTERS_BELOW}")
            .then(alt.value("white"))
            .when("isValid(datum.value)")
            .then(alt.value("black"))
            .otherwise(alt.value(INK))
        )
        layers = [
            base.transform_filter("!isValid(datum.value)")
            .mark_rect(fill=GRID)
            .encode(description="say:N", tooltip="say:N"),
            defined.mark_rect().encode(color=colour, description="say:N", tooltip="say:N"),
            base.mark_text(dy=-7, fontSize=13, fontWeight="bold", aria=False).encode(text="shown:N", color=letters),
            base.mark_text(dy=9, fontSize=11, aria=False).encode(text="count:N", color=letters),
        ]
        title = " · ".join(short_names([v])[str(v)] for v in values if v)
        size = {"width": max(84, 80 * len(in_order(part["column"]))), "height": 44 * len(in_order(part["row"]))}
        panels.append(alt.layer(*layers, **size, **({"title": title} if title else {})))
    words = metric_words(metric)
    return alt.concat(
        *panels,
        columns=max(1, min(len(panels), int(900 // (max(panel.width for panel in panels) + 110)))),
        resolve=alt.Resolve(scale={"x": "independent", "y": "independent"}),
        **top_level(f"{words} in every cell of label and group, with counts; empty cells are {UNDEFINED}."),
    )


def _axis(**settings: Any) -> alt.Axis:
    import altair as alt

    return alt.Axis(ticks=False, domain=False, labelPadding=6, grid=False, **settings)
