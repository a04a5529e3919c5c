"""The audit of one attribute: rows of every group, of the gaps and of the worst group, and what to heed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from everygroup.audit.evaluate import GAPS, Convention, Evaluator, Index, Sample, ShuffledEvaluator, Values
from everygroup.audit.partition import MIN_CLUSTERS, ONE_CLUSTER, TOO_SMALL, Partition
from everygroup.metrics import metric_info
from everygroup.statistics import (
    cluster_strata,
    majority,
    percentile_interval,
    permutation_p,
    permutation_units,
    permuted_blocks,
    replicate_blocks,
)

CHANCE_METRIC, CHANCE_P = "macro_f1", 0.05


@dataclass(frozen=True)
class Plan:
    """How to audit: number of replicates, seed, smallest n, convention of the macro averages, stratified or not."""

    n_boot: int
    seed: int
    min_n: int
    convention: Convention
    stratify: bool


@dataclass(frozen=True)
class Measurement:
    """Values of one attribute: the sample itself, its bootstrap replicates, and p-values of the gaps."""

    partition: Partition
    point: Values
    replicates: Values
    p: dict[str, float]
    plan: Plan

    def slots(self, metric: str) -> tuple[int, ...]:
        """Comparable slots in which a performance metric is defined."""
        values = self.point.performance[metric][0]
        return tuple(s for s in self.partition.comparable if not np.isnan(values[s]))


def strata_of(partition: Partition, cluster: Index, plan: Plan) -> Index:
    """Stratum of every cluster for the bootstrap."""
    if not plan.stratify:
        return np.zeros(int(cluster.max()) + 1, dtype=np.int64)
    return cluster_strata(cluster, partition.group_index())


def measure(sample: Sample, partition: Partition, cluster: Index, plan: Plan) -> Measurement:
    """Evaluate the sample, its bootstrap replicates and its permutation nulls."""
    evaluator = Evaluator(sample, partition.slot, len(partition.names), cluster, partition.comparable, plan.convention)
    blocks = replicate_blocks(
        strata_of(partition, cluster, plan), plan.n_boot, seed=plan.seed, n_rows=sample.y_true.size
    )
    point, replicates = evaluator.point(), evaluator.replicates(blocks)
    return Measurement(partition, point, replicates, _gap_p(sample, partition, cluster, plan, point), plan)


def _gap_p(sample: Sample, partition: Partition, cluster: Index, plan: Plan, point: Values) -> dict[str, float]:
    """Permutation p of every gap, shuffling the comparable groups between clusters.

    Where a metric is undefined in a comparable group its gap has no p: there is no null with the same groups.
    """
    comparable = partition.comparable
    if len(comparable) < 2:
        return {}
    group = np.searchsorted(comparable, partition.slot)
    rows = np.flatnonzero(np.isin(partition.slot, comparable))
    inside, group = sample.rows(rows), group[rows]
    unit = permutation_units(cluster[rows], group)
    labels = majority(unit, group, len(comparable))
    strata = {
        "none": np.zeros(labels.size, dtype=np.int64),
        "label": majority(unit, inside.y_true, sample.n_classes),
    }
    p: dict[str, float] = {}
    for null in ("none", "label"):
        shuffled = ShuffledEvaluator(inside, unit, len(comparable), null, plan.convention)  # type: ignore[arg-type]
        blocks = permuted_blocks(labels, strata[null], plan.n_boot, seed=plan.seed + 1, n_rows=rows.size)
        values = shuffled.replicates(blocks)
        for metric in (*shuffled.performance, *shuffled.gaps):
            observed = point.gap(metric, comparable)[0]
            p[metric] = float(permutation_p(observed, values.gap(metric, range(len(comparable)))))
    return p


def attribute_rows(
    m: Measurement, sample: Sample, overall: dict[str, tuple[float, float, float]]
) -> list[dict[str, Any]]:
    """Long rows of one attribute.

    Parameters
    ----------
    overall : value, low and high of every performance metric over all rows, the same for every attribute.
    """
    part = m.partition
    binary = sample.n_classes == 2
    positives = np.bincount(part.slot[sample.y_true == 1], minlength=len(part.names)) if binary else None
    rows: list[dict[str, Any]] = []

    def add(
        group: str, metric: str, value: float, interval: tuple[Any, Any], slots: tuple[int, ...], **more: Any
    ) -> None:
        rows.append(
            {
                "attribute": part.attribute,
                "group": group,
                "metric": metric,
                "value": float(value),
                "low": float(interval[0]),
                "high": float(interval[1]),
                "n": int(part.n[list(slots)].sum()),
                "n_positive": None if positives is None else int(positives[list(slots)].sum()),
                "note": more.get("note", ""),
                "p": more.get("p", float("nan")),
            }
        )

    everything = tuple(range(len(part.names)))
    for metric in sample.metrics:
        value, low, high = overall[metric]
        add("overall", metric, value, (low, high), everything)
        interval = part.interval(m.replicates.performance[metric])
        values = m.point.performance[metric][0]
        for s, name in enumerate(part.names):
            add(name, metric, values[s], (interval[0][s], interval[1][s]), (s,), note=_group_note(m, s, values[s]))
        slots = m.slots(metric)
        left_out = [n for s, n in enumerate(part.names) if s not in slots and n != "missing"]
        note = f"left out: {', '.join(left_out)}" if left_out else ""
        if len(slots) < 2:
            add("gap", metric, np.nan, (np.nan, np.nan), slots, note="fewer than two groups can be compared")
            continue
        gap = m.point.gap(metric, slots)[0]
        add("gap", metric, gap, percentile_interval(m.replicates.gap(metric, slots)), slots, note=note, p=m.p[metric])
        worst = min(slots, key=lambda s: values[s])
        lowest = m.replicates.performance[metric][:, list(slots)].min(axis=1)
        add(
            "worst",
            metric,
            values[worst],
            percentile_interval(lowest),
            (worst,),
            note=f"worst group: {part.names[worst]}",
        )
    for metric in GAPS:
        note = "" if len(part.comparable) >= 2 else "fewer than two groups can be compared"
        value = m.point.gaps[metric][0]
        spread = percentile_interval(m.replicates.gaps[metric])
        add("gap", metric, value, spread, part.comparable, note=note, p=m.p.get(metric, np.nan))
    return rows


def cell_rows(m: Measurement, sample: Sample, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Recall of every cell: one row per label and group, with its interval and the n it rests on."""
    part = m.partition
    n = np.zeros((len(part.names), len(classes)), dtype=np.int64)
    np.add.at(n, (part.slot, sample.y_true), 1)
    low, high = percentile_interval(m.replicates.cells)
    single = part.clusters[:-1] < MIN_CLUSTERS
    low[single], high[single] = np.nan, np.nan
    return [
        {
            "attribute": part.attribute,
            "label": label,
            "group": name,
            "metric": "recall",
            "value": float(m.point.cells[0, s, k]),
            "low": float(low[s, k]),
            "high": float(high[s, k]),
            "n": int(n[s, k]),
        }
        for s, name in enumerate(part.names)
        for k, label in enumerate(classes)
    ]


