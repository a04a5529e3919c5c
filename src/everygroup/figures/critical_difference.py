"""The critical-difference diagram: mean ranks on an axis, bars over methods that the ranks do not tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from everygroup.errors import EverygroupError
from everygroup.figures.frames import numeric, require, top_level
from everygroup.figures.theme import INK, PALETTE, SOFT, UNDEFINED, number, short_names

if TYPE_CHECKING:
    import altair as alt

PLOT_WIDTH = 400
_ROW, _LANE, _FIRST_LANE, _BAR = 24, 10, 14, 5
_REACH = 14  # how far the lines to the names run beyond the axis


def critical_difference_diagram(
    ranks: pd.DataFrame, *, cd: float, cliques: Sequence[Sequence[int]], n: int | None = None, alpha: float = 0.05
) -> alt.TopLevelMixin:
    """Draw mean ranks of methods, best to the left, after Demsar (JMLR 2006).

    Parameters
    ----------
    ranks : pandas.DataFrame
        One row per method: `method`, `mean_rank` (1 is best).
    cd : float
        Critical difference of two mean ranks, drawn as a ruler; NaN when unknown.
    cliques : sequence of sequences of int
        Positions in `ranks` of the methods that a bar joins, as `everygroup.statistics.cliques` gives them.
    n : int or None
        Rows (data sets, seeds) that were ranked, for the caption.
    alpha : float
        Level of the critical difference, for the caption.

    Returns
    -------
    altair chart
        Half of the names stand to the left and half to the right, each with its mean rank.

    Raises
    ------
    EverygroupError
        If a column is missing, a mean rank is undefined, or there are fewer than two methods.
    """
    import altair as alt

    require(ranks, ["method", "mean_rank"], "critical differences")
    table = numeric(ranks, ["mean_rank"]).reset_index(drop=True)
    if len(table) < 2 or table["mean_rank"].isna().any():
        raise EverygroupError(
            "The figure of critical differences needs two or more methods, each with a mean rank.",
            fix="leave this figure out, or rank rows in which every method has a value",
        )
    k = len(table)
    table["name"] = table["method"].astype(str).map(short_names(table["method"], 32))
    bars = _bars(table["mean_rank"].to_numpy(), cliques, k)
    lanes = int(bars["lane"].max()) + 1 if len(bars) else 0
    rows = _FIRST_LANE + lanes * _LANE + _ROW // 2
    methods = _places(table, k, rows)
    ruler = rows + ((k + 1) // 2) * _ROW + 4
    height = ruler + 48

    def x(field: str = "x") -> Any:
        return alt.X(
            f"{field}:Q",
            title="mean rank (1 is best)",
            scale=alt.Scale(domain=[1, k], nice=False, zero=False),
            axis=alt.Axis(
                orient="top",
                values=list(range(1, k + 1)),
                format="d",
                grid=False,
                labelFlush=False,
                domainColor=INK,
                tickColor=INK,
            ),
        )

    def y(field: str = "y") -> Any:
        return alt.Y(f"{field}:Q", scale=alt.Scale(domain=[0, height], range=[0, height]), axis=None)

    base = alt.Chart(methods)
    line: dict[str, Any] = {"strokeWidth": 1, "color": SOFT, "aria": False}
    layers = [
        base.mark_rule(**line).encode(x=x(), y=y("top"), y2="y"),
        base.mark_rule(**line).encode(x=x(), x2="end", y=y()),
        base.mark_point(filled=True, size=45, opacity=1, color=INK).encode(
            x=x(), y=y("top"), description="say:N", tooltip=alt.Tooltip("say:N", title=" ")
        ),
    ]
    if len(bars):
        bar = alt.Chart(bars).mark_rule(strokeWidth=_BAR, strokeCap="round", color=PALETTE[1])
        said = alt.Tooltip("say:N", title=" ")
        layers.insert(2, bar.encode(x=x("low"), x2="high", y=y(), description="say:N", tooltip=said))
    for side, place in (("left", {"align": "right", "dx": -5}), ("right", {"align": "left", "dx": 5})):
        part = alt.Chart(methods[methods["side"] == side])
        style: dict[str, Any] = {"baseline": "middle", "fontSize": 13, "aria": False, **place}
        layers.append(part.mark_text(**style).encode(x=x("end"), y=y(), text="label:N"))
    layers += _ruler(cd, n, alpha, k, ruler, x, y)
    return alt.layer(*layers, width=PLOT_WIDTH, height=height, **top_level(_words(table, cd, cliques, n)))


def _places(table: pd.DataFrame, k: int, first: int) -> pd.DataFrame:
    """Return where every method's line turns and ends: better half to the left, from outside in, so none cross."""
    order = table.sort_values("mean_rank", kind="stable")
    place = np.arange(k)
    left = place < (k + 1) // 2
    reach = _REACH * (k - 1) / PLOT_WIDTH
    shown = [number(rank, 2) for rank in order["mean_rank"]]
    return pd.DataFrame(
        {
            "x": order["mean_rank"].to_numpy(),
            "top": 0,
            "y": first + _ROW * np.where(left, place, k - 1 - place),
            "end": np.where(left, 1 - reach, k + reach),
            "side": np.where(left, "left", "right"),
            "label": [f"{name}: {rank}" for name, rank in zip(order["name"], shown, strict=True)],
            "say": [f"{name}: mean rank {rank}" for name, rank in zip(order["name"], shown, strict=True)],
        }
    )


