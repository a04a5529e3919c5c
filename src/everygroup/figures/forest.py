"""The forest plot that several figures are made of: a row per group, a point with its interval, the numbers as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from everygroup.figures.frames import counts, in_order, numeric, zero_line
from everygroup.figures.spec import Spec, described, field, finished, layer
from everygroup.figures.theme import short_names

if TYPE_CHECKING:
    import altair as alt

PLOT_WIDTH = 400
# On a phone the label stands above its row and the numbers beside it, so that all fits into 360 pixels.
NARROW_PLOT, _NARROW_WIDTH, _LABEL = 176, 340, 20
_LINE, _AIR, _TITLE, _BETWEEN, _LABEL_LIMIT = 19, 5, 24, 12, 320


@dataclass(frozen=True)
class Forest:
    """How the series of a forest plot look.

    Attributes
    ----------
    field : the column that colour and shape show; names, colours, shapes : its values and how each looks.
    x : title of the axis; domain : its range; zero : whether a line marks zero.
    apart : whether every series has a line of its own within a row; otherwise they lie on one line.
    narrow : whether to draw for a phone.
    """

    field: str
    names: Sequence[str]
    colours: Sequence[str]
    shapes: Sequence[str]
    x: str
    domain: tuple[float, float]
    zero: bool = False
    apart: bool = True
    narrow: bool = False

    def chart(self, panels: Sequence[tuple[str, pd.DataFrame]], description: str) -> alt.TopLevelMixin:
        """Draw panels, each a title and rows with `row`, `value`, `low`, `high`, `shown` (text), `say` and the field.

        All share one axis, one above the other, in one drawing.
        """
        placed, headings, height = self._placed(panels)
        scale = {"domain": [0, height], "range": [0, height], "nice": False}

        def at(column: str) -> Spec:
            return field(f"{column}:Q", title=None, axis=None, scale=scale)

        width = NARROW_PLOT if self.narrow else PLOT_WIDTH
        axis = (
            {"tickCount": 3, "titleAnchor": "start", "titleLimit": _NARROW_WIDTH} if self.narrow else {"tickCount": 6}
        )
        labels = placed[placed["label"] != ""][["label", "label_at"]]
        numbers = placed[placed["shown"] != ""][["shown", "at"]]
        place = {"x": {"value": 0 if self.narrow else -8}}
        side: Spec = {"align": "left" if self.narrow else "right", "fontSize": 13, "aria": False}
        side["limit"] = _NARROW_WIDTH if self.narrow else _LABEL_LIMIT
        small = {"align": "left", "fontSize": 12 if self.narrow else 13, "aria": False}
        layers = [
            *self._marks(placed, at, axis),
            layer("text", {**place, "y": at("label_at"), "text": field("label:N")}, labels, **side),
            layer("text", {"x": {"value": width + 12}, "y": at("at"), "text": field("shown:N")}, numbers, **small),
        ]
        if len(headings):
            bold = {**side, "fontWeight": "bold"}
            layers.append(layer("text", {**place, "y": at("at"), "text": field("title:N")}, headings, **bold))
        return finished([{"layer": layers, "width": width, "height": height}], description)

    def _placed(self, panels: Sequence[tuple[str, pd.DataFrame]]) -> tuple[pd.DataFrame, pd.DataFrame, float]:
        """Give every row its place from the top; also the titles with theirs, and the height of all."""
        top, parts, headings = 0.0, [], []
        for number, (title, rows) in enumerate(panels):
            top += _BETWEEN if number else 0
            if title:
                headings.append({"title": title, "at": top + _TITLE / 2})
                top += _TITLE
            lines = in_order(rows[self.field]) if self.apart else [""]
            order = {row: i for i, row in enumerate(in_order(rows["row"]))}
            line = rows[self.field].astype(str).map({name: i for i, name in enumerate(lines)}) if self.apart else 0
            above = _LABEL if self.narrow else _AIR  # what stands above a row's first line
            step = above + _LINE * len(lines) + (4 if self.narrow else _AIR)
            begin = top + rows["row"].map(order).to_numpy() * step
            at = begin + above + (np.asarray(line) + 0.5) * _LINE
            middle = begin + (_LABEL * 0.6 if self.narrow else step / 2)
            between = (_LINE / 2, _LINE / 2) if self.narrow else (at - begin, begin + step - at)
            place = {"at": at, "label_at": middle, "above": at - between[0], "below": at + between[1]}
            parts.append(rows.assign(**place, label=rows["row"].where(~rows["row"].duplicated(), "")))
            top += step * len(order)
        return pd.concat(parts), pd.DataFrame(headings), top

    def _marks(self, rows: pd.DataFrame, at: Callable[[str], Spec], axis: Spec) -> list[Spec]:
        """The line at zero (broken where a label stands), the interval and the point."""
        scale = {"domain": list(self.domain), "nice": False, "zero": False}
        # Many series wrap into columns, so that the legend never grows wider than the plot.
        columns = 1 if self.narrow else max(1, min(4, 72 // max(1, *(len(name) for name in self.names))))
        legend = {"columns": columns, "labelLimit": 320} if any(self.names) else None
        colour: Spec = {"value": self.colours[0]}
        shape: Spec = {"value": self.shapes[0]}
        if list(self.names) != [""]:
            known: Spec = {"title": None, "legend": legend}
            names = list(self.names)
            colour = field(f"{self.field}:N", scale={"domain": names, "range": list(self.colours)}, **known)
            shape = field(f"{self.field}:N", scale={"domain": names, "range": list(self.shapes)}, **known)
        y = {"y": at("at")}

        def x(column: str) -> Spec:
            return field(f"{column}:Q", title=self.x, scale=scale, axis=axis)

        known_ends = rows.dropna(subset=["low", "high"])[["low", "high", "at", self.field]]
        ends = {"x": x("low"), "x2": field("high"), "color": colour, **y}
        point = {"x": x("value"), "color": colour, "shape": shape, **described("say:N"), **y}
        drawn = [
            layer("rule", ends, known_ends, strokeWidth=2, aria=False),
            layer("point", point, rows[["value", "say", "at", self.field]], filled=True, size=75, opacity=1),
        ]
        zero = {"x": {"datum": 0}, "y": at("above"), "y2": field("below")}
        return [layer("rule", zero, rows[["above", "below"]], **zero_line()), *drawn] if self.zero else drawn


def labelled(table: pd.DataFrame, extra: Sequence[str] = ()) -> pd.DataFrame:
    """Return the columns every forest plot uses, with optional ones filled and a label for each row of the plot."""
    rows = numeric(table, ["value", "low", "high", "n", *extra]).reset_index(drop=True)
    for column in ("attribute", "method"):
        rows[column] = rows[column].astype(str) if column in table.columns else ""
    rows["group"] = rows["group"].astype(str)
    rows["row"] = ""
    for _, part in rows.groupby("attribute", sort=False):
        labels = short_names(part["group"])
        for group, same in part.groupby("group", sort=False):
            n = counts(same["n"])
            rows.loc[same.index, "row"] = f"{labels[str(group)]}  ({n})" if n else labels[str(group)]
    return rows[["attribute", "method", "group", "row", "value", "low", "high", *extra]]


def by_panel(rows: pd.DataFrame, keys: list[str]) -> list[tuple[str, pd.DataFrame]]:
    """Split rows into panels, each with its title."""
    found = []
    for values, part in rows.groupby(keys, sort=False):
        words = [short_names([value])[str(value)] for value in values if value]
        found.append((" · ".join(words), part))
    return found


def domain_of(
    rows: pd.DataFrame, *, zero: bool = False, columns: Sequence[str] = ("value", "low", "high")
) -> tuple[float, float]:
    """Return the range of the values and intervals with a little air, so that no interval is cut."""
    found = rows[list(columns)].to_numpy(dtype=float)
    found = found[np.isfinite(found)]
    low, high = (float(found.min()), float(found.max())) if len(found) else (0.0, 1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    air = 0.04 * (high - low) or 0.05
    return low - air, high + air
