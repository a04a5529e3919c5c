"""Numbers of which perhaps only a bound is known: '12', '12,5', '>90', '90 or more', '40-49'."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

_N = r"([+-]?\d+(?:[.,]\d+)?)"
_DASHES = str.maketrans({"–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "\u00a0": " ", "\u202f": " "})
_AND = r"(?:or|and|&|und|oder|et|ou|y|o|e|en|of)"
_MORE = (
    r"(?:older|over|above|more|up|greater|higher|älter|aelter|darüber|mehr|plus|más|mas|mayor(?:es)?|oltre|ouder|eldre)"
)
_LESS = r"(?:younger|under|below|less|lower|down|jünger|juenger|darunter|weniger|moins|menos|menor(?:es)?|meno|jonger)"
_OVER = (
    r"(?:over|above|(?:older|more|greater) than|at least|from|über|ueber|(?:älter|aelter|mehr) als|ab|mindestens"
    r"|plus de|m[áa]s de|oltre|ouder dan)"
)
_UNDER = (
    r"(?:under|below|(?:younger|less) than|up to|at most|unter|(?:jünger|juenger) als|bis|höchstens|hoechstens"
    r"|moins de|menos de|hasta|jonger dan)"
)
_AT_LEAST = (
    rf"(?:>=?|=>|≥|⩾)\s*{_N}",
    rf"{_N}\s*(?:\+|>|≥|plus)",
    rf"{_N}\s*{_AND}\s+{_MORE}",
    rf"{_OVER}\s+{_N}",
)
_AT_MOST = (rf"(?:<=?|=<|≤|⩽)\s*{_N}", rf"{_N}\s*{_AND}\s+{_LESS}", rf"{_UNDER}\s+{_N}")
_BETWEEN = (rf"{_N}\s*(?:-|to|bis|\.\.|à|a)\s*{_N}", rf"[\[(]\s*{_N}\s*[,;]\s*{_N}\s*[\])]")
_OPEN_ABOVE = re.compile("|".join(_AT_LEAST))
_OPEN_BELOW = re.compile("|".join(_AT_MOST))
_RANGE = re.compile("|".join(_BETWEEN))
_DECADE = re.compile(r"(\d*0)s")

TORN = -2


@dataclass(frozen=True)
class Amounts:
    """Numbers (n,), each known exactly or to lie between two bounds.

    Attributes
    ----------
    low, high : (n,) float
        Equal where the number is known; `high` is inf for '>90', `low` -inf for '<18'; NaN where there is none.
    placeholder : (n,) bool
        Numbers that cannot be ('999Y'): they count as missing.
    unreadable : (n,) bool
        Texts that are no number at all.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    placeholder: Flags
    unreadable: Flags

    @property
    def exact(self) -> NDArray[np.float64]:
        """(n,) the numbers that are known; NaN elsewhere."""
        return np.where(self.low == self.high, self.low, np.nan)

    @property
    def open_ended(self) -> Flags:
        """(n,) whether only a lower bound is known."""
        return np.isposinf(self.high)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return the numbers of these rows (m,); -1 stands for none."""
        low, high = (np.append(bound, np.nan)[rows] for bound in (self.low, self.high))
        placeholder, unreadable = (np.append(flags, False)[rows] for flags in (self.placeholder, self.unreadable))
        return type(self)(low, high, placeholder, unreadable)

    def bins(self, cuts: Sequence[float]) -> NDArray[np.int64]:
        """Return the bin (n,) of each number; -1 without a number, TORN where a cut lies between its bounds.

        A number equal to a cut falls below it. 'At least 89' falls above a cut of 89, as people over 89 are meant.
        """
        edges = np.asarray(cuts, dtype=np.float64)
        below = np.searchsorted(edges, self.low, side="left")
        below = np.where(self.open_ended, np.searchsorted(edges, self.low, side="right"), below)
        above = np.searchsorted(edges, self.high, side="left")
        found = np.where(below == above, below, TORN)
        return np.where(np.isnan(self.low), -1, found).astype(np.int64)


def read_amounts(texts: Sequence[str | None]) -> Amounts:
    """Read numbers, open-ended numbers and ranges; None is missing.

    A decimal comma is taken for one where every text with a comma could be such a number; '1,234' beside '1.5' is not.
    """
    known = [text for text in texts if text is not None]
    comma = not any("." in text for text in known if "," not in text and bound_of(text, comma=True) is not None)
    bounds = [None if text is None else bound_of(text, comma=comma) for text in texts]
    nothing = (math.nan, math.nan)
    low, high = np.array([b or nothing for b in bounds], dtype=np.float64).reshape(-1, 2).T
    unreadable = np.array([t is not None and b is None for t, b in zip(texts, bounds, strict=True)], dtype=bool)
    return Amounts(low, high, np.zeros(len(bounds), dtype=bool), unreadable)


def bound_of(text: str, *, comma: bool) -> tuple[float, float] | None:
    """Return the least and greatest number that a text can mean; None if it is none."""
    plain = " ".join(text.translate(_DASHES).casefold().split())
    try:
        value = _number(plain, comma=comma)
        return (value, value) if math.isfinite(value) else None
    except ValueError:
        pass
    if found := _OPEN_ABOVE.fullmatch(plain):
        (low,), high = _numbers(found, comma=comma), math.inf
    elif found := _OPEN_BELOW.fullmatch(plain):
        low, (high,) = -math.inf, _numbers(found, comma=comma)
    elif found := _RANGE.fullmatch(plain):
        low, high = _numbers(found, comma=comma)
    elif found := _DECADE.fullmatch(plain):
        low = float(found[1])
        high = low + 9
    else:
        return None
    return (low, high) if low <= high else None  # NaN, too, is no bound


def _numbers(found: re.Match[str], *, comma: bool) -> list[float]:
    parts = [part for part in found.groups() if part is not None]
    return [_number(part, comma=comma) if comma or "," not in part else math.nan for part in parts]


def _number(text: str, *, comma: bool) -> float:
    if "_" in text:
        raise ValueError(text)
    return float(text.replace(",", ".") if comma and text.count(",") == 1 and "." not in text else text)
