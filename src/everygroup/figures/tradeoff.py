"""Utility against disparity: which methods no other method beats on both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.figures.frames import in_order, numeric, require
from everygroup.figures.spec import Spec, described, field, finished, layer
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
    ticks = {"tickCount": 5}
    x = field("disparity:Q", title=f"{disparity} (less is better)", scale={"zero": True}, axis=ticks)
    towards = "less" if lower_is_better else "more"
    y = field("utility:Q", title=f"{utility} ({towards} is better)", scale={"zero": False}, axis=ticks)
    known = {"title": None, "legend": {"columns": 1, "symbolOpacity": 1}}
    colour = field("series:N", scale={"domain": series, "range": colours}, **known)
    shape = field("series:N", scale={"domain": series, "range": shapes}, **known)
    dashed = {"color": SOFT, "strokeDash": [4, 3], "strokeWidth": 1.5, "interpolate": "step-after", "aria": False}
    bar = {"strokeWidth": 1.5, "opacity": 0.6, "aria": False}
    panels: list[Spec] = []
    for attribute, part in rows.groupby("attribute", sort=False):
        front = part[pareto_front(sign * part["utility"], part["disparity"])]
        part = part.drop(columns=["method", "attribute"])
        across = {"x": x | {"field": "disparity_low"}, "x2": field("disparity_high"), "y": y, "color": colour}
        along = {"x": x, "y": y | {"field": "utility_low"}, "y2": field("utility_high"), "color": colour}
        dots = {"x": x, "y": y, "color": colour, "shape": shape, **described("say:N")}
        order = {"order": field("disparity:Q")}
        layers = [
            layer("line", {"x": x, "y": y, **order}, front[["disparity", "utility"]], **dashed),
            layer("rule", across, part.dropna(subset=ends[2:]), **bar),
            layer("rule", along, part.dropna(subset=ends[:2]), **bar),
            layer("point", dots, part, filled=True, size=110, opacity=1),
        ]
        title = short_names([attribute])[str(attribute)] if attribute else ""
        panels.append({"layer": layers, "width": _SIDE, "height": _SIDE, **({"title": title} if title else {})})
    return finished(
        panels,
        f"{utility} against {disparity} of every method; the dashed line joins those no other beats.",
        columns=3,
        resolve={"x": "independent", "y": "independent"},
    )
