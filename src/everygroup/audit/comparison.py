"""A method against a baseline on the same samples: the change of every group, and whether it came by levelling down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from everygroup.audit.choice import Answers
from everygroup.audit.engine import Plan, Resampler, Values
from everygroup.audit.flags import Flag
from everygroup.audit.measurement import Measurement
from everygroup.audit.partition import MIN_CLUSTERS, Partition
from everygroup.errors import PredictionsError
from everygroup.metrics import fate, levelling_down, metric_info
from everygroup.metrics.changes import NO_CLEAR_CHANGE, clear_direction, clear_verdict
from everygroup.metrics.families import Array, Family, Index
from everygroup.predictions import Predictions
from everygroup.statistics import cluster_index, mcnemar, percentile_interval, sign_flip
from everygroup.statistics.delong import delong
from everygroup.statistics.intervals import expanded_interval

FATE_GAPS = ("eopp0_lab", "eopp1_lab", "eodds_lab")


MakeFamilies = Callable[[Answers], Sequence[Family]]


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows: values of the method and of the baseline, and the limits (S + 1,) of the change."""

    partition: Partition
    point: tuple[Values, Values]
    replicates: tuple[Values, Values]
    limits: dict[str, tuple[Array, Array]]


@dataclass(frozen=True)
class Matched:
    """Two predictions of the same samples.

    Attributes
    ----------
    rows : rows of the first that have a partner.
    method, baseline : both samples in that order and with the first one's class order.
    notes : on rows without a partner or paired by row.
    """

    rows: Index
    method: Answers
    baseline: Answers
    notes: list[str]


