"""The long rows of one attribute: every group, the gaps, the worst group, the differences, the cells."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from everygroup.audit.measurement import Measurement
from everygroup.audit.partition import CONSTANT, spread
from everygroup.metrics.families import Index
from everygroup.statistics import permutation_p
from everygroup.statistics.multiple import holm

Overall = dict[str, tuple[float, float, float]]
FEW = "fewer than two groups can be compared"


def attribute_rows(
    m: Measurement, overall: Overall, *, shown: Sequence[str] | None = None, positives: Index | None = None
) -> list[dict[str, Any]]:
    """Long rows of one attribute.

    Parameters
    ----------
    overall : value, low and high of every performance metric over all rows, the same for every attribute.
    shown : performance metrics to write; all by default.
    positives : (S,) samples of the second of two classes in every slot.
    """
    part = m.partition
    rows: list[dict[str, Any]] = []
    nan = float("nan")

    def add(group: str, metric: str, value: float, limits: tuple[Any, Any], slots: Sequence[int], **more: Any) -> None:
        chance = m.chance(metric) if group == "gap" else (nan, nan)
        low, high = spread(float(limits[0]), float(limits[1]))
        constant = np.isnan(low) and not np.isnan(limits[0])
        counts = None if group == "gap" else m.trials.get(metric)
        at = -1 if group == "overall" else slots[0] if slots else 0
        rows.append(
            {
                "attribute": part.attribute,
                "group": group,
                "metric": metric,
                "value": float(value),
                "low": low,
                "high": high,
                "n": int(part.n[list(slots)].sum()),
                "successes": None if counts is None else int(counts[0][at]),
                "trials": None if counts is None else int(counts[1][at]),
                "n_positive": None if positives is None else int(positives[list(slots)].sum()),
                "note": more.get("note", "") or (CONSTANT if constant else ""),
                "p": more.get("p", nan),
                "chance": chance[0],
                "chance_high": chance[1],
                "detectable": more.get("detectable", nan),
                "interval": more.get("interval", "percentile"),
            }
        )

    everything = tuple(range(len(part.names)))
    between = "percentile" if m.plan.interval == "percentile" else "simultaneous"
    for metric in m.metrics if shown is None else shown:
        value, low, high = overall[metric]
        note = "undefined" if np.isnan(value) else ""
        add("overall", metric, value, (low, high), everything, note=note, interval=m.method[metric])
        lows, highs = m.limits[metric]
        values = m.point.performance[metric][0]
        for s, name in enumerate(part.names):
            note = _group_note(m, s, values[s])
            add(name, metric, values[s], (lows[s], highs[s]), (s,), note=note, interval=m.method[metric])
        slots = m.slots(metric)
        left_out = [n for s, n in enumerate(part.names) if s not in slots and n != "missing"]
        note = f"left out: {', '.join(left_out)}" if left_out else ""
        if len(slots) < 2:
            add("gap", metric, nan, (nan, nan), slots, note=FEW, interval=between)
            continue
        add(
            "gap",
            metric,
            m.point.gap(metric, slots)[0],
            m.gap_limits[metric],
            slots,
            note=note,
            p=m.p.get(metric, nan),
            detectable=m.detectable.get(metric, nan),
            interval=between,
        )
        worst = m.worst(metric)
        if worst is not None:
            s, *limits = worst
            note = f"worst group: {part.names[s]}"
            add("worst", metric, values[s], (limits[0], limits[1]), (s,), note=note, interval=between)
    for metric in m.gaps:
        value = m.point.gaps[metric][0]
        note = FEW if len(part.comparable) < 2 else "undefined" if np.isnan(value) else ""
        p = m.p.get(metric, nan)
        add("gap", metric, value, m.gap_limits[metric], part.comparable, note=note, p=p, interval=m.gap_method)
    return rows


def difference_rows(m: Measurement, *, shown: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Signed differences between every two comparable groups, with simultaneous intervals and Holm's p.

    p is NaN where nothing was shuffled or there are too many pairs (`Measurement.null_differences`).
    """
    part, rows = m.partition, []
    if len(part.comparable) < 2:
        return []
    lows, highs = m.pair_limits
    pairs = list(combinations(range(len(part.comparable)), 2))
    wanted = [metric for metric in m.metrics if shown is None or metric in shown]
    nulls = [m.null_differences((part.comparable[a], part.comparable[b]), wanted) for a, b in pairs]
    for metric in wanted:
        i = m.metrics.index(metric)
        values = m.point.performance[metric][0][list(part.comparable)]
        p = [
            float(permutation_p(abs(values[a] - values[b]), null[metric])) if metric in null else float("nan")
            for (a, b), null in zip(pairs, nulls, strict=True)
        ]
        for (a, b), own, adjusted in zip(pairs, p, holm(p), strict=True):
            s, t = part.comparable[a], part.comparable[b]
            rows.append(
                {
                    "attribute": part.attribute,
                    "metric": metric,
                    "group_a": part.names[s],
                    "group_b": part.names[t],
                    "difference": float(values[a] - values[b]),
                    "low": float(lows[i, a, b]),
                    "high": float(highs[i, a, b]),
                    "p": own,
                    "p_holm": float(adjusted),
                    "n_a": int(part.n[s]),
                    "n_b": int(part.n[t]),
                }
            )
    return rows


def cell_rows(m: Measurement, y_true: Index, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Recall of every cell: one row per label and group, with its interval and the n it rests on."""
    part = m.partition
    n = np.bincount(part.slot * len(classes) + y_true, minlength=len(part.names) * len(classes))
    n = n.reshape(len(part.names), len(classes))
    rows = []
    for s, name in enumerate(part.names):
        for k, label in enumerate(classes):
            metric = f"recall[{label}]"
            low, high = m.limits[metric]
            rows.append(
                {
                    "attribute": part.attribute,
                    "label": label,
                    "group": name,
                    "metric": "recall",
                    "value": float(m.point.performance[metric][0, s]),
                    "low": float(low[s]),
                    "high": float(high[s]),
                    "n": int(n[s, k]),
                }
            )
    return rows


def _group_note(m: Measurement, slot: int, value: float) -> str:
    if m.partition.names[slot] == "missing":
        return "left out of gaps"
    return m.partition.note(slot, m.plan.min_n) or ("undefined" if np.isnan(value) else "")


def overall_values(m: Measurement) -> Overall:
    """Value, low and high of every performance metric over all rows."""
    return {
        metric: (
            float(m.point.performance[metric][0, -1]),
            float(m.limits[metric][0][-1]),
            float(m.limits[metric][1][-1]),
        )
        for metric in m.metrics
    }
