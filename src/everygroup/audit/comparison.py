"""A method against a baseline on the same samples: the change of every group, and whether it came by levelling down."""

from __future__ import annotations

from typing import Any

import numpy as np

from everygroup.audit.attribute import Measurement, Plan, strata_of
from everygroup.audit.evaluate import GAPS, Array, Evaluator, Index, Sample, Values
from everygroup.errors import PredictionsError
from everygroup.metrics import fate, levelling_down, metric_info
from everygroup.predictions import Predictions
from everygroup.statistics import mcnemar, percentile_interval, replicate_blocks

FATE_GAPS = ("eopp0_lab", "eopp1_lab", "eodds_lab")


def pair(method: Predictions, baseline: Predictions) -> tuple[Index, Sample, Sample, list[str]]:
    """Match the rows of two predictions by id.

    Returns
    -------
    rows of `method` that have a partner, both samples in that order and with the method's class order, and notes on
    rows without a partner.

    Raises
    ------
    PredictionsError
        For ids that are not unique or have nothing in common, different classes, or labels that disagree.
    """
    for word, p in (("predictions", method), ("baseline", baseline)):
        ids, counts = np.unique(p.ids.astype(str), return_counts=True)
        if (counts > 1).any():
            raise PredictionsError(
                f"The id {ids[counts > 1][0]!r} stands in several rows of the {word}, so samples cannot be paired.",
                fix="make ids unique, or choose one split with --split",
            )
    if set(method.classes) != set(baseline.classes):
        raise PredictionsError(
            f"The classes differ: {', '.join(method.classes)} against {', '.join(baseline.classes)} in the baseline.",
            fix="compare models of the same classes",
        )
    position = {name: i for i, name in enumerate(baseline.ids.tolist())}
    partner = np.array([position.get(name, -1) for name in method.ids.tolist()], dtype=np.int64)
    rows = np.flatnonzero(partner >= 0)
    if not rows.size:
        raise PredictionsError("No id of the predictions is in the baseline.", fix="give both files the same ids")
    other = partner[rows]
    notes = []
    if rows.size < len(method) or rows.size < len(baseline):
        notes.append(
            f"Only {rows.size} samples are in both the predictions ({len(method)}) and the baseline ({len(baseline)}); "
            "the comparison rests on these."
        )
    order = np.array([method.classes.index(c) for c in baseline.classes], dtype=np.int64)
    truth, truth_there = method.y_true[rows], baseline.y_true[other]
    differ = (truth_there >= 0) & (order[truth_there] != truth)
    if differ.any():
        name = method.ids[rows][differ.argmax()]
        raise PredictionsError(
            f"The label of {name!r} differs between the predictions and the baseline ({differ.sum()} such samples).",
            fix="both must be answers for the same samples with the same truth",
        )
    scored = method.has_scores and baseline.has_scores
    score = baseline.y_score[other][:, np.argsort(order)] if scored else None
    n_classes = len(method.classes)
    ours = Sample(truth, method.y_pred[rows], method.y_score[rows] if scored else None, n_classes)
    return rows, ours, Sample(truth, order[baseline.y_pred[other]], score, n_classes), notes


