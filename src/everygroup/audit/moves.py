"""How the groups moved against a baseline, in words that claim no more than the intervals do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from everygroup.audit.words import Saying, direction, of_group, saying, words_of
from everygroup.metrics.changes import clear_direction, gap_changes

_NO_GROUP = ("overall", "gap", "worst", "missing")
_NOT_COMPARED = ("n too small", "one patient or lesion")


@dataclass(frozen=True)
class Moves:
    """Changes of the groups in one metric.

    Attributes
    ----------
    metric, told : which, and how it is said.
    baseline : its name.
    better, worse, same : groups by what their intervals show.
    all_worse : whether every group got worse, and more than by noise: each of them clearly, or everybody together.
    most : attribute, group, value before and now of the group that lost most (or gained least).
    gap : what the intervals show about the gap of one attribute; empty over several attributes.
    """

    metric: str
    told: Saying
    baseline: str
    better: int
    worse: int
    same: int
    all_worse: bool
    most: tuple[str, str, float, float]
    gap: str = ""

    @property
    def sentence(self) -> str:
        """Return '9 of 9 groups got worse than with the baseline: ...'."""
        total = self.better + self.worse + self.same
        attribute, group, before, now = self.most
        beside = [before, now]
        example = (
            f"{of_group(attribute, group)}, {self.told.short} {self.told.number(now, beside)}, before "
            f"{self.told.number(before, beside)}"
        )
        if self.all_worse:
            return (
                f"{total} of {total} groups got worse than with {self.baseline} in {self._what}; most of all {example}."
            )
        up, down = ("rose", "fell") if direction(self.metric) is None else ("improved", "got worse")
        return (
            f"Against {self.baseline}, of {total} groups {self.better} {up}, {self.worse} {down} and {self.same} "
            f"showed no clear change in {self._what}."
        )

    @property
    def short(self) -> str:
        """What became of the groups of one attribute, and of the gap between them."""
        if not self.better and not self.worse:
            said = f"Against {self.baseline}, no clear change in any group"
        else:
            said = self.sentence.removesuffix(".")
        return f"{said}; {self.gap}." if self.gap else f"{said}."

    @property
    def _what(self) -> str:
        if not self.told.counted:
            return self.told.short
        return f"{self.told.short} ({words_of(self.metric)})"


def moves(
    comparison: pd.DataFrame | None, metric: str, attribute: str | None, settings: Mapping[str, Any]
) -> Moves | None:
    """Return how the groups of one attribute (or of all) moved in a metric; None where nothing was compared."""
    if comparison is None or comparison.empty:
        return None
    own = comparison[comparison["metric"] == metric]
    if attribute is not None:
        own = own[own["attribute"] == attribute]
    rows = own[~own["group"].isin(_NO_GROUP) & ~own["note"].isin(_NOT_COMPARED)].dropna(subset=["change"])
    if rows.empty:
        return None
    lower = direction(metric) is False
    moved = [clear_direction(low, high, lower=lower) for low, high in zip(rows["low"], rows["high"], strict=True)]
    loss = rows["change"].astype(float) * (1 if lower else -1)
    most = rows.iloc[int(loss.to_numpy().argmax())]
    titles = settings.get("titles", {})
    where = (
        str(titles.get(most["attribute"], most["attribute"])), str(most["group"]),
        float(most["baseline_value"]), float(most["value"]),
    )  # fmt: skip
    baseline = str(most["baseline"]) if "baseline" in rows and pd.notna(most["baseline"]) else ""
    if baseline in ("", "baseline"):
        baseline = settings.get("asked", {}).get("baseline") or "the baseline"
    counts = (moved.count(1), moved.count(-1), moved.count(0))
    together = own[own["group"] == "overall"]
    clearly = any(clear_direction(*ends, lower=lower) == -1 for ends in together[["low", "high"]].to_numpy()[:1])
    all_worse = direction(metric) is not None and len(moved) > 1 and bool((loss > 0).all())
    all_worse = all_worse and (clearly or moved.count(-1) == len(moved))
    gap = "" if attribute is None else _gap(comparison, own)
    return Moves(metric, saying(metric, settings), baseline, *counts, all_worse, where, gap)


def _gap(comparison: pd.DataFrame, own: pd.DataFrame) -> str:
    rows = own[own["group"] == "gap"].dropna(subset=["change"])
    if rows.empty:
        return ""
    row = {str(k): v for k, v in rows.iloc[0].items()}
    said = gap_changes(comparison, row)
    if not clear_direction(row["low"], row["high"]):
        return said.partition(";")[0]  # of a gap that did not clearly move, no more is told than that
    return f"{said} (by {abs(row['change']):.3f}, 95 % interval {row['low']:+.3f} to {row['high']:+.3f})".replace(
        "-", "−"
    )
