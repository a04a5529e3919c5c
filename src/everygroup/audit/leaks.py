"""Whether rows that chose or calibrated something are among those that are audited: then the numbers say too much."""

from __future__ import annotations

from typing import Any

import numpy as np

from everygroup.audit.flags import Flag
from everygroup.predictions import Predictions

MOST = 0.5
"""Without ids: rows with the same label and scores, and different ones among them, from this share on are the same."""


def leak_flags(rows: Predictions, other: Predictions, told: str) -> list[Flag]:
    """A stop where patients or samples stand in both, by their ids; without any, where the scores are the same.

    `told` is the other file and what it is for.
    """
    if both := max(len(_units(rows) & _units(other)), len(_ids(rows) & _ids(other))):
        several = "patients or samples stand" if both > 1 else "patient or sample stands"
        return [Flag("stop", f"{both:,} {several} both in {told} and here: a leak.")]
    if (rows.has_ids and other.has_ids) or not (rows.has_scores and other.has_scores and rows.classes == other.classes):
        return []
    here, there = _rows(rows), _rows(other)
    same = sum(row in set(here) for row in set(there))
    if len(set(there)) >= MOST * len(there) and same >= MOST * len(set(there)):
        text = f"{same:,} rows with the same label and scores stand both in {told} and here: they are the same, a leak."
        return [Flag("stop", text)]
    return []


def _ids(p: Predictions) -> set[Any]:
    return set(p.ids.tolist()) if p.has_ids else set()


def _units(p: Predictions) -> set[Any]:
    """Patients; without ids only those that are named, as the others are numbered."""
    return set((p.units if p.has_ids else p.units[p.units != p.ids]).tolist())


def _rows(p: Predictions) -> list[bytes]:
    return [row.tobytes() for row in np.column_stack([p.y_true, p.y_score.round(9)])]