def _bars(rank: np.ndarray, cliques: Sequence[Sequence[int]], k: int) -> pd.DataFrame:
    """Return one bar per clique, in the first lane where it keeps clear of the bars before it."""
    air = 4 * (k - 1) / PLOT_WIDTH  # a bar reaches a little over its outermost methods
    spans = sorted((float(rank[list(c)].min()) - air, float(rank[list(c)].max()) + air, len(c)) for c in cliques if c)
    ends: list[float] = []
    found = []
    for low, high, size in spans:
        lane = next((i for i, end in enumerate(ends) if end + 2 * air < low), len(ends))
        ends[lane : lane + 1] = [high]
        say = f"{size} methods not told apart, mean ranks {number(low + air, 2)} to {number(high - air, 2)}"
        found.append({"low": low, "high": high, "lane": lane, "y": _FIRST_LANE + lane * _LANE, "say": say})
    return pd.DataFrame(found, columns=["low", "high", "lane", "y", "say"])


def _ruler(cd: float, n: int | None, alpha: float, k: int, at: int, x: Any, y: Any) -> list[Any]:
    """Draw the critical difference as a ruler with its caption."""
    import altair as alt

    known = "" if n is None else f", {n} rows"
    text = [f"critical difference {number(cd, 2)} (Nemenyi, level {alpha:g}{known})"]
    text.append("bars join methods that are not told apart")
    caption = alt.Chart(pd.DataFrame({"low": 1.0, "y": [at + 18, at + 36], "text": text}))
    parts = [
        caption.mark_text(align="left", baseline="middle", fontSize=13, color=SOFT, aria=False).encode(
            x=x("low"), y=y(), text="text:N"
        )
    ]
    if np.isfinite(cd):
        ends = [(1.0, 1.0 + cd, at, at), (1.0, 1.0, at - 4, at + 4), (1.0 + cd, 1.0 + cd, at - 4, at + 4)]
        frame = pd.DataFrame(ends, columns=["low", "high", "y", "y2"])
        mark: dict[str, Any] = {"strokeWidth": 2, "color": INK, "aria": False}
        parts.append(alt.Chart(frame[:1]).mark_rule(**mark).encode(x=x("low"), x2="high", y=y()))
        parts.append(alt.Chart(frame[1:]).mark_rule(**mark).encode(x=x("low"), y=y(), y2="y2"))
    return parts


def _words(table: pd.DataFrame, cd: float, cliques: Sequence[Sequence[int]], n: int | None) -> str:
    """Say the whole figure for people who cannot see it."""
    order = table.sort_values("mean_rank", kind="stable")
    ranks = ", ".join(f"{name} {number(r, 2)}" for name, r in zip(order["name"], order["mean_rank"], strict=True))
    joined = "; ".join(", ".join(str(table["name"].iloc[i]) for i in members) for members in cliques)
    rows = "" if n is None else f" over {n} rows"
    apart = f"Not told apart: {joined}." if joined else "All methods are told apart."
    difference = number(cd, 2) if np.isfinite(cd) else UNDEFINED
    return f"Mean ranks{rows}, best first: {ranks}. Critical difference {difference}. {apart}"
