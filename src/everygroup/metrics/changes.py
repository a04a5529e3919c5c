"""What a comparison shows about a gap, in words that claim no more than its intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from everygroup.errors import SettingsError
from everygroup.metrics.registry import metric_info

if TYPE_CHECKING:
    import pandas as pd

_GAP = {1: "this method reduces the measured gap", -1: "this method increases the measured gap"}
NO_CLEAR_CHANGE = "no clear change of the gap"
_GROUPS = {
    "improved all": "every group improved",
    "trade": "some groups gained and others lost",
    "levelled down": "levelled down: no group gained",
}
_POINTS = {
    "improved all": "no group's point estimate got worse",
    "unchanged": "no group's value changed",
    "trade": "point estimates of some groups got better, of others worse",
    "levelled down": "no group's point estimate got better",
}
_NO_GROUP = ("overall", "gap", "worst", "missing")
_NOT_COMPARED = ("n too small", "one patient or lesion")


def clear_direction(low: float, high: float, *, lower: bool = False) -> int:
    """Return 1 for a clear improvement, -1 for a clear loss, 0 when the interval holds zero or is undefined."""
    if not (np.isfinite(low) and np.isfinite(high)) or low <= 0 <= high:
        return 0
    return 1 if (low > 0) != lower else -1


def clear_verdict(verdict: str, groups: Iterable[tuple[float, float]], *, higher_is_better: bool = True) -> bool:
    """Whether intervals of the changes of the groups show what `levelling_down` says of point estimates.

    'improved all' needs every group clearly better, 'trade' one clearly better and one clearly worse, 'levelled down'
    one clearly worse.
    """
    moved = [clear_direction(low, high, lower=not higher_is_better) for low, high in groups]
    better, worse = 1 in moved, -1 in moved
    return {
        "improved all": bool(moved) and all(d == 1 for d in moved),
        "trade": better and worse,
        "levelled down": worse and not better,
    }.get(verdict, False)


def gap_words(
    verdict: str,
    change: tuple[float, float, float],
    groups: Iterable[tuple[float, float]],
    *,
    higher_is_better: bool = True,
) -> str:
    """Say what a comparison shows about a gap, and no more than the intervals do.

    Parameters
    ----------
    verdict : of `levelling_down`; empty where it is not known.
    change : of the gap, with its interval.
    groups : intervals of the changes of the groups that are compared.

    >>> gap_words("improved all", (0.225, -0.01, 0.322), [(0.1, 0.2), (-0.1, 0.3)])
    'no clear change of the gap'
    >>> gap_words("levelled down", (-0.2, -0.3, -0.1), [(-0.3, -0.1), (-0.1, 0.1)])
    'this method reduces the measured gap; levelled down: no group gained'
    """
    moved = clear_direction(*change[1:], lower=True)
    said = _GAP.get(moved, NO_CLEAR_CHANGE)
    # how a gap came to fall is a question only where it fell
    if verdict not in _POINTS or not change[0] < 0:
        return said
    clear = moved == 1 and clear_verdict(verdict, groups, higher_is_better=higher_is_better)
    return f"{said}; {_GROUPS[verdict] if clear else _POINTS[verdict]}"


def gap_changes(comparison: pd.DataFrame, gap: Mapping[Any, Any]) -> str:
    """`gap_words` of one of the rows 'gap' of an audit's comparison."""
    higher, groups = _groups_of(comparison, gap)
    change = gap["change"], gap["low"], gap["high"]
    # where neither more nor less is better, no group gains or loses
    verdict = "" if higher is None else str(gap["note"])
    return gap_words(verdict, change, groups, higher_is_better=higher is not False)


def gap_verdict(comparison: pd.DataFrame, gap: Mapping[Any, Any]) -> str:
    """The verdict of one of the rows 'gap' in two words: that of `levelling_down` only where intervals show it."""
    moved = clear_direction(gap["low"], gap["high"], lower=True)
    higher, groups = _groups_of(comparison, gap)
    if moved == 1 and clear_verdict(str(gap["note"]), groups, higher_is_better=higher is not False):
        return str(gap["note"])
    return {1: "reduced", -1: "increased", 0: "no clear change"}[moved]


def _groups_of(comparison: pd.DataFrame, gap: Mapping[Any, Any]) -> tuple[bool | None, list[tuple[float, float]]]:
    """Whether higher is better (None for neither), and the changes' intervals in the groups that a gap is between."""
    rows = comparison
    for key in ("attribute", "metric", "method"):
        if key in rows and key in gap:
            rows = rows[rows[key] == gap[key]]
    rows = rows[~rows["group"].isin(_NO_GROUP) & ~rows["note"].isin(_NOT_COMPARED)]
    try:
        higher = metric_info(str(gap["metric"])).higher_is_better
    except SettingsError:
        higher = True
    return higher, [(float(low), float(high)) for low, high in zip(rows["low"], rows["high"], strict=True)]
