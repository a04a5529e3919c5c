"""The picture of the brief: how often every group is harmed, as so many of a hundred."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from everygroup.figures.forest import Forest, by_panel, domain_of, labelled
from everygroup.figures.frames import require
from everygroup.figures.theme import INK, WORSE, clean_text

if TYPE_CHECKING:
    import altair as alt


def harm_by_group(table: pd.DataFrame, what: str, *, narrow: bool = False) -> alt.TopLevelMixin:
    """Draw every group's value with its interval, the worst group marked by colour and shape.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows with `group`, `value`, `low`, `high`, `shown` (the number in words) and `worst` (bool); a column
        `attribute` parts them.
    what : str
        Title of the axis: 'missed, of 100 cases of melanoma'.
    narrow : bool
        Whether to draw for a phone.

    Returns
    -------
    altair chart

    Raises
    ------
    EverygroupError
        If a column is missing, or there is no row.
    """
    require(table, ["group", "value", "low", "high", "shown", "worst"], what)
    rows = labelled(table.drop(columns=["n"], errors="ignore"))
    rows["shown"] = [clean_text(text) for text in table["shown"]]
    rows["series"] = ["fares worst" if worst else "other groups" for worst in table["worst"]]
    rows["say"] = rows["row"] + ": " + rows["shown"]
    names = [name for name in ("fares worst", "other groups") if name in set(rows["series"])]
    look = {"fares worst": (WORSE, "diamond"), "other groups": (INK, "circle")}
    colours, shapes = zip(*(look[name] for name in names), strict=True)
    low, high = domain_of(rows)
    domain = (max(0.0, low), high) if rows["value"].min() >= 0 else (low, high)
    forest = Forest("series", names, colours, shapes, clean_text(what), domain, apart=False, narrow=narrow)
    return forest.chart(by_panel(rows, ["attribute"]), f"{clean_text(what)} by group, with 95 % intervals.")
