"""Figures of SPARE's sample weights: which groups a group-specific model learns from, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from everygroup.figures.frames import MAX_POINTS, in_order, numeric, require, top_level
from everygroup.figures.theme import BETTER, INK, SOFT, number, short_names

if TYPE_CHECKING:
    import altair as alt

IN_GROUP, OUT_GROUP = "in-group", "out-of-group"
_QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}


def weight_quantiles(weights: pd.DataFrame) -> pd.DataFrame:
    """Summarise sample weights: one row per target group and source group.

    Parameters
    ----------
    weights : pandas.DataFrame
        One row per sample and target group: `target_group`, `source_group`, `weight`.

    Returns
    -------
    pandas.DataFrame
        `target_group`, `source_group`, `n`, `mean`, `p05`, `p25`, `median`, `p75`, `p95`. NaN weights are left
        out; an empty source group is 'missing'.
    """
    require(weights, ["target_group", "source_group", "weight"], "sample weights")
    rows = _with_missing(numeric(weights, ["weight"])).dropna(subset=["weight"])
    found = []
    for (target, source), part in rows.groupby(["target_group", "source_group"], sort=False):
        w = part["weight"].to_numpy()
        row: dict[str, Any] = {"target_group": str(target), "source_group": str(source), "n": len(w), "mean": w.mean()}
        found.append(row | dict(zip(_QUANTILES, np.quantile(w, list(_QUANTILES.values())), strict=True)))
    return pd.DataFrame(found, columns=["target_group", "source_group", "n", "mean", *_QUANTILES])


def weights_by_source_group(weights: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw box plots of the sample weight by source group, one panel per target group.

    Boxes hold the middle half of the weights, whiskers run from the 5th to the 95th percentile. The target group's
    own samples are filled, all others hollow.

    Parameters
    ----------
    weights : pandas.DataFrame
        As in `weight_quantiles`, or what that returns; then a column `own` may say whose samples are the target
        group's, where sources are finer than groups.
    """
    import altair as alt

    table = weights.copy() if set(_QUANTILES) <= set(weights.columns) else weight_quantiles(weights)
    require(table, ["median"], "sample weights")
    targets = short_names(table["target_group"])
    sources = short_names(table["source_group"])
    table["row"] = [f"{sources[s]}  (n = {n:,})" for s, n in zip(table["source_group"], table["n"], strict=True)]
    own = table["own"].astype(bool) if "own" in table else table["source_group"] == table["target_group"]
    table["kind"] = np.where(own, IN_GROUP, OUT_GROUP)
    table["say"] = [
        f"model for {targets[target]}, samples of {row}: median weight {number(median)}, "
        f"middle half {number(p25)} to {number(p75)}"
        for target, row, median, p25, p75 in zip(
            *(table[c].tolist() for c in ("target_group", "row", "median", "p25", "p75")), strict=True
        )
    ]
    panels = []
    for target in in_order(table["target_group"]):
        part = table[table["target_group"] == target]
        base = alt.Chart(part[["row", "kind", "say", *_QUANTILES]]).encode(
            y=alt.Y(
                "row:N",
                sort=_source_order(part),
                title=None,
                axis=alt.Axis(ticks=False, domain=False, grid=False, labelPadding=8),
            ),
        )
        kinds = [IN_GROUP, OUT_GROUP]
        legend = alt.Legend(title="samples", symbolType="square", symbolStrokeWidth=2)
        fill = alt.Fill("kind:N", scale=alt.Scale(domain=kinds, range=[BETTER, "transparent"]), legend=legend)
        line = alt.Stroke("kind:N", scale=alt.Scale(domain=kinds, range=[BETTER, INK]), legend=legend)
        x = alt.X(
            "p05:Q",
            title="sample weight",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1]),
        )
        layers = [
            base.mark_rule(strokeWidth=1.5, aria=False).encode(x=x, x2="p25:Q", stroke=line),
            base.mark_rule(strokeWidth=1.5, aria=False).encode(x="p75:Q", x2="p95:Q", stroke=line),
            base.mark_bar(size=15, cornerRadius=2, strokeWidth=1.5, fillOpacity=0.35).encode(
                x="p25:Q", x2="p75:Q", fill=fill, stroke=line, description="say:N", tooltip="say:N"
            ),
            base.mark_tick(thickness=3, size=15, color=INK, aria=False).encode(x="median:Q"),
        ]
        title = f"model for {targets[target]}"
        panels.append(alt.layer(*layers, width=300, height=28 * len(part), title=title))
    return alt.concat(
        *panels,
        columns=min(2, len(panels)),
        resolve=alt.Resolve(scale={"y": "independent"}),
        **top_level("Distribution of the sample weight by source group, for every target group."),
    )


