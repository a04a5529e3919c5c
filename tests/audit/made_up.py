"""A made-up audit for the words that are made of one: groups with their counts, a gap with its p, a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

Counts = Mapping[str, tuple[int, int]]
TWO_CLASSES = {"headline": "sensitivity", "positive": "pneumothorax", "task": "classification", "min_n": 10}


@dataclass
class MadeUp:
    """An audit's tables and settings, as far as its words need them."""

    settings: dict[str, Any] = field(default_factory=lambda: dict(TWO_CLASSES))
    rows: list[dict[str, Any]] = field(default_factory=list)
    moved: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)

    def rates(
        self,
        attribute: str,
        metric: str,
        counts: Counts,
        *,
        p: float = float("nan"),
        detectable: float = float("nan"),
        small: Mapping[str, int] | None = None,
    ) -> MadeUp:
        """Add a proportion of every group, from successes and trials; `small` are groups too small to be compared."""
        values = {group: (s / n, n, s) for group, (s, n) in counts.items()}
        return self._add(attribute, metric, values, p=p, detectable=detectable, small=small or {})

    def values(self, attribute: str, metric: str, values: Mapping[str, float], *, p: float, n: int = 120) -> MadeUp:
        """Add a measured value of every group."""
        return self._add(attribute, metric, {g: (v, n, None) for g, v in values.items()}, p=p, detectable=1.5, small={})

    def change(
        self, attribute: str, metric: str, changes: Mapping[str, tuple[float, float]], *, half: float = 0.01
    ) -> MadeUp:
        """Add value before and after of every group, with an interval of so much to either side."""
        for group, (before, after) in changes.items():
            ends = {"change": after - before, "low": after - before - half, "high": after - before + half}
            row = {"attribute": attribute, "group": group, "metric": metric, "baseline_value": before, "value": after}
            self.moved.append(row | ends | {"n": 100, "note": "", "baseline": "old.csv", "p": None, "method": ""})
        return self

    def gap_change(self, attribute: str, metric: str, before: float, after: float, verdict: str) -> MadeUp:
        """Add the change of a gap, clearly off zero, with the verdict on the groups."""
        self.change(attribute, metric, {"gap": (before, after)})
        self.moved[-1]["note"] = verdict
        return self

    @property
    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows)

    @property
    def series(self) -> pd.DataFrame:
        return pd.DataFrame(self.versions)

    @property
    def comparison(self) -> pd.DataFrame:
        return pd.DataFrame(self.moved)

    def _add(
        self, attribute: str, metric: str, values: Mapping[str, tuple[float, int, int | None]], **gap: Any
    ) -> MadeUp:
        common = {"attribute": attribute, "metric": metric, "method": "", "note": "", "p": None, "detectable": None}
        for group, (value, n, successes) in values.items():
            counted = {"successes": successes, "trials": None if successes is None else n}
            ends = {"low": value - 0.1, "high": value + 0.1, "n": 3 * n}
            self.rows.append(common | {"group": group, "value": value} | ends | counted)
        for group, n in gap["small"].items():
            row = {"group": group, "value": None, "low": None, "high": None, "n": n, "note": "n too small"}
            self.rows.append(common | row)
        plain = [value for value, _, _ in values.values()]
        if len(plain) > 1:
            size = {"value": max(plain) - min(plain), "low": None, "high": None, "n": 300}
            self.rows.append(common | size | {"group": "gap", "p": gap["p"], "detectable": gap["detectable"]})
        return self
