"""What a column of values seems to be: a measured number, a date, a text of its own, or one of few classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from everygroup.tables.dates import holds_dates, texts_of

MOST_CLASSES = 20
"""More different numbers than this are measured, not codes of classes."""
_MOST_FRACTIONS = 10
_MOST_DATES = 12
_BOUND = re.compile(r"\s*(?:[<>]=?|[≤≥~])\s*")
_WITH_UNIT = re.compile(r"([+-]?\d[\d.,' ]*?)\s*([a-zA-Zµ°%]{1,6}[²³]?(?:/[a-zA-Z²³.\d]+)?)")


def looks_measured(values: Iterable[Any]) -> bool:
    """Tell whether values are measured numbers (ages, volumes) rather than the names or codes of classes.

    They are where nearly all (95 of 100) are numbers, and more than 20 different ones occur, or more than 10 with
    fractions. '<5' and '12 mm' are numbers, too, if the unit is the same throughout. What is blank does not count.

    Examples
    --------
    >>> looks_measured(range(18, 90)), looks_measured(["0", "1", "1"]), looks_measured([0.5, 1, 2, 3])
    (True, False, False)
    """
    codes, distinct = pd.factorize(pd.Series(values, dtype=object).astype(str).str.strip())
    known = np.array([text not in ("", "nan", "None", "<NA>") for text in distinct], dtype=bool)
    texts = pd.Series(without_unit([_BOUND.sub("", text) for text in distinct])).str.replace(",", ".")
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(float)
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct))
    finite = known & np.isfinite(numbers)
    if counts[finite].sum() < 0.95 * max(1, counts[known].sum()):
        return False
    different = np.unique(numbers[finite])
    return len(different) > (MOST_CLASSES if (different % 1 == 0).all() else _MOST_FRACTIONS)


def without_unit(texts: Sequence[str]) -> list[str]:
    """Return texts without the unit that all of those that have one share: '12 mm' is '12'."""
    found = [_WITH_UNIT.fullmatch(text) for text in texts]
    if len({match[2] for match in found if match}) != 1:
        return list(texts)
    return [match[1] if match else text for match, text in zip(found, texts, strict=True)]


def no_classes(values: Iterable[Any]) -> str:
    """Return what values are that can be no classes, dates or texts of their own; "" where they may be classes."""
    given = [text for text in texts_of(pd.Series(values, dtype=object)) if text is not None]
    different = sorted(set(given))
    if len(different) > _MOST_DATES and holds_dates(different):
        return f"{len(different)} different dates ({few(different)})"
    if len(different) > max(MOST_CLASSES, len(given) // 2):
        return f"{len(different)} different texts in {len(given)} rows ({few(different)})"
    return ""


def few(values: Sequence[str]) -> str:
    """Return the first values of many."""
    return ", ".join(values[:3]) + (", ..." if len(values) > 3 else "")
