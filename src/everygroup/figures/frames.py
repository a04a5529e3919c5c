"""Checks and small helpers shared by the chart families."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from everygroup.errors import EverygroupError
from everygroup.figures.theme import INK, clean_text, theme_config

MAX_POINTS = 2_000


def require(table: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Raise an EverygroupError when a column a figure needs is not there, or no row is."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise EverygroupError(
            f"The table for the figure of {what} lacks the column {', '.join(missing)}.",
            fix=f"give a table with the columns {', '.join(columns)}",
        )
    if table.empty:
        raise EverygroupError(f"The table for the figure of {what} has no rows.", fix="leave this figure out")


def numeric(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return a copy with the columns as floats; absent columns and infinities become NaN."""
    table = table.copy()
    for column in columns:
        values = pd.to_numeric(table[column], errors="coerce") if column in table.columns else np.nan
        table[column] = pd.Series(values, index=table.index, dtype=float).replace([np.inf, -np.inf], np.nan)
    return table


def counts(values: pd.Series) -> str:
    """Return 'n = 312', or 'n = 300 to 312' where rows differ; an unknown count is an empty text."""
    known = pd.to_numeric(values, errors="coerce").dropna()
    if known.empty:
        return ""
    low, high = int(known.min()), int(known.max())
    return f"n = {low:,}" if low == high else f"n = {low:,} to {high:,}"


def in_order(values: pd.Series) -> list[str]:
    """Return the distinct values as texts, in order of first appearance."""
    return [str(value) for value in pd.unique(values.astype(str))]


def top_level(description: str) -> dict[str, Any]:
    """Return what a finished chart's constructor takes: the house's look, and words for people who cannot see it.

    Given to the constructor, since every altair method copies the whole chart, which takes longer than drawing it.
    """
    return {"description": clean_text(description), "padding": 4, "config": theme_config()}


def zero_line(width: float = 1.5) -> dict[str, Any]:
    """Return the mark of a reference line."""
    return {"color": INK, "strokeWidth": width, "aria": False}
