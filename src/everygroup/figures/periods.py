"""A metric of every group from one period of time to the next, with bands of intervals and marks where it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from everygroup.figures.frames import in_order, numeric, require
from everygroup.figures.spec import Spec, described, field, finished, layer
from everygroup.figures.theme import estimate, metric_words, series_style, short_names

if TYPE_CHECKING:
    import altair as alt

MAX_GROUPS = 7  # as many as the palette has colours
_TOGETHER = 3  # bands that can be told apart in one panel
_WIDE, _PHONE, _SMALL = (620, 240), (250, 190), (260, 150)


def metric_over_time(
    series: pd.DataFrame,
    metric: str,
    changes: Mapping[tuple[str, str], str] | None = None,
    *,
    narrow: bool = False,
) -> alt.TopLevelMixin:
    """Draw one metric of every group over periods, a panel per attribute (per group where there are many).

    Parameters
    ----------
    series : pandas.DataFrame
        Rows of one metric with `attribute`, `group`, `period`, `order`, `value`, `low`, `high`.
    metric : str
        What it is called.
    changes : mapping, optional
        The first period after a change, by attribute and group: marked by a dashed line in the group's colour.
    narrow : bool
        Whether to draw for a phone.

    Returns
    -------
    altair chart
        Of at most seven groups an attribute, those with the most rows behind them.

    Raises
    ------
    EverygroupError
        If a column is missing, or there is no row.
    """
    what = f"{metric} over time"
    require(series, ["attribute", "group", "period", "order", "value", "low", "high"], what)
    rows = numeric(series, ["order", "value", "low", "high", "n"])
    require(rows.dropna(subset=["value"]), ["value"], what)
    order = rows.drop_duplicates("period").sort_values("order")
    periods = [str(period) for period in order["period"]]
    ends = rows[["value", "low", "high"]].to_numpy()
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    air = 0.04 * (high - low) or 0.05
    panels: list[Spec] = []
    for attribute, part in rows.groupby("attribute", sort=False):
        size = part.groupby("group", sort=False)["n"].sum()
        groups = [g for g in in_order(part["group"]) if g in set(size.nlargest(MAX_GROUPS).index.astype(str))]
        since = {g: (changes or {}).get((str(attribute), g), "") for g in groups}
        look = dict(zip(groups, zip(*series_style(groups), strict=True), strict=True))
        shown = [groups] if len(groups) <= _TOGETHER else [[g] for g in groups]
        for names in shown:
            size_of = _PHONE if narrow else _WIDE if len(shown) == 1 else _SMALL
            words = [
                short_names([attribute])[str(attribute)],
                *([short_names(names)[names[0]]] if len(shown) > 1 else []),
            ]
            own = part[part["group"].astype(str).isin(names)]
            panel = _panel(own, metric, names, look, periods, (low - air, high + air), since, size_of)
            panels.append(panel | {"title": " · ".join(words)})
    several = any(panel["width"] == _SMALL[0] for panel in panels)
    apart = dict.fromkeys(("color", "shape"), "independent")
    description = f"{metric_words(metric)} of every group over {len(periods)} periods, with 95 % intervals."
    return finished(panels, description, columns=1 if narrow or not several else 2, resolve=apart)


def _panel(
    rows: pd.DataFrame,
    metric: str,
    names: Sequence[str],
    look: Mapping[str, tuple[str, str]],
    periods: Sequence[str],
    domain: tuple[float, float],
    since: Mapping[str, str],
    size: tuple[int, int],
) -> Spec:
    labels = short_names(names, 24)
    drawn = rows.assign(series=rows["group"].astype(str).map(labels), period=rows["period"].astype(str))
    drawn["say"] = [
        f"{s}, {p}: {estimate(v, a, b)}"
        for s, p, v, a, b in drawn[["series", "period", "value", "low", "high"]].to_numpy().tolist()
    ]
    drawn = drawn[["series", "period", "value", "low", "high", "say"]]
    known: Spec = {"title": None, "legend": {"columns": 3, "symbolOpacity": 1} if len(names) > 1 else None}
    series = [labels[name] for name in names]

    def styled(at: int) -> Spec:
        return field("series:N", scale={"domain": series, "range": [look[n][at] for n in names]}, **known)

    # so many labels of periods as fit side by side
    step = max(1, int(np.ceil(len(periods) * 62 / size[0])))
    axis = {"values": list(periods[::step]), "labelAngle": 0, "grid": False}
    x = field("period:O", title=None, axis=axis, scale={"domain": list(periods), "type": "point", "padding": 0.4})
    scale = {"domain": list(domain), "nice": False, "zero": False}
    y = field("value:Q", title=metric_words(metric), axis={"tickCount": 4, "grid": True}, scale=scale)
    band = drawn.dropna(subset=["low", "high"])
    layers = [
        layer("area", {"x": x, "y": y | {"field": "low"}, "y2": field("high"), "color": styled(0)}, band[
            ["series", "period", "low", "high"]
        ], opacity=0.18, aria=False),
        layer("line", {"x": x, "y": y, "color": styled(0)}, drawn[["series", "period", "value"]], strokeWidth=2,
              aria=False),
        layer("point", {"x": x, "y": y, "color": styled(0), "shape": styled(1), **described("say:N")}, drawn[
            ["series", "period", "value", "say"]
        ], filled=True, size=60, opacity=1),
    ]  # fmt: skip
    marks = pd.DataFrame(
        [
            {"series": labels[n], "period": since[n], "say": f"{labels[n]} changed: {since[n]}"}
            for n in names
            if since[n] in periods
        ]
    )
    if len(marks):
        rule = {"x": x, "color": styled(0), **described("say:N")}
        layers.insert(0, layer("rule", rule, marks, strokeDash=[5, 4], strokeWidth=2))
        if len(names) > 1:  # lines that lie on each other say whose they are
            whose = marks.groupby("period", sort=False)["series"].agg(", ".join).reset_index()
            words = {"x": x, "y": {"value": 6}, "text": field("series:N")}
            layers.append(layer("text", words, whose, align="left", dx=5, fontSize=12, aria=False))
    return {"layer": layers, "width": size[0], "height": size[1]}
