"""ROC, precision-recall, calibration and risk-coverage curves, one line per group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from everygroup.figures.frames import counts, in_order, numeric, require
from everygroup.figures.spec import Spec, described, field, finished, layer
from everygroup.figures.theme import SOFT, number, series_style, short_names

if TYPE_CHECKING:
    import altair as alt

MAX_CURVES = 7  # as many as the palette has colours
_SIDE, _SMALL = 250, 150
_TOGETHER = 4  # lines with intervals that can be told apart in one panel


@dataclass(frozen=True)
class _Kind:
    """What one kind of curve shows."""

    title: str
    x: str
    y: str
    points: bool = False  # points of bins instead of a step through all thresholds
    diagonal: bool = False
    whole: bool = True  # the y axis runs from 0 to 1


_KINDS = {
    "roc": _Kind("ROC curve", "false positive rate", "true positive rate", diagonal=True),
    "precision_recall": _Kind("Precision-recall curve", "recall", "precision"),
    "calibration": _Kind("Calibration", "mean predicted probability", "observed share", points=True, diagonal=True),
    "risk_coverage": _Kind("Risk-coverage curve", "share of samples answered", "error among them", whole=False),
}


def roc_by_group(curves: pd.DataFrame, *, points: int = 80) -> alt.TopLevelMixin:
    """Draw ROC curves, one per group; see `curves_by_group`."""
    return curves_by_group(curves, "roc", points=points)


def calibration_by_group(curves: pd.DataFrame, *, points: int = 80) -> alt.TopLevelMixin:
    """Draw the observed share against the predicted probability in bins, one line per group, with intervals."""
    return curves_by_group(curves, "calibration", points=points)


def curves_by_group(curves: pd.DataFrame, kind: str, *, points: int = 80) -> alt.TopLevelMixin:
    """Draw one kind of curve for every group, a panel per attribute and label.

    Parameters
    ----------
    curves : pandas.DataFrame
        Rows of points with `group`, `kind`, `x`, `y`; and, where known, `attribute`, `label`, `low`, `high`, `n`.
    kind : {"roc", "precision_recall", "calibration", "risk_coverage"}
        Which rows to draw, and how.
    points : int
        Curves of more points are thinned to about this many, evenly along the curve.

    Returns
    -------
    altair chart
        At most seven groups, the largest, in every panel. Calibration shows its intervals as bars, and every group in a
        panel of its own where there are more than four.

    Raises
    ------
    EverygroupError
        If a column is missing, or there is no curve of this kind.
    """
    what = f"{kind} by group"
    require(curves, ["group", "kind", "x", "y"], what)
    look = _KINDS[kind]
    rows = numeric(curves[curves["kind"].astype(str) == kind], ["x", "y", "low", "high", "n"]).dropna(subset=["x", "y"])
    require(rows, ["x"], what)
    for column in ("attribute", "label"):
        rows[column] = rows[column].fillna("").astype(str) if column in rows else ""
    rows["group"] = rows["group"].astype(str)
    panels = []
    for keys, part in rows.groupby(["attribute", "label"], sort=False):
        words = [short_names([text])[str(text)] for text in keys if text]
        title = " · ".join(words)
        if look.points and part["group"].nunique() > _TOGETHER:
            several = rows[["attribute", "label"]].drop_duplicates().shape[0] > 1
            panels += [_panel(one, look, title if several else "", points, side=_SMALL) for one in _one_each(part)]
        else:
            panels.append(_panel(part, look, title, points))
    description = f"{look.title} of every group: {look.y} against {look.x}."
    apart = dict.fromkeys(("color", "shape", "strokeDash"), "independent")
    return finished(panels, description, columns=3, resolve=apart)


def _largest(rows: pd.DataFrame) -> pd.DataFrame:
    size = rows.groupby("group", sort=False)["n"].max()
    return rows[rows["group"].isin(size.fillna(0).nlargest(MAX_CURVES).index)]


def _one_each(rows: pd.DataFrame) -> list[pd.DataFrame]:
    return [part for _, part in _largest(rows).groupby("group", sort=False)]


def _panel(rows: pd.DataFrame, look: _Kind, title: str, points: int, *, side: int = _SIDE) -> Spec:
    rows = _largest(rows)
    names = short_names(rows["group"], 24)
    parts = [(str(group), part) for group, part in rows.groupby("group", sort=False)]
    # A bin holds some samples of its group, a point of another curve all of them.
    sizes = {g: counts(pd.Series([part["n"].sum(min_count=1)]) if look.points else part["n"]) for g, part in parts}
    words = {group: f"{names[group]} ({n})" if n else names[group] for group, n in sizes.items()}
    drawn = pd.concat([thinned(part, points) for _, part in parts])
    drawn["series"] = drawn["group"].map(words)
    drawn["say"] = [f"{s}: {number(y, 2)} at {number(x, 2)}" for s, x, y in drawn[["series", "x", "y"]].to_numpy()]
    drawn["step"] = np.arange(len(drawn))
    series = in_order(drawn["series"])
    colours, shapes = series_style(series)
    dashes = [[1, 0] if i % 2 == 0 else [6, 3] for i in range(len(series))]
    known: Spec = {"title": None, "legend": {"columns": 1, "symbolStrokeWidth": 2, "symbolOpacity": 1}}
    if side < _SIDE:  # one group: its name stands above it
        known["legend"] = None
        title = f"{title}: {series[0]}" if title else series[0]

    def styled(values: list[Any]) -> Spec:
        return field("series:N", scale={"domain": series, "range": values}, **known)

    colour = styled(colours)
    top = 1.0 if look.whole else min(1.0, 1.05 * float(np.nanmax(rows[["y", "high"]].to_numpy())) or 1.0)
    ticks = {"tickCount": 5 if side == _SIDE else 2, "grid": True}
    x = field("x:Q", title=look.x, axis=ticks, scale={"domain": [0, 1], "nice": False})
    y = field("y:Q", title=look.y, axis=ticks, scale={"domain": [0, top], "nice": False, "clamp": True})
    drawn = drawn[["series", "x", "y", "low", "high", "step", "say"]].round(4)
    path = {"x": x, "y": y, "color": colour, "order": field("step:Q")}
    if not look.points:
        path["strokeDash"] = styled(dashes)
    layers = [layer("line", path, drawn[["series", "x", "y", "step"]], strokeWidth=2, strokeJoin="round", aria=False)]
    if look.points:
        ends = {"x": x, "y": y | {"field": "low"}, "y2": field("high"), "color": colour}
        dots = {"x": x, "y": y, "color": colour, "shape": styled(shapes), **described("say:N")}
        layers.append(layer("rule", ends, drawn.dropna(), strokeWidth=1.5, opacity=0.6, aria=False))
        layers.append(layer("point", dots, drawn, filled=True, size=55, opacity=1))
    if look.diagonal:
        corners = pd.DataFrame({"x": [0, 1], "y": [0, 1]})
        look_of = {"color": SOFT, "strokeDash": [2, 4], "strokeWidth": 1, "aria": False}
        layers.insert(0, layer("line", {"x": x, "y": y}, corners, **look_of))
    heading = {"title": title} if title else {}
    return {"layer": layers, "width": side, "height": side, **heading}


def thinned(rows: pd.DataFrame, points: int) -> pd.DataFrame:
    """Keep about `points` points of one curve (rows with `x` and `y`), evenly along its length, and both ends."""
    if len(rows) <= points:
        return rows
    step = np.hypot(np.diff(rows["x"].to_numpy()), np.diff(rows["y"].to_numpy()))
    along = np.concatenate([[0.0], np.cumsum(step)])
    kept = np.searchsorted(along, np.linspace(0, along[-1], points), side="left")
    return rows.iloc[np.unique(np.concatenate([[0, len(rows) - 1], kept.clip(0, len(rows) - 1)]))]
