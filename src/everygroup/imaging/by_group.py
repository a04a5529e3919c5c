"""The pictures of one value of a column, and those of its other values: groups, labels and sites alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

_MOST_VALUES = 50  # of a column that may be a group or a site


@dataclass(frozen=True)
class Part:
    """The pictures that have one value of one column; the others are those of its other values."""

    column: str
    value: str
    inside: np.ndarray
    outside: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.column} {self.value}"


def with_groups(table: pd.DataFrame, name: str, groups: Sequence[str], group: np.ndarray) -> dict[str, pd.Series]:
    """Return the columns of a table and, under its own name, the groups that a rule made (-1: missing)."""
    made = pd.Series(np.array([*groups, None], dtype=object)[group])
    return {name: made} | {str(c): v for c, v in table.reset_index(drop=True).items() if str(c) != name}


def parts_of(columns: Mapping[str, pd.Series], n: int) -> list[Part]:
    """Return a part for each value of the columns with 2 to 50 values, which may be a group or a site."""
    parts = []
    for column, values in columns.items():
        codes, names = pd.factorize(values, sort=False)
        if not 2 <= len(names) <= min(_MOST_VALUES, n // 2):
            continue
        for k, name in enumerate(names):
            inside, outside = codes == k, (codes >= 0) & (codes != k)
            parts.append(Part(str(column), str(name), inside, outside))
    return parts