def _group_note(m: Measurement, slot: int, value: float) -> str:
    if m.partition.names[slot] == "missing":
        return "left out of gaps"
    return m.partition.note(slot, m.plan.min_n) or ("undefined" if np.isnan(value) else "")


def overall_values(m: Measurement, metrics: tuple[str, ...]) -> dict[str, tuple[float, float, float]]:
    """Value, low and high of every performance metric over all rows."""
    out = {}
    for metric in metrics:
        low, high = m.partition.interval(m.replicates.performance[metric])
        out[metric] = (float(m.point.performance[metric][0, -1]), float(low[-1]), float(high[-1]))
    return out


def chance_flags(m: Measurement) -> list[str]:
    """A plain sentence where the gap in macro F1 is no larger than those of shuffled groups."""
    p = m.p.get(CHANCE_METRIC, float("nan"))
    # with fewer shuffles no gap could reach the limit, however large it is
    if 1 / (1 + m.plan.n_boot) > CHANCE_P or not p > CHANCE_P:
        return []
    return [
        f"{m.partition.attribute}: the measured gap in macro F1 is no larger than chance alone often gives "
        f"(permutation p = {p:.2f})."
    ]


def attribute_flags(m: Measurement, sample: Sample, classes: tuple[str, ...]) -> list[str]:
    """Plain sentences on small numbers, missing values, undefined metrics and classes that were never answered."""
    part, min_n, flags = m.partition, m.plan.min_n, []
    support, answered = np.zeros((2, len(part.names), len(classes)), dtype=np.int64)
    np.add.at(support, (part.slot, sample.y_true), 1)
    np.add.at(answered, (part.slot, sample.y_pred), 1)
    if part.n_missing:
        flags.append(
            f"{part.attribute}: {part.n_missing} of {int(part.n.sum())} samples have no value; they are shown as "
            "'missing' and left out of gaps."
        )
    for s, name in enumerate(part.names):
        if name == "missing":
            continue
        if part.note(s, min_n) == TOO_SMALL:
            flags.append(
                f"{part.attribute}: group {name} has {int(part.n[s])} samples (fewer than {min_n}): {TOO_SMALL}, "
                "left out of gaps."
            )
            continue
        if s not in part.comparable:
            flags.append(
                f"{part.attribute}: the {int(part.n[s])} samples of group {name} are of {ONE_CLUSTER}: no interval, "
                "left out of gaps."
            )
            continue
        absent = [c for c, n in zip(classes, support[s], strict=True) if n == 0]
        few = [c for c, n in zip(classes, support[s], strict=True) if 0 < n < min_n]
        if absent:
            flags.append(f"{part.attribute}: no sample of {_listed(absent)} in group {name}.")
        if few:
            flags.append(
                f"{part.attribute}: fewer than {min_n} samples of {_listed(few)} in group {name}; rates and macro "
                "averages over these classes are uncertain."
            )
        never = [c for k, c in enumerate(classes) if support[s, k] and not answered[s, k]]
        if never:
            outcome = (
                "its precision counts as 0 in macro precision"
                if m.plan.convention == "lab"
                else "its precision is undefined and left out of macro precision"
            )
            flags.append(f"{part.attribute}: {_listed(never)} was never answered in group {name}; {outcome}.")
        undefined = [metric_info(k).title for k in sample.metrics if np.isnan(m.point.performance[k][0, s])]
        if undefined:
            flags.append(f"{part.attribute}: {', '.join(undefined)} undefined in group {name}, left out of the gap.")
    if len(part.comparable) < 2:
        flags.append(f"{part.attribute}: fewer than two groups can be compared, so there is no gap.")
    return flags


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more classes"
