"""What a page is made of: tables with a download, figures with the table behind them, sections."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from markupsafe import Markup

from everygroup.figures import inline_svg
from everygroup.figures.theme import UNDEFINED, clean_text, number
from everygroup.files import without_formulas

_COUNTS = frozenset({"n", "n_positive", "n_in_group", "successes", "trials", "seed", "count", "epoch"})


@dataclass(frozen=True)
class Limits:
    """How much goes into one page; a page that grows too big is written again with `LEAN`."""

    rows: int = 200
    groups: int = 40
    points: int = 2_000
    csv_bytes: int = 150_000
    picture_bytes: int = 500_000
    panels: int = 8  # of one figure
    curve_points: int = 60
    narrow: bool = True  # whether forest plots are drawn a second time for phones


FULL = Limits()
LEAN = Limits(
    rows=40,
    groups=15,
    points=400,
    csv_bytes=20_000,
    picture_bytes=0,
    panels=4,
    curve_points=25,
    narrow=False,
)


@dataclass(frozen=True)
class Table:
    """A table as the page shows it: texts only, numbers already written out."""

    caption: str
    header: list[str]
    rows: list[list[str]]
    right: list[bool]  # columns of numbers
    left_out: int
    csv: str  # data: address, empty when the data are too big to embed
    file_name: str
    names: int = 0  # the column that names the row


@dataclass(frozen=True)
class Link:
    """A file inside the page, to be downloaded; without an address it was too big to embed."""

    title: str
    file_name: str
    address: str


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption and the data behind it, as a table or as a download only."""

    svg: Markup
    caption: str
    table: Table | None = None
    narrow: Markup | None = None  # the same for a phone
    link: Link | None = None


@dataclass
class Section:
    """One part of the page; everything in it is optional."""

    id: str
    title: str
    intro: list[str] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    lead: list[Table] = field(default_factory=list)  # tables that stand before the figures
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[tuple[str, str]] = field(default_factory=list)  # caption, data: address of a PNG
    more: list[tuple[str, list[Figure], list[Table]]] = field(default_factory=list)  # folded away under a title
    code: str = ""
    row: list[Figure] = field(default_factory=list)  # small figures that stand side by side
    links: list[Link] = field(default_factory=list)
    folded: bool = False  # whether the reader opens it


def table(
    data: pd.DataFrame,
    caption: str,
    limits: Limits,
    *,
    headings: Mapping[str, str] | None = None,
    shown: Mapping[str, Sequence[str]] | None = None,
    file_name: str = "table.csv",
) -> Table:
    """Make a table of a data frame.

    Parameters
    ----------
    data : DataFrame
        What the download holds.
    caption : str
        Above the table.
    limits : Limits
        Rows shown and bytes downloadable.
    headings : mapping, optional
        The columns to show and what stands above them; all by default.
    shown : mapping, optional
        Texts to show in a column instead of the values (an estimate with its interval, say); may be a new column.
    file_name : str
        Name of the download.
    """
    shown = shown or {}
    headings = headings or {str(c): str(c).replace("_", " ") for c in data.columns}
    columns, right = [], []
    names = [i for i, name in enumerate(headings) if name in ("group", "metric", "criterion")][:1]
    for name in headings:
        texts = list(shown[name]) if name in shown else [cell(v, name) for v in data[name].tolist()]
        columns.append(texts)
        right.append(name not in data or (pd.api.types.is_numeric_dtype(data[name]) and data[name].dtype != bool))
    rows = [list(row) for row in zip(*columns, strict=True)]
    return Table(
        caption=clean_text(caption),
        header=[clean_text(text) for text in headings.values()],
        rows=rows[: limits.rows],
        right=right,
        left_out=max(0, len(rows) - limits.rows),
        csv=csv_address(data, limits.csv_bytes),
        file_name=file_name,
        names=names[0] if names else 0,
    )


def cell(value: Any, name: str = "") -> str:
    """Return one value as text: whole numbers whole, others with three digits, undefined numbers 'undefined'."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}" if name != "seed" else str(value)
    if isinstance(value, (float, np.floating)):
        if not np.isfinite(value):
            return UNDEFINED
        if name in _COUNTS and float(value).is_integer():
            return f"{int(value):,}"
        return f"{value:,.1f}".replace("-", "−") if abs(float(value)) >= 100 else number(value)
    if value is None or value is pd.NaT or value is pd.NA:
        return "–"
    if isinstance(value, Mapping):
        return "; ".join(f"{clean_text(k).replace('_', ' ')}: {cell(v)}" for k, v in value.items()) or "–"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(cell(v) for v in value) or "–"
    return clean_text(value)


def p_value(value: Any) -> str:
    """Return a p-value as text; an absent one is a dash, since not every row has a test."""
    try:
        p = float(value)
    except (TypeError, ValueError):
        return "–"
    if not np.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def csv_address(data: pd.DataFrame, limit: int) -> str:
    """Return a data: address of the table as CSV, or an empty text if that is longer than `limit`.

    It holds no spreadsheet formulas: see `everygroup.files.without_formulas`.
    """
    return text_address(without_formulas(data).to_csv(index=False, float_format="%.6g"), "text/csv", limit)


def text_address(text: str, kind: str, limit: int) -> str:
    """Return a data: address of a text of a kind ('text/markdown'), or an empty text if it is longer than `limit`."""
    data = text.encode("utf-8", "replace")
    coded = [
        f"data:{kind};charset=utf-8," + quote(data, safe="-_.~,:;/@+()!*"),
        f"data:{kind};charset=utf-8;base64," + base64.b64encode(data).decode(),
    ]
    address = min(coded, key=len)
    return address if len(address) <= limit else ""


def figure(
    chart: Any, caption: str, behind: Table | None = None, *, narrow: Any = None, link: Link | None = None
) -> Figure:
    """Draw a chart for the page; `narrow` is the same chart as a phone shows it."""
    phone = None if narrow is None else Markup(inline_svg(narrow, label=caption))
    return Figure(Markup(inline_svg(chart, label=caption)), caption, behind, phone, link)


def facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the entries of a mapping as terms and texts; None and empty texts are left out."""
    return [
        (clean_text(k).replace("_", " "), cell(v, str(k)))
        for k, v in values.items()
        if v is not None and not (isinstance(v, str) and not v)
    ]
