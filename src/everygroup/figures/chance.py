"""Gaps beside what chance alone gives, and beside the smallest gap that so many samples could have shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from everygroup.figures.forest import Forest, by_panel, domain_of, labelled
from everygroup.figures.frames import in_order, numeric, require
from everygroup.figures.theme import INK, PALETTE, SOFT, estimate, number

if TYPE_CHECKING:
    import altair as alt

_MEASURED = "measured gap, with 95 % interval"
_MARKS = {
    "chance": ("mean gap when groups are shuffled", SOFT, "diamond"),
    "chance_high": ("95 % of shuffled gaps are smaller", PALETTE[2], "triangle-left"),
    "detectable": ("smallest gap this n could have shown", PALETTE[1], "cross"),
}


def gaps_against_chance(gaps: pd.DataFrame, *, narrow: bool = False) -> alt.TopLevelMixin:
    """Draw gaps with their intervals, their chance level and the smallest gap that could have been shown.

    Parameters
    ----------
    gaps : pandas.DataFrame
        One row per gap: `metric` (as it is to be shown), `value`, `low`, `high`; and, where known, `attribute`,
        `method`, `n`, `chance`, `chance_high`, `detectable`.
    narrow : bool
        Whether to draw for a phone, in 360 pixels.

    Raises
    ------
    EverygroupError
        If a column is missing or there is no row.
    """
    require(gaps, ["metric", "value", "low", "high"], "gaps against chance")
    names_of = gaps["metric"].astype(str)
    if "method" in gaps and len(in_order(gaps["method"])) > 1:
        names_of = names_of + ", " + gaps["method"].astype(str)
    rows = labelled(numeric(gaps, list(_MARKS)).assign(group=names_of, n=float("nan")), list(_MARKS))
    rows["shown"] = [estimate(*row) for row in rows[["value", "low", "high"]].itertuples(index=False)]
    rows["say"] = rows["row"] + ": gap " + rows["shown"]
    domain = domain_of(rows, zero=True, columns=("value", "low", "high", *_MARKS))
    parts, names, colours, shapes = [rows.assign(series=_MEASURED)], [_MEASURED], [INK], ["circle"]
    for column, (words, colour, shape) in _MARKS.items():
        if rows[column].notna().any():
            mark = rows.assign(series=words, value=rows[column], low=float("nan"), high=float("nan"), shown="")
            parts.append(mark.assign(say=rows["row"] + ": " + words + " " + rows[column].map(number)))
            names, colours, shapes = [*names, words], [*colours, colour], [*shapes, shape]
    forest = Forest("series", names, colours, shapes, "gap", domain, zero=True, apart=False, narrow=narrow)
    return forest.chart(
        by_panel(pd.concat(parts), ["attribute"]), "Gaps between groups, beside the gaps that chance alone gives."
    )
