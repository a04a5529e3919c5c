"""Utility against disparity: which methods no other method beats on both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.figures.frames import in_order, numeric, require, top_level
from everygroup.figures.theme import SOFT, estimate, series_style, short_names

if TYPE_CHECKING:
    import altair as alt

_SIDE = 250


def pareto_front(utility: ArrayLike, disparity: ArrayLike) -> NDArray[np.bool_]:
    """Tell the points that no other point beats: higher or equal utility and lower or equal disparity, one strictly.

    Points with an undefined number are never on the front.
    """
    u, d = np.asarray(utility, dtype=float), np.asarray(disparity, dtype=float)
    known = np.isfinite(u) & np.isfinite(d)
    beats = (u[:, None] >= u) & (d[:, None] <= d) & ((u[:, None] > u) | (d[:, None] < d))
    return known & ~(beats & known[:, None]).any(axis=0)


def utility_against_disparity(
    points: pd.DataFrame, *, utility: str = "utility", disparity: str = "gap", lower_is_better: bool = False
) -> alt.TopLevelMixin:
    """Draw every method by its utility and its disparity, with intervals both ways and a line along the front.

    Parameters
    ----------
    points : pandas.DataFrame
        One row per method: `method`, `utility`, `disparity`; and, where known, `attribute`, `utility_low`,
        `utility_high`, `disparity_low`, `disparity_high`.
    utility, disparity : str
        Titles of the axes.
    lower_is_better : bool
        True where a lower `utility` is better (an error).

    Raises
    ------
    EverygroupError
        If a column is missing or there is no row.
    """
    import altair as alt

    require(points, ["method", "utility", "disparity"], "utility against disparity")
    ends = ["utility_low", "utility_high", "disparity_low", "disparity_high"]
    rows = numeric(points, ["utility", "disparity", *ends]).dropna(subset=["utility", "disparity"])
    require(rows, ["utility"], "utility against disparity")
    rows["attribute"] = rows["attribute"].astype(str) if "attribute" in points else ""
    rows["series"] = rows["method"].astype(str).map(short_names(rows["method"], 30))
    series = in_order(rows["series"])
    colours, shapes = series_style(series)
    sign = -1.0 if lower_is_better else 1.0
    rows["say"] = [
        f"{name}: {utility} {estimate(u, a, b)}, {disparity} {estimate(d, e, f)}"
        for name, u, a, b, d, e, f in rows[["series", "utility", *ends[:2], "disparity", *ends[2:]]].to_numpy()
    ]
    x = alt.X(
        "disparity:Q", title=f"{disparity} (less is better)", scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5)
    )
    y = alt.Y("utility:Q", title=f"{utility} ({'less' if lower_is_better else 'more'} is better)")
    y = y.scale(zero=False).axis(tickCount=5)
    legend = alt.Legend(columns=1, symbolOpacity=1)
    colour = alt.Color("series:N", title=None, legend=legend, scale=alt.Scale(domain=series, range=colours))
    shape = alt.Shape("series:N", title=None, legend=legend, scale=alt.Scale(domain=series, range=shapes))
    panels = []
    for attribute, part in rows.groupby("attribute", sort=False):
        part = part.assign(front=pareto_front(sign * part["utility"], part["disparity"]))
        base = alt.Chart(part.drop(columns=["method", "attribute"]))
        front = base.transform_filter("datum.front").mark_line(
            color=SOFT, strokeDash=[4, 3], strokeWidth=1.5, interpolate="step-after", aria=False
        )
        bar = base.mark_rule(strokeWidth=1.5, opacity=0.6, aria=False)
        dots = base.mark_point(filled=True, size=110, opacity=1)
        layers = [
            front.encode(x=x, y=y, order="disparity:Q"),
            bar.encode(x="disparity_low:Q", x2="disparity_high:Q", y=y, color=colour),
            bar.encode(x=x, y="utility_low:Q", y2="utility_high:Q", color=colour),
            dots.encode(x=x, y=y, color=colour, shape=shape, description="say:N", tooltip="say:N"),
        ]
        title = short_names([attribute])[str(attribute)] if attribute else ""
        panels.append(alt.layer(*layers, width=_SIDE, height=_SIDE, **({"title": title} if title else {})))
    return alt.concat(
        *panels,
        columns=3,
        resolve=alt.Resolve(scale={"x": "independent", "y": "independent"}),
        **top_level(f"{utility} against {disparity} of every method; the dashed line joins those no other beats."),
    )
