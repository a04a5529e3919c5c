"""Training curves: loss and scores by epoch, for every model of a run; quick enough to redraw after each epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from everygroup.figures.frames import in_order, numeric, require, top_level
from everygroup.figures.theme import PALETTE, SHAPES, SOFT, metric_words, short_names

if TYPE_CHECKING:
    import altair as alt

# More epochs than this are thinned for drawing: a panel is 250 px wide.
MAX_EPOCHS = 80
_WIDTH, _HEIGHT = 250, 110
_LOSS = ("train_loss", "validation_loss")
_NOT_SCORES = frozenset({"model", "epoch", "lr", "selected", "seconds", "split", "step", "time"})


def training_curves(log: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw loss and validation scores by epoch, one panel per model.

    Parameters
    ----------
    log : pandas.DataFrame
        One row per model and epoch: `epoch`, and any of `model`, `train_loss`, `validation_loss`,
        `validation_<score>` (several), `selected` (bool: the epoch that was kept).

    Returns
    -------
    altair chart
        Losses above, scores below; a dotted line marks the selected epoch. Curves of more than 80 epochs are
        thinned evenly, the selected and the last epoch kept.

    Raises
    ------
    EverygroupError
        If the log is empty or has no column to draw.
    """
    import altair as alt

    scores = [c for c in log.columns if c.startswith("validation_") and c not in _LOSS and c not in _NOT_SCORES]
    losses = [c for c in _LOSS if c in log.columns]
    require(log, ["epoch", *([] if losses or scores else ["train_loss"])], "training curves")
    rows = numeric(log, ["epoch", *losses, *scores])
    rows["model"] = rows["model"].astype(str) if "model" in log.columns else ""
    rows["selected"] = _truth(log["selected"]) if "selected" in log.columns else False
    labels = short_names(rows["model"], 30)
    rows["model"] = rows["model"].map(labels)
    drawn = pd.concat([_thinned(part) for _, part in rows.groupby("model", sort=False)])
    families = [(name, columns) for name, columns in (("loss", losses), ("score", scores)) if columns]
    resolve = alt.Resolve(scale={"color": "independent", "shape": "independent", "strokeDash": "independent"})
    description = f"Training curves of {', '.join(labels.values())}."
    charts = [_family(drawn, columns, name) for name, columns in families]
    return alt.vconcat(*charts, spacing=22, resolve=resolve, **top_level(description))


def _family(rows: pd.DataFrame, columns: list[str], name: str) -> Any:
    """Draw all losses, or all scores: one small panel per model, on common axes."""
    import altair as alt

    series = [metric_words(column.removeprefix("validation_") if name == "score" else column) for column in columns]
    long = rows.rename(columns=dict(zip(columns, series, strict=True))).melt(
        id_vars=["model", "epoch", "selected"], value_vars=series, var_name="series", value_name="value"
    )
    models = in_order(long["model"])
    long = long[np.isfinite(long["value"])]
    long["value"] = long["value"].round(4)
    last = long.groupby("model")["epoch"].transform("max")
    long["mark"] = (long["selected"] | (long["epoch"] == last)).astype(int)
    long["selected"] = long["selected"].astype(int)
    first = 1 if name == "loss" else 3  # the two families of curves take different colours
    colours = [PALETTE[(first + i) % len(PALETTE)] for i in range(len(series))]
    dashes = [[5, 3] if i == 0 and len(series) > 1 else [1, 0] if i < 2 else [2, 2] for i in range(len(series))]
    shapes = [SHAPES[i % len(SHAPES)] for i in range(len(series))]
    epochs = float(rows["epoch"].min()), float(rows["epoch"].max())
    legend = alt.Legend(orient="top", offset=10, symbolSize=80, symbolStrokeWidth=0)
    color = alt.Color("series:N", scale=alt.Scale(domain=series, range=colours), title=None, legend=legend)
    dash = alt.StrokeDash("series:N", scale=alt.Scale(domain=series, range=dashes), title=None, legend=None)
    shape = alt.Shape("series:N", scale=alt.Scale(domain=series, range=shapes), title=None, legend=legend)
    x = alt.X(
        "epoch:Q",
        title="epoch",
        scale=alt.Scale(domain=[epochs[0], max(epochs[1], epochs[0] + 1)], nice=False),
        axis=alt.Axis(tickMinStep=1, tickCount=5, grid=False),
    )
    y = alt.Y("value:Q", title=name, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4))
    base = alt.Chart()
    kept = base.transform_filter("datum.selected == 1")
    ends = base.transform_filter("datum.mark == 1")
    layers = [
        kept.mark_rule(color=SOFT, strokeDash=[3, 3], aria=False).encode(x=x),
        base.mark_line(strokeWidth=2, aria=False).encode(x=x, y=y, color=color, strokeDash=dash),
        ends.mark_point(filled=True, size=50, opacity=1).encode(x=x, y=y, color=color, shape=shape),
    ]
    data = long[["model", "epoch", "series", "value", "selected", "mark"]]
    panel = alt.layer(*layers, data=data, width=_WIDTH, height=_HEIGHT)
    header = alt.Header(labels=len(models) > 1 or bool(models[0].strip("()") != "empty"), labelFontWeight="bold")
    facet = alt.Facet("model:N", sort=models, title=None, header=header)
    return panel.facet(facet, columns=min(3, len(models)))


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    if len(rows) <= MAX_EPOCHS:
        return rows
    kept = np.zeros(len(rows), dtype=bool)
    kept[np.linspace(0, len(rows) - 1, MAX_EPOCHS).round().astype(int)] = True
    return rows[kept | rows["selected"].to_numpy()]


def _truth(values: pd.Series) -> pd.Series:
    """Read a column of yes and no that may have been through a CSV file."""
    return values.astype(str).str.strip().str.lower().isin(["true", "1", "1.0", "yes"])
