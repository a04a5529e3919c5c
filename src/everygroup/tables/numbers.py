"""Numbers as people write them: decimal comma or point, thousands in groups; decided by the column, never by a cell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Blanks and apostrophes that group thousands: 1 234, 1'234, 1’234; only ever between digits.
_GROUPING = re.compile("(?<=\\d)[ '\u2019\u00a0\u2009\u202f\u2007\u02bc](?=\\d{3}(?!\\d))")
_MINUS = str.maketrans({"\u2212": "-", "\u2012": "-", "\u2013": "-", "\ufe63": "-", "\uff0d": "-"})
_SIGN, _EXPONENT = r"[+-]?", r"(?:[eE][+-]?\d+)?"
_PLAIN = re.compile(rf"{_SIGN}(?:\d+\.?\d*|\.\d+){_EXPONENT}")
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
_INFINITE = re.compile(r"[+-]?inf(inity)?|[+-]?∞", re.IGNORECASE)


class Mark(Enum):
    """What stands before the decimals."""

    POINT = "."
    COMMA = ","


def cleaned(text: str) -> str:
    """Return a number's text without blanks around it and apostrophes or blanks between its thousands, -1 for −1."""
    return _GROUPING.sub("", text.strip().translate(_MINUS))


def is_either(text: str) -> bool:
    """Whether a text such as '1.234' or '1,234' may be thousands or decimals."""
    return bool(_EITHER.fullmatch(cleaned(text)))


def value(text: str, mark: Mark) -> float:
    """Return the number that a text means with this decimal mark; NaN where it is none (see `is_infinite`)."""
    text = cleaned(text)
    thousands = "," if mark is Mark.POINT else "."
    if thousands in text:
        whole, point, decimals = text.partition(mark.value)
        if not re.fullmatch(rf"{_SIGN}[1-9]\d{{0,2}}(?:{re.escape(thousands)}\d{{3}})+", whole):
            return float("nan")
        text = whole.replace(thousands, "") + point + decimals
    text = text.replace(",", ".")
    return float(text) if _PLAIN.fullmatch(text) else float("nan")


def is_infinite(text: str) -> bool:
    """Whether a text says infinity."""
    return bool(_INFINITE.fullmatch(text.strip()))


def marks(texts: Iterable[str]) -> set[Mark]:
    """Return the decimal marks that some texts prove, each by itself; texts that are no numbers prove nothing.

    '0.5', '12.75', '1,234.5' and '1,234,567' prove a point; '0,5' and '1.234,5' a comma; 5 and '1.234' nothing.
    """
    found = set()
    for text in texts:
        if "." not in text and "," not in text:
            continue
        if is_either(text):
            continue
        point, comma = (not np.isnan(value(text, mark)) for mark in (Mark.POINT, Mark.COMMA))
        if point != comma:
            found.add(Mark.POINT if point else Mark.COMMA)
    return found


def looks_numeric(texts: Sequence[str]) -> bool:
    """Whether all texts are numbers, with one decimal mark or the other."""
    return bool(texts) and any(
        all(not np.isnan(value(t, mark)) or is_infinite(t) for t in texts) for mark in (Mark.POINT, Mark.COMMA)
    )


def mark_of(texts: Sequence[str], others: set[Mark], default: Mark | None) -> Mark | None:
    """Decide the decimal mark of a column; None where its numbers may be read in both ways.

    Parameters
    ----------
    texts : its different cells.
    others : what the other columns of the file prove.
    default : where nothing proves anything: a file separated by commas has decimal points.
    """
    found = marks(texts)
    if len(found) == 1:
        return found.pop()
    if found:  # both: told by the cells that then are no numbers, the fewer ones
        return max(Mark, key=lambda mark: sum(not np.isnan(value(t, mark)) for t in texts))
    either = [t for t in texts if is_either(t)]
    if not either:
        return Mark.POINT  # whole numbers
    ungrouped = any(re.fullmatch(r"[+-]?\d{4,}", cleaned(t)) for t in texts)  # 1234 beside 1.234
    if (
        _grouped(texts, either) and not ungrouped
    ):  # 812 beside 1.457: thousands, unless the file has no other decimal mark than this
        grouping = Mark.COMMA if "." in either[0] else Mark.POINT
        return grouping if others == {grouping} else None
    if len(others) == 1:
        return next(iter(others))
    if ungrouped:
        return Mark.POINT if all("." in t for t in either) else Mark.COMMA if all("," in t for t in either) else None
    if default is Mark.POINT and all("." in t for t in either):
        return Mark.POINT
    return None


def _grouped(texts: Sequence[str], either: Sequence[str]) -> bool:
    """Whether whole numbers of three digits stand beside such as 1.457, which are written as thousands are."""
    one_mark = len({"." in t for t in either}) == 1
    return one_mark and any(re.fullmatch(r"[+-]?[1-9]\d\d", cleaned(t)) for t in texts)


def values(texts: Sequence[str], mark: Mark) -> NDArray[np.float64]:
    """Return (n,) numbers; NaN where a text is none."""
    if mark is Mark.POINT:
        fast = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64, copy=True)
        fast[~np.isfinite(fast)] = np.nan
        slow = np.flatnonzero(np.isnan(fast))
    else:
        fast, slow = np.full(len(texts), np.nan), np.arange(len(texts))
    for k in slow:
        fast[k] = value(texts[int(k)], mark)
    return fast
