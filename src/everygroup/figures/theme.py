"""One look for every figure: colours, marker shapes, type sizes, and words that are safe to draw."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

# Three neutral colours carry all text, axes and grids. An HTML page swaps exactly these values in dark mode
# (see everygroup.figures.export.DARK_CSS), so no other colour may be used for text outside a coloured cell.
INK = "#1b1f24"
SOFT = "#5b6672"
GRID = "#dde2e8"

# Okabe and Ito's colours, safe for colour-blind readers; their black is INK, their yellow is left out because
# it cannot be seen on white.
PALETTE = (INK, "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "stroke")
BETTER, WORSE, UNCLEAR = "#0072B2", "#D55E00", SOFT

# Liberation Sans, Arial and Helvetica have the same widths, so a label measured here fits on every machine.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
UNDEFINED = "undefined"

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def theme_config() -> dict[str, Any]:
    """Return the Vega-Lite configuration that every figure carries."""
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None, "continuousWidth": 400, "continuousHeight": 200},
        "axis": {
            "labelColor": SOFT,
            "titleColor": SOFT,
            "labelFontSize": 13,
            "titleFontSize": 13,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "gridColor": GRID,
            "domainColor": GRID,
            "tickColor": GRID,
            "labelLimit": 320,
        },
        "axisY": {"labelColor": INK},
        "legend": {
            "labelColor": INK,
            "titleColor": SOFT,
            "labelFontSize": 13,
            "titleFontSize": 13,
            "titleFontWeight": "normal",
            "symbolSize": 90,
            "labelLimit": 320,
            "orient": "top",
            "offset": 12,
        },
        "title": {
            "color": INK,
            "subtitleColor": SOFT,
            "fontSize": 14,
            "subtitleFontSize": 13,
            "anchor": "start",
            "frame": "group",
            "offset": 8,
        },
        "header": {"labelColor": INK, "titleColor": SOFT, "labelFontSize": 13},
        "text": {"color": INK, "fontSize": 13},
        "concat": {"spacing": 18},
        "range": {"category": list(PALETTE)},
    }


def series_style(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return one colour and one shape for each series, in order.

    The two lists have different periods (7 and 8), so up to 56 series differ in colour or shape, and the first
    eight differ in shape alone: colour is never the only channel.
    """
    return (
        [PALETTE[i % len(PALETTE)] for i in range(len(names))],
        [SHAPES[i % len(SHAPES)] for i in range(len(names))],
    )


def clean_text(value: object) -> str:
    """Return text from data as one drawable line: no control, surrogate or direction-override characters."""
    text = "".join(" " if ch in "\t\r\n" else ch for ch in str(value))
    kept = (ch for ch in text if unicodedata.category(ch) not in ("Cc", "Cs") and ch not in _BIDI_CONTROLS)
    return " ".join("".join(kept).split())


def short_names(names: Iterable[object], limit: int = 36) -> dict[str, str]:
    """Map every distinct name to a label of at most about `limit` characters, keeping labels distinct.

    Long names lose their middle, since the ends usually tell them apart; equal labels get a number.
    """
    labels: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(str(name) for name in names):
        text = clean_text(name) or "(empty)"
        if len(text) > limit:
            head = (limit - 1) * 2 // 3
            text = f"{text[:head]}…{text[-(limit - 1 - head) :]}"
        label, count = text, 1
        while label in taken:
            count += 1
            label = f"{text} ({count})"
        taken.add(label)
        labels[name] = label
    return labels


def number(value: object, digits: int = 3, *, signed: bool = False) -> str:
    """Return a number as text with a true minus sign; NaN, None and infinities are 'undefined', never 0."""
    try:
        x = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return UNDEFINED
    if not math.isfinite(x):
        return UNDEFINED
    text = f"{x:+.{digits}f}" if signed else f"{x:.{digits}f}"
    if float(text) == 0:  # neither "-0.000" nor "+0.000"
        text = f"{0:.{digits}f}"
    return text.replace("-", "−")


def estimate(value: object, low: object, high: object, digits: int = 3, *, signed: bool = False) -> str:
    """Return '0.812 (0.770 to 0.850)', '0.812 (no interval)' or 'undefined'."""
    centre = number(value, digits, signed=signed)
    ends = number(low, digits, signed=signed), number(high, digits, signed=signed)
    if centre == UNDEFINED:
        return centre
    if UNDEFINED in ends:
        return f"{centre} (no interval)"
    return f"{centre} ({ends[0]} to {ends[1]})"


def metric_words(metric: str) -> str:
    """Return a metric's name as people write it: 'macro_f1' gives 'macro F1'."""
    known = {
        "f1": "F1",
        "auc": "AUC",
        "auroc": "AUROC",
        "tpr": "TPR",
        "fpr": "FPR",
        "ece": "ECE",
        "lr": "learning rate",
    }
    return " ".join(known.get(word.lower(), word) for word in clean_text(metric).split("_"))
