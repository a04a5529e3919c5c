"""Forest plot of intersections: small subgroups with their counts, and what remains after shrinking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from everygroup.figures.forest import Forest, by_panel, domain_of, labelled
from everygroup.figures.frames import require
from everygroup.figures.theme import INK, PALETTE, estimate, metric_words, number

if TYPE_CHECKING:
    import altair as alt

MEASURED, SHRUNKEN = "measured, with 95 % interval", "shrunken estimate"


def intersections_forest(intersections: pd.DataFrame, metric: str, *, narrow: bool = False) -> alt.TopLevelMixin:
    """Draw every subgroup's value with its interval and n, in the given order, and its shrunken estimate.

    Parameters
    ----------
    intersections : pandas.DataFrame
        Rows with `group`, `metric`, `value`, `low`, `high`; and, where known, `attribute`, `n`,
        `shrunken` (the value after shrinking).
    metric : str
        The metric's name in column `metric`.
    narrow : bool
        Whether to draw for a phone, in 360 pixels.

    Raises
    ------
    EverygroupError
        If a column is missing, or no row has this metric.
    """
    what = f"{metric} in intersections"
    require(intersections, ["group", "metric", "value", "low", "high"], what)
    found = intersections[intersections["metric"].astype(str) == metric]
    require(found, ["value"], what)
    rows = labelled(found, ["shrunken"])
    rows["shown"] = [estimate(*row) for row in rows[["value", "low", "high"]].itertuples(index=False)]
    rows["say"] = rows["row"] + ": " + rows["shown"]
    domain = domain_of(rows, columns=("value", "low", "high", "shrunken"))
    names, colours, shapes = [MEASURED], [INK], ["circle"]
    if rows["shrunken"].notna().any():
        pulled = rows.assign(value=rows["shrunken"], low=float("nan"), high=float("nan"), shown="")
        pulled["say"] = rows["row"] + ": shrunken " + rows["shrunken"].map(number)
        rows = pd.concat([rows.assign(series=MEASURED), pulled.assign(series=SHRUNKEN)])
        names, colours, shapes = [*names, SHRUNKEN], [*colours, PALETTE[2]], [*shapes, "diamond"]
    else:
        rows = rows.assign(series=MEASURED)
    forest = Forest("series", names, colours, shapes, metric_words(metric), domain, apart=False, narrow=narrow)
    return forest.chart(
        by_panel(rows, ["attribute"]),
        f"{metric_words(metric)} in every intersection of groups, with counts and intervals.",
    )