def compare(
    m: Measurement, rows: Index, method: Sample, baseline: Sample, cluster: Index, plan: Plan
) -> tuple[list[dict[str, Any]], list[str]]:
    """Long rows of the change of every group and gap of one attribute, and levelling-down flags.

    Both models are evaluated on the same bootstrap replicates, so the interval is that of the paired difference.
    """
    part = m.partition
    slot, inside = part.slot[rows], cluster[rows]
    _, inside = np.unique(inside, return_inverse=True)
    inside = inside.reshape(-1).astype(np.int64)
    shape = (slot, len(part.names), inside, part.comparable, plan.convention)
    pair_of = (Evaluator(method, *shape), Evaluator(baseline, *shape))
    points = tuple(e.point() for e in pair_of)
    strata = np.zeros(int(inside.max()) + 1, dtype=np.int64)
    if plan.stratify:
        whole = strata_of(part, cluster, plan)
        strata[inside] = whole[cluster[rows]]
    both = [
        (pair_of[0].values(w), pair_of[1].values(w))
        for w in replicate_blocks(strata, plan.n_boot, seed=plan.seed, n_rows=rows.size)
    ]
    replicates = (Values.join(b[0] for b in both), Values.join(b[1] for b in both))
    n = np.bincount(slot, minlength=len(part.names))
    out: list[dict[str, Any]] = []
    flags: list[str] = []

    def add(group: str, metric: str, a: float, b: float, change: Array, count: int, **more: Any) -> None:
        low, high = percentile_interval(change)
        out.append(
            {
                "attribute": part.attribute,
                "group": group,
                "metric": metric,
                "baseline_value": float(b),
                "value": float(a),
                "change": float(a - b),
                "low": float(low),
                "high": float(high),
                "p": float(more.get("p", np.nan)),
                "n": int(count),
                "note": more.get("note", ""),
            }
        )

    right = (method.y_true == method.y_pred, baseline.y_true == baseline.y_pred)
    for metric in method.metrics:
        ours, theirs = (p.performance[metric][0] for p in points)
        change = replicates[0].performance[metric] - replicates[1].performance[metric]
        for s, name in [(len(part.names), "overall"), *enumerate(part.names)]:
            inside_group = slot == s if name != "overall" else np.ones(slot.size, dtype=bool)
            more: dict[str, Any] = {}
            if metric == "accuracy":
                test = mcnemar(right[0][inside_group], right[1][inside_group])
                more = {
                    "p": test.p,
                    "note": f"McNemar {test.form}: only this model right {test.b}, only the baseline {test.c}",
                }
            add(name, metric, ours[s], theirs[s], change[:, s], int(inside_group.sum()), **more)
        slots = [s for s in part.comparable if not np.isnan(ours[s]) and not np.isnan(theirs[s])]
        if len(slots) < 2:
            continue
        a, b = (p.gap(metric, slots)[0] for p in points)
        gap_change = replicates[0].gap(metric, slots) - replicates[1].gap(metric, slots)
        verdict = levelling_down(theirs[slots], ours[slots])
        add("gap", metric, a, b, gap_change, int(n[slots].sum()), note=verdict)
        if verdict == "levelled down" and a < b:
            flags.append(
                f"{part.attribute}: levelled down. The gap in {metric_info(metric).title} fell from {b:.3f} to "
                f"{a:.3f}, but no group gained: " + _changes(part.names, slots, theirs, ours) + "."
            )
    if len(part.comparable) >= 2:
        count = int(n[list(part.comparable)].sum())
        for metric in GAPS:
            a, b = (p.gaps[metric][0] for p in points)
            add("gap", metric, a, b, replicates[0].gaps[metric] - replicates[1].gaps[metric], count)
        out.extend(_fate_rows(part.attribute, list(part.comparable), points, replicates, count))
    return out, flags


def _fate_rows(
    attribute: str, slots: list[int], points: tuple[Values, ...], replicates: tuple[Values, Values], n: int
) -> list[dict[str, Any]]:
    """FATE with the mean macro F1 of the groups as accuracy, as in the SPARE tables, beside its raw pairs."""
    rows = []
    for metric in FATE_GAPS:
        accuracy = [v.performance["macro_f1"][:, slots].mean(axis=1) for v in (*points, *replicates)]
        gap = [v.gaps[metric] for v in (*points, *replicates)]
        value = fate(accuracy[0][0], accuracy[1][0], gap[0][0], gap[1][0])
        drawn = [fate(*four) for four in zip(accuracy[2], accuracy[3], gap[2], gap[3], strict=True)]
        low, high = percentile_interval(np.asarray(drawn))
        rows.append(
            {
                "attribute": attribute,
                "group": "gap",
                "metric": f"fate_{metric}",
                "baseline_value": 0.0,
                "value": value,
                "change": value,
                "low": float(low),
                "high": float(high),
                "p": float("nan"),
                "n": n,
                "note": f"mean macro F1 of the groups {accuracy[1][0]:.4f} to {accuracy[0][0]:.4f}, "
                f"{metric} {gap[1][0]:.4f} to {gap[0][0]:.4f}",
            }
        )
    return rows


def _changes(names: tuple[str, ...], slots: list[int], before: Array, after: Array) -> str:
    return "; ".join(f"{names[s]} {before[s]:.3f} to {after[s]:.3f}" for s in slots)
