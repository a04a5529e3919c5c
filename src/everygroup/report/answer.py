"""The answer in two sentences, each number with its interval and its n."""

from __future__ import annotations

import numpy as np
import pandas as pd

from everygroup.figures.theme import clean_text, estimate, number
from everygroup.metrics.changes import clear_direction, gap_changes
from everygroup.report.blocks import p_value
from everygroup.report.reading import (
    GAP,
    TOO_SMALL,
    Reading,
    comparable,
    directionless,
    lower_is_better,
    title_of,
)


def answer(reading: Reading) -> list[str]:
    """Say how the worst-off group fares, and whether the gaps and the groups moved.

    The wording claims a measured gap on this cohort and no more.
    """
    return [sentence for sentence in (_worst_group(reading), _gaps(reading)) if sentence]


def _worst_group(reading: Reading) -> str:
    if directionless(reading.metric):
        return ""  # no group is worse off for a higher or a lower value
    everybody = _own(reading.groups(reading.metric), reading)
    rows = comparable(everybody).dropna(subset=["value"])
    if rows.empty:
        return f"{_name(reading.method, 'This model')}: {title_of(reading.metric)} cannot be given for any group."
    lower = lower_is_better(reading.metric)
    few = (everybody["note"] == TOO_SMALL).any()
    among = f"among groups with n >= {reading.min_n or 'a minimum'}, " if few else ""
    row = rows.sort_values("value", ascending=not lower, kind="stable").iloc[0]
    text = (
        f"With {_name(reading.method, 'this model')}, {among}the group with the {'highest' if lower else 'lowest'} "
        f"{title_of(reading.metric)} is {clean_text(row['group'])} "
        f"({clean_text(row['attribute'])}, {_n(row['n'])}), at {estimate(row['value'], row['low'], row['high'])}"
    )
    changes = _own(reading.changes(reading.metric), reading)
    same = changes[(changes["attribute"] == row["attribute"]) & (changes["group"] == row["group"])]
    if same.empty:
        return f"{text}."
    change = same.iloc[0]
    shown = estimate(change["change"], change["low"], change["high"], signed=True)
    tested = "" if p_value(change["p"]) == "–" else f", p {_equals(p_value(change['p']))}"
    return f"{text}, a paired change of {shown}{tested} against {_name(reading.baseline)}."


def _gaps(reading: Reading) -> str:
    parts = []
    gaps = _own(reading.gaps(), reading)
    gaps = gaps[gaps["metric"] == reading.metric].dropna(subset=["value"])
    if len(gaps):
        row = gaps.sort_values("value", ascending=False, kind="stable").iloc[0]
        text = (
            f"the largest measured gap in {title_of(reading.metric)} is over {clean_text(row['attribute'])}, "
            f"{estimate(row['value'], row['low'], row['high'])}"
        )
        checks = [f"permutation p {_equals(p_value(row['p']))}"] if p_value(row["p"]) != "–" else []
        if np.isfinite(row["chance"]):
            checks.append(f"shuffled groups give {number(row['chance'])} on average")
        text += f" ({'; '.join(checks)})" if checks else ""
        parts.append(text + _gap_change(reading, str(row["attribute"])))
    changes = comparable(_own(reading.changes(reading.metric), reading))
    if len(changes):
        lower = lower_is_better(reading.metric)
        moved = [
            clear_direction(low, high, lower=lower) for low, high in zip(changes["low"], changes["high"], strict=True)
        ]
        better, worse = moved.count(1), moved.count(-1)
        up, down = ("rose", "fell") if directionless(reading.metric) else ("improved", "got worse")
        parts.append(
            f"of {len(moved)} groups, {better} {up}, {worse} {down} and {moved.count(0)} showed no clear change "
            f"against {_name(reading.baseline)}"
        )
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _gap_change(reading: Reading, attribute: str) -> str:
    """Say what the comparison shows about this gap."""
    rows = _own(reading.comparison, reading)
    rows = rows[(rows["group"] == GAP) & (rows["metric"] == reading.metric) & (rows["attribute"] == attribute)]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    shown = estimate(row["change"], row["low"], row["high"], signed=True)
    said = gap_changes(reading.comparison, row.to_dict())
    return f", a change of {shown} against {_name(reading.baseline)} ({said})"


def _own(rows: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    return rows[rows["method"] == reading.method]


def _name(method: str, unnamed: str = "the baseline") -> str:
    return clean_text(method) or unnamed


def _n(n: float) -> str:
    return f"n = {int(n):,}" if np.isfinite(n) else "n unknown"


def _equals(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"