def utility_against_similarity(weights: pd.DataFrame, *, seed: int = 0, limit: int = MAX_POINTS) -> alt.TopLevelMixin:
    """Draw every sample by its two distances, coloured by its weight, one panel per target group.

    Parameters
    ----------
    weights : pandas.DataFrame
        `target_group`, `utility`, `similarity` (the two distances), `weight`; `source_group` gives the shapes.
    seed : int
        Seed of the random choice when there are more than `limit` points; the subtitle then says so.
    limit : int
        The greatest number of points, over all panels.
    """
    import altair as alt

    columns = ["utility", "similarity", "weight"]
    require(weights, ["target_group", *columns], "utility against similarity")
    rows = _with_missing(numeric(weights, columns)).dropna(subset=columns)
    require(rows, columns, "utility against similarity")
    total = len(rows)
    if total > limit:
        rows = rows.sample(limit, random_state=seed).sort_index()
    note = f"A random {len(rows):,} of {total:,} samples." if total > limit else f"All {total:,} samples."
    rows = rows.assign(kind=OUT_GROUP)
    if "source_group" in rows:
        rows.loc[rows["source_group"] == rows["target_group"], "kind"] = IN_GROUP
    targets = short_names(rows["target_group"])
    # Three digits are more than the eye can tell apart, and make the page a third smaller.
    rows[columns] = rows[columns].round(3)
    colour = alt.Color(
        "weight:Q",
        # The yellow end of viridis cannot be seen on white.
        scale=alt.Scale(scheme=alt.SchemeParams("viridis", extent=[0.0, 0.93]), domain=[0, 1]),
        title="sample weight",
        legend=alt.Legend(gradientLength=160, gradientThickness=10, direction="horizontal"),
    )
    shape = alt.Shape(
        "kind:N",
        scale=alt.Scale(domain=[IN_GROUP, OUT_GROUP], range=["circle", "cross"]),
        title="samples",
        legend=alt.Legend(symbolFillColor=SOFT, symbolStrokeColor=SOFT) if "source_group" in rows else None,
    )
    panels = []
    for target in in_order(rows["target_group"]):
        part = rows[rows["target_group"] == target]
        title = f"model for {targets[target]}"
        panels.append(
            alt.Chart(part[[*columns, "kind"]], width=290, height=230, title=title)
            .mark_point(filled=True, size=26, stroke=SOFT, strokeWidth=0.4, opacity=1, aria=False)
            .encode(
                x=alt.X("similarity:Q", title="similarity distance"),
                y=alt.Y("utility:Q", title="utility distance"),
                color=colour,
                shape=shape,
            )
        )
    heading = alt.TitleParams(note, fontSize=12, fontWeight="normal", color=SOFT, offset=10)
    return alt.concat(
        *panels,
        columns=min(2, len(panels)),
        title=heading,
        resolve=alt.Resolve(scale={"x": "shared", "y": "shared"}),
        **top_level(f"Utility distance against similarity distance, coloured by weight. {note}"),
    )


def _with_missing(rows: pd.DataFrame) -> pd.DataFrame:
    """Make the group names texts; a sample without a group is its own value, 'missing'."""
    rows["target_group"] = rows["target_group"].astype(str)
    if "source_group" in rows:
        known = rows["source_group"].notna() & (rows["source_group"].astype(str) != "")
        rows["source_group"] = rows["source_group"].astype(str).where(known, "missing")
    return rows


def _source_order(part: pd.DataFrame) -> list[str]:
    """Put the target group's own samples first, then the others from the highest median weight down."""
    own = part["kind"] == IN_GROUP
    ordered = part.assign(own=own).sort_values(["own", "median"], ascending=[False, False], kind="stable")
    return list(ordered["row"])
