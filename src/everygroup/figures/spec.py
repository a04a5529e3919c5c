"""Charts from plain Vega-Lite parts: altair's own objects copy and check every part, which takes longer than drawing.

A panel is a mapping as Vega-Lite documents it; `finished` makes an ordinary altair chart of panels, which is shown,
saved and combined like any other.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from everygroup.figures.frames import top_level

if TYPE_CHECKING:
    import altair as alt

_TYPES = {"Q": "quantitative", "N": "nominal", "O": "ordinal"}
Spec = dict[str, Any]


def field(shorthand: str, **settings: Any) -> Spec:
    """Return a channel that shows a field: 'value:Q' with the channel's settings."""
    name, _, kind = shorthand.partition(":")
    return {"field": name, **({"type": _TYPES[kind]} if kind else {}), **settings}


def layer(mark: str, encoding: Mapping[str, Any], rows: pd.DataFrame | None = None, **look: Any) -> Spec:
    """Return one layer: a mark with its look and channels; with data of its own where `rows` is given."""
    own = {} if rows is None else {"data": inline(rows)}
    return {"mark": {"type": mark, **look}, "encoding": dict(encoding), **own}


def inline(rows: pd.DataFrame) -> Spec:
    """Return rows as data within a chart; an undefined number is null."""
    plain = rows.astype(object).where(rows.notna(), None)
    return {"values": plain.to_dict("records")}


def described(shorthand: str) -> Spec:
    """Return the channels with what a mark says to a screen reader and when hovered."""
    return {"description": field(shorthand), "tooltip": field(shorthand, title=" ")}


def finished(
    panels: Sequence[Mapping[str, Any]],
    description: str,
    *,
    columns: int = 1,
    resolve: Mapping[str, Any] | None = None,
) -> alt.TopLevelMixin:
    """Return panels, side by side in so many columns, as one altair chart with the house's look.

    A notebook shows it drawn, so that nothing is loaded from elsewhere.
    """
    import altair as alt

    panel = _panel_class()
    parts = [panel(data=alt.Undefined, **part) for part in panels]
    scales = {"scale": dict(resolve)} if resolve else alt.Undefined
    return _figure_class()(concat=parts, columns=columns, resolve=scales, **top_level(description))


@functools.cache
def _figure_class() -> Any:
    import altair as alt

    class Figure(alt.ConcatChart):
        """A chart that a notebook shows as SVG: altair's own way loads its code over the network."""

        def _repr_mimebundle_(self, *args: Any, **options: Any) -> dict[str, str]:
            from everygroup.figures.export import inline_svg

            return {"text/html": f"<figure>{inline_svg(self)}</figure>"}

    return Figure


@functools.cache
def _panel_class() -> Any:
    from altair.utils.schemapi import SchemaBase, Undefined

    class Panel(SchemaBase):
        """A plain panel, which altair takes as it is."""

        _schema: ClassVar[dict[str, str]] = {"type": "object"}
        _class_is_valid_at_instantiation = False

        def __deepcopy__(self, memo: Any) -> Panel:
            return Panel(**self._kwds)

        def to_dict(self, *args: Any, **options: Any) -> Spec:
            return {key: part for key, part in self._kwds.items() if part is not Undefined}

    return Panel
