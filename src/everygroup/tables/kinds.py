"""What a column of values seems to be: a measured number or a code of few classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

MOST_CLASSES = 20
"""More different numbers than this are measured, not codes of classes."""
_MOST_FRACTIONS = 10


def looks_measured(values: Iterable[Any]) -> bool:
    """Tell whether values are measured numbers (ages, volumes) rather than the names or codes of classes.

    They are where nearly all (95 of 100) are numbers, and more than 20 different ones occur, or more than 10 with
    fractions. What is blank does not count.

    Examples
    --------
    >>> looks_measured(range(18, 90)), looks_measured(["0", "1", "1"]), looks_measured([0.5, 1, 2, 3])
    (True, False, False)
    """
    codes, distinct = pd.factorize(pd.Series(values, dtype=object).astype(str).str.strip())
    known = np.array([text not in ("", "nan", "None", "<NA>") for text in distinct], dtype=bool)
    numbers = pd.to_numeric(pd.Series(distinct.astype(str)).str.replace(",", "."), errors="coerce").to_numpy(float)
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct))
    finite = known & np.isfinite(numbers)
    if counts[finite].sum() < 0.95 * max(1, counts[known].sum()):
        return False
    different = np.unique(numbers[finite])
    return len(different) > (MOST_CLASSES if (different % 1 == 0).all() else _MOST_FRACTIONS)
