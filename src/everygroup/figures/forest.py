"""The forest plot that several figures are made of: a row per group, a point with its interval, the numbers as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from everygroup.figures.frames import counts, in_order, numeric, top_level, zero_line
from everygroup.figures.theme import short_names

if TYPE_CHECKING:
    import altair as alt

PLOT_WIDTH = 400
# On a phone the label stands above its row and the numbers beside it, so that all fits into 360 pixels.
NARROW_PLOT, _NARROW_WIDTH, _LINE, _LABEL = 176, 340, 20, 20


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

    def panel(self, rows: pd.DataFrame, title: str) -> Any:
        """Draw one panel of rows with `row`, `value`, `low`, `high`, `shown` (text), `say` and the field."""
        return self._narrow(rows, title) if self.narrow else self._wide(rows, title)

    def stacked(self, panels: Sequence[Any], description: str) -> alt.TopLevelMixin:
        """Put panels on one axis, one above the other."""
        import altair as alt

        resolve = alt.Resolve(scale={"x": "shared", "y": "independent", "color": "shared", "shape": "shared"})
        return alt.vconcat(*panels, resolve=resolve, **top_level(description))

    def _wide(self, rows: pd.DataFrame, title: str) -> Any:
        import altair as alt

        order = in_order(rows["row"])
        lines = in_order(rows[self.field]) if self.apart else [""]
        base = alt.Chart()
        axis = alt.Axis(ticks=False, domain=False, labelPadding=8, grid=False)
        scale = alt.Scale(paddingInner=0.15, paddingOuter=0.1)
        place: dict[str, Any] = {"y": alt.Y("row:N", sort=order, title=None, scale=scale, axis=axis)}
        if len(lines) > 1:
            place["yOffset"] = alt.YOffset(f"{self.field}:N", sort=lines, scale=alt.Scale(domain=lines))
        numbers = base.mark_text(align="left", fontSize=13, aria=False).encode(
            x=alt.value(PLOT_WIDTH + 14), text="shown:N", **place
        )
        height = len(order) * (10 + 18 * len(lines))
        layers = [*self._marks(base, place, {}, alt.Axis(tickCount=6)), numbers]
        named = {"title": title} if title else {}
        return alt.layer(*layers, data=self._data(rows), width=PLOT_WIDTH, height=height, **named)

    def _narrow(self, rows: pd.DataFrame, title: str) -> Any:
        import altair as alt

        data = self._data(rows)
        lines = in_order(rows[self.field]) if self.apart else [""]
        order = {row: i for i, row in enumerate(in_order(rows["row"]))}
        line = rows[self.field].astype(str).map({name: i for i, name in enumerate(lines)}) if self.apart else 0
        step = _LABEL + _LINE * len(lines) + 4
        data["top"] = rows["row"].map(order).to_numpy() * step + _LABEL * 0.6
        data["at"] = data["top"] + _LABEL * 0.4 + (np.asarray(line) + 0.5) * _LINE
        data["above"], data["below"] = data["at"] - _LINE / 2, data["at"] + _LINE / 2
        height = step * len(order)
        scale = alt.Scale(domain=[0, height], range=[0, height], nice=False)
        base = alt.Chart()
        at = {"y": alt.Y("at:Q", title=None, axis=None, scale=scale)}
        data["label"] = data["row"].where(~data["row"].duplicated(), "")
        labels = base.mark_text(align="left", fontSize=13, limit=_NARROW_WIDTH, aria=False)
        numbers = base.mark_text(align="left", fontSize=12, aria=False)
        # The line at zero is broken where a label stands.
        between = {"y": alt.Y("above:Q", title=None, axis=None, scale=scale), "y2": "below:Q"}
        layers = [
            *self._marks(base, at, between, alt.Axis(tickCount=3, titleAnchor="start", titleLimit=_NARROW_WIDTH)),
            labels.encode(x=alt.value(0), y=alt.Y("top:Q", axis=None, scale=scale), text="label:N"),
            numbers.encode(x=alt.value(NARROW_PLOT + 10), text="shown:N", **at),
        ]
        return alt.layer(*layers, data=data, width=NARROW_PLOT, height=height, **({"title": title} if title else {}))

    def _marks(self, base: Any, place: dict[str, Any], between: dict[str, Any], axis: Any) -> list[Any]:
        """The interval, the point and the line at zero."""
        import altair as alt

        scale = alt.Scale(domain=self.domain, nice=False, zero=False)
        # Many series wrap into columns, so that the legend never grows wider than the plot.
        columns = 1 if self.narrow else max(1, min(4, 72 // max(1, *(len(name) for name in self.names))))
        legend = alt.Legend(columns=columns, labelLimit=320) if any(self.names) else None
        names, colours, shapes = list(self.names), list(self.colours), list(self.shapes)
        colour: Any = alt.Color(
            f"{self.field}:N", scale=alt.Scale(domain=names, range=colours), title=None, legend=legend
        )
        shape: Any = alt.Shape(
            f"{self.field}:N", scale=alt.Scale(domain=names, range=shapes), title=None, legend=legend
        )
        if list(self.names) == [""]:
            colour, shape = alt.value(self.colours[0]), alt.value(self.shapes[0])
        layers = [
            base.mark_rule(strokeWidth=2, aria=False).encode(
                x=alt.X("low:Q", title=self.x, scale=scale, axis=axis), x2="high:Q", color=colour, **place
            ),
            base.mark_point(filled=True, size=75, opacity=1).encode(
                x=alt.X("value:Q", title=self.x, scale=scale, axis=axis),
                color=colour,
                shape=shape,
                description="say:N",
                tooltip=alt.Tooltip("say:N", title=" "),
                **place,
            ),
        ]
        zero = base.mark_rule(**zero_line()).encode(x=alt.XDatum(0), **between)
        return [zero, *layers] if self.zero else layers

    def _data(self, rows: pd.DataFrame) -> pd.DataFrame:
        columns = ["row", "value", "low", "high", "shown", "say", self.field]
        return rows[list(dict.fromkeys(columns))].reset_index(drop=True)


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
