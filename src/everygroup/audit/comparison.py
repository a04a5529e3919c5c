"""A method against a baseline on the same samples: the change of every group, and whether it came by levelling down."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from everygroup.audit.attribute import Measurement, Plan, strata_of
from everygroup.audit.evaluate import GAPS, Array, Evaluator, Index, Sample, Values
from everygroup.errors import PredictionsError
from everygroup.metrics import fate, levelling_down, metric_info
from everygroup.predictions import Predictions
from everygroup.statistics import cluster_index, mcnemar, percentile_interval, replicate_blocks, sign_flip

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
    Groups that are too small, or of one patient, among the paired rows are noted so and have no p.
    """
    part = m.partition.of_rows(rows, cluster, min_n=plan.min_n)
    slot, inside, n = part.slot, cluster_index(cluster[rows]), part.n
    shape = (slot, len(part.names), inside, part.comparable, plan.convention)
    pair_of = (Evaluator(method, *shape), Evaluator(baseline, *shape))
    points = tuple(e.point() for e in pair_of)
    strata = strata_of(part, inside, plan)
    both = [
        (pair_of[0].values(w), pair_of[1].values(w))
        for w in replicate_blocks(strata, plan.n_boot, seed=plan.seed, n_rows=rows.size)
    ]
    replicates = (Values.join(b[0] for b in both), Values.join(b[1] for b in both))
    out: list[dict[str, Any]] = []
    flags: list[str] = []

    def add(group: str, metric: str, a: float, b: float, interval: tuple[Any, Any], count: int, **more: Any) -> None:
        low, high = interval
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
        low, high = part.interval(change)
        for s, name in [(len(part.names), "overall"), *enumerate(part.names)]:
            members = np.flatnonzero(slot == s) if s < len(part.names) else np.arange(slot.size)
            more: dict[str, Any] = {"note": part.note(s, plan.min_n) if s < len(part.names) else ""}
            if metric == "accuracy" and not more["note"]:
                more = _accuracy_test(right[0][members], right[1][members], inside[members], plan)
            add(name, metric, ours[s], theirs[s], (low[s], high[s]), members.size, **more)
        slots = [s for s in part.comparable if not np.isnan(ours[s]) and not np.isnan(theirs[s])]
        if len(slots) < 2:
            continue
        a, b = (p.gap(metric, slots)[0] for p in points)
        gap_change = replicates[0].gap(metric, slots) - replicates[1].gap(metric, slots)
        verdict = levelling_down(theirs[slots], ours[slots])
        add("gap", metric, a, b, percentile_interval(gap_change), int(n[slots].sum()), note=verdict)
        if verdict == "levelled down" and a < b:
            fell = f"The gap in {metric_info(metric).title} fell from {b:.3f} to {a:.3f}, but"
            moved = _changes(part.names, slots, theirs, ours)
            if any(high[s] < 0 for s in slots):
                flags.append(f"{part.attribute}: levelled down. {fell} no group gained: {moved}.")
            else:
                every = "every group fell" if (ours[slots] < theirs[slots]).all() else "some groups fell and none rose"
                flags.append(f"{part.attribute}: {fell} point estimates of {every}, within the noise: {moved}.")
    if len(part.comparable) >= 2:
        count = int(n[list(part.comparable)].sum())
        for metric in GAPS:
            a, b = (p.gaps[metric][0] for p in points)
            gap_change = replicates[0].gaps[metric] - replicates[1].gaps[metric]
            add("gap", metric, a, b, percentile_interval(gap_change), count)
        out.extend(_fate_rows(part.attribute, list(part.comparable), points, replicates, count))
    return out, flags


def _accuracy_test(
    method_right: NDArray[np.bool_], baseline_right: NDArray[np.bool_], cluster: Index, plan: Plan
) -> dict[str, Any]:
    """p and note of the change in accuracy: McNemar's test, or sign-flips where a cluster has several rows."""
    if np.unique(cluster).size == cluster.size:
        test = mcnemar(method_right, baseline_right)
        b, c, p, name = test.b, test.c, test.p, f"McNemar {test.form}"
    else:
        flips = sign_flip(method_right, baseline_right, cluster, n_flips=plan.n_boot, seed=plan.seed)
        b, c, p, name = flips.b, flips.c, flips.p, "sign-flip over patients"
    return {"p": p, "note": f"{name}: only this model right {b}, only the baseline {c}"}


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