def pair(method: Predictions, baseline: Predictions) -> Matched:
    """Match the rows of two predictions by id, or by row where neither has ids.

    Raises
    ------
    PredictionsError
        For ids that are not unique, have nothing in common or are known of one side only, tables of different length
        without ids, different classes, or labels that disagree.
    """
    notes = _without_ids(method, baseline)
    for word, p in (("predictions", method), ("baseline", baseline)):
        ids, counts = np.unique(p.ids.astype(str), return_counts=True)
        if (counts > 1).any():
            double = str(ids[counts > 1][0])
            raise PredictionsError(
                f"The id {double!r} stands in several rows of the {word}, so samples cannot be paired.",
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
    ours = Answers(truth, method.y_pred[rows], method.y_score[rows] if scored else None, n_classes)
    return Matched(rows, ours, Answers(truth, order[baseline.y_pred[other]], score, n_classes), notes)


def _without_ids(method: Predictions, baseline: Predictions) -> list[str]:
    """Refuse to match ids with row numbers, or rows of different tables; note where rows are matched."""
    if method.has_ids and baseline.has_ids:
        return []
    fix = "name the column of ids with --id-column"
    if method.has_ids != baseline.has_ids:
        without = "baseline" if method.has_ids else "table of predictions"
        raise PredictionsError(f"The {without} has no ids and the other has, so samples cannot be paired.", fix=fix)
    if method.numbered != baseline.numbered:
        raise PredictionsError(
            f"Without ids samples are paired by row, but the predictions have {method.numbered} rows and the baseline "
            f"{baseline.numbered}.",
            fix=fix,
        )
    return ["Neither the predictions nor the baseline have ids: samples were paired by row."]


def compare_families(
    method: Sequence[Family], baseline: Sequence[Family], part: Partition, cluster: Index, plan: Plan
) -> Comparison:
    """Evaluate two models on the same rows, replicates and jackknife.

    Parameters
    ----------
    method, baseline : the same families for either model, in the same order, over the same rows.
    part, cluster : of these rows.
    """
    resampler = Resampler([*method, *baseline], part, cluster, plan)
    k, points, drawn = len(method), resampler.point(), resampler.replicates()
    pairs = [(Values.merge(v[:k]), Values.merge(v[k:])) for v in (points, drawn)]
    limits: dict[str, tuple[Array, Array]] = {}
    known = part.clusters >= MIN_CLUSTERS
    for i, family in enumerate(method):
        for m in family.metrics:
            low, high = _change(drawn[i].performance[m] - drawn[k + i].performance[m], part.clusters, plan)
            limits[m] = np.where(known, low, np.nan), np.where(known, high, np.nan)
    return Comparison(part, pairs[0], pairs[1], limits)


def _change(change: Array, units: Index, plan: Plan) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Interval of changes (R, ...) of values that rest on `units` (...) patients.

    The few answers in which two models differ are too discrete for BCa; widened percentiles cover better.
    """
    return percentile_interval(change) if plan.interval == "percentile" else expanded_interval(change, n_units=units)


def comparison_rows(
    c: Comparison, plan: Plan, *, shown: Sequence[str] | None = None
) -> tuple[list[dict[str, Any]], list[Flag]]:
    """Long rows of the change of every group and gap of one attribute, and levelling-down flags."""
    part, out, flags = c.partition, [], []

    for metric in c.point[0].performance if shown is None else shown:
        ours, theirs = (v.performance[metric][0] for v in c.point)
        low, high = c.limits[metric]
        sizes = (*part.n.tolist(), int(part.n.sum()))
        for s, name in [(len(part.names), "overall"), *enumerate(part.names)]:
            note = part.note(s, plan.min_n) if s < len(part.names) else ""
            out.append(_row(part, name, metric, (ours[s], theirs[s]), (low[s], high[s]), sizes[s], note))
        slots = [s for s in part.comparable if not np.isnan(ours[s]) and not np.isnan(theirs[s])]
        if len(slots) < 2:
            continue
        gaps = tuple(v.gap(metric, slots)[0] for v in c.point)
        change = c.replicates[0].gap(metric, slots) - c.replicates[1].gap(metric, slots)
        moved = _change(change, part.clusters[slots].min(), plan)
        better = metric_info(metric).higher_is_better
        verdict = ""
        if better is not None:
            verdict = levelling_down(theirs[slots], ours[slots], higher_is_better=better)
        out.append(_row(part, "gap", metric, gaps, moved, int(part.n[slots].sum()), verdict))
        if verdict == "levelled down" and gaps[0] < gaps[1]:
            flags.append(_levelled(part, metric, slots, gaps, moved, (ours, theirs), (low, high), bool(better)))
    if len(part.comparable) >= 2:
        at = list(part.comparable)
        count, fewest = int(part.n[at].sum()), part.clusters[at].min()
        for metric in c.point[0].gaps:
            gaps = tuple(v.gaps[metric][0] for v in c.point)
            moved = _change(c.replicates[0].gaps[metric] - c.replicates[1].gaps[metric], fewest, plan)
            out.append(_row(part, "gap", metric, gaps, moved, count, ""))
    return out, flags


def compare(
    m: Measurement, matched: Matched, cluster: Index, families: MakeFamilies
) -> tuple[list[dict[str, Any]], list[Flag]]:
    """Rows and flags of one attribute for two classifiers; the shown metrics are those of `m`.

    Both models are evaluated on the same bootstrap replicates, so the interval is that of the paired difference.
    Groups that are too small, or of one patient, among the paired rows are noted so and have no p.
    """
    plan, rows, method, baseline = m.plan, matched.rows, matched.method, matched.baseline
    part, inside = m.partition.of_rows(rows, cluster, min_n=plan.min_n), cluster_index(cluster[rows])
    c = compare_families(families(method), families(baseline), part, inside, plan)
    out, flags = comparison_rows(c, plan)
    right = (method.y_true == method.y_pred, baseline.y_true == baseline.y_pred)
    for row in out:
        if row["group"] == "gap" or row["note"] or row["metric"] not in ("accuracy", "auc"):
            continue
        members = np.arange(part.slot.size)
        if row["group"] != "overall":
            members = np.flatnonzero(part.slot == part.names.index(row["group"]))
        if row["metric"] == "accuracy":
            row |= _accuracy_test(right[0][members], right[1][members], inside[members], plan)
        elif method.n_classes == 2 and method.y_score is not None and baseline.y_score is not None:
            scores = method.y_score[members, 1], baseline.y_score[members, 1]
            row |= _auc_test(method.y_true[members], scores, inside[members])
    if len(part.comparable) >= 2 and "macro_f1" in c.point[0].performance:
        out += _fate_rows(c, list(part.comparable), int(part.n[list(part.comparable)].sum()))
    return out, flags


def _row(
    part: Partition, group: str, metric: str, values: tuple[Any, ...], limits: tuple[Any, Any], n: int, note: str
) -> dict[str, Any]:
    return {
        "attribute": part.attribute,
        "group": group,
        "metric": metric,
        "baseline_value": float(values[1]),
        "value": float(values[0]),
        "change": float(values[0] - values[1]),
        "low": float(limits[0]),
        "high": float(limits[1]),
        "p": float("nan"),
        "n": int(n),
        "note": note or ("undefined" if np.isnan(values[0] - values[1]) else ""),
    }


def _levelled(
    part: Partition,
    metric: str,
    slots: list[int],
    gaps: tuple[Any, ...],
    moved: tuple[Any, Any],
    values: tuple[Array, Array],
    limits: tuple[Array, Array],
    higher_is_better: bool,
) -> Flag:
    """Say that a gap fell while no group gained; a caution where a group's loss is more than noise."""
    ours, theirs = values
    fell = f"The gap in {metric_info(metric).title} fell from {gaps[1]:.3f} to {gaps[0]:.3f}, but"
    of_each = "; ".join(f"{part.names[s]} {theirs[s]:.3f} to {ours[s]:.3f}" for s in slots)
    changes = [(limits[0][s], limits[1][s]) for s in slots]
    lost = clear_verdict("levelled down", changes, higher_is_better=higher_is_better)
    unclear = clear_direction(*moved, lower=True) != 1
    if lost and not unclear:
        text = f"{part.attribute}: levelled down. {fell} no group gained: {of_each}."
        return Flag("caution", text, part.attribute, metric)
    if lost:
        down = "fell" if higher_is_better else "rose"
        names = ", ".join(
            part.names[s]
            for s, limit in zip(slots, changes, strict=True)
            if clear_direction(*limit, lower=not higher_is_better) == -1
        )
        text = (
            f"{part.attribute}: {fell} this is {NO_CLEAR_CHANGE}, no group gained, and the value of {names} clearly "
            f"{down}: {of_each}."
        )
        return Flag("caution", text, part.attribute, metric)
    all_fell = ((ours[slots] < theirs[slots]) if higher_is_better else (ours[slots] > theirs[slots])).all()
    verb = ("fell", "rose") if higher_is_better else ("rose", "fell")
    every = f"every group {verb[0]}" if all_fell else f"some groups {verb[0]} and none {verb[1]}"
    text = f"{part.attribute}: {fell} point estimates of {every}, within the noise: {of_each}."
    return Flag("note", text, part.attribute, metric)


def _auc_test(y_true: Index, scores: tuple[Array, Array], cluster: Index) -> dict[str, Any]:
    """Return p and note of the change in the AUC: DeLong's test, Obuchowski's form where clusters have rows."""
    clustered = np.unique(cluster).size < cluster.size
    test = delong(y_true, *scores, cluster=cluster if clustered else None)
    return {"p": test.p, "note": "DeLong over patients" if clustered else "DeLong"}


def _accuracy_test(
    method_right: NDArray[np.bool_], baseline_right: NDArray[np.bool_], cluster: Index, plan: Plan
) -> dict[str, Any]:
    """Return p and note of the change in accuracy: McNemar's test, or sign-flips where a cluster has several rows."""
    if np.unique(cluster).size == cluster.size:
        test = mcnemar(method_right, baseline_right)
        b, c, p, name = test.b, test.c, test.p, f"McNemar {test.form}"
    else:
        flips = sign_flip(method_right, baseline_right, cluster, n_flips=plan.n_boot, seed=plan.seed)
        b, c, p, name = flips.b, flips.c, flips.p, "sign-flip over patients"
    return {"p": p, "note": f"{name}: only this model right {b}, only the baseline {c}"}


def _fate_rows(c: Comparison, slots: list[int], n: int) -> list[dict[str, Any]]:
    """FATE with the mean macro F1 of the groups as accuracy, as in the SPARE tables, beside its raw pairs."""
    rows, every = [], (*c.point, *c.replicates)
    for metric in FATE_GAPS:
        accuracy = [v.performance["macro_f1"][:, slots].mean(axis=1) for v in every]
        gap = [v.gaps[metric] for v in every]
        value = fate(accuracy[0][0], accuracy[1][0], gap[0][0], gap[1][0])
        drawn = [fate(*four) for four in zip(accuracy[2], accuracy[3], gap[2], gap[3], strict=True)]
        note = (
            f"mean macro F1 of the groups {accuracy[1][0]:.4f} to {accuracy[0][0]:.4f}, "
            f"{metric} {gap[1][0]:.4f} to {gap[0][0]:.4f}"
        )
        limits = percentile_interval(np.asarray(drawn))
        rows.append(_row(c.partition, "gap", f"fate_{metric}", (value, 0.0), limits, n, note))
    return rows
