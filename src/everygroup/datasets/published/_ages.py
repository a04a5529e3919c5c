"""Ages in years, and the sentences that say which of them do not count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort.groups import as_category
from everygroup.datasets.published._coding import years
from everygroup.tables.ages import in_years


def ages(values: Iterable[Any], *, placeholder: float | None = None) -> tuple[pd.Series, tuple[str, ...]]:
    """Return ages in years (NaN where missing) and notes on those that were placeholders or impossible.

    Parameters
    ----------
    values : iterable
        As `years` reads them.
    placeholder : float, optional
        A value that the source writes where it does not know the age.
    """
    given = list(values)
    result, dropped = years(given, placeholders=() if placeholder is None else (placeholder,))
    numbers = in_years([as_category(v) for v in given]).exact
    placeholders = 0 if placeholder is None else int(np.sum(numbers == placeholder))
    notes = []
    if placeholders:
        notes.append(f"{placeholders} ages of {placeholder:g} are placeholders and count as missing")
    if dropped > placeholders:
        notes.append(f"{dropped - placeholders} ages cannot be read or are impossible and count as missing")
    return result, tuple(notes)
