"""Sources of unfairness that predictions can show: who is there, who is ill, who can be told apart, who is uncertain.

After the sources named by Xu et al., npj Digital Medicine 2024. None of them proves a cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.audit.engine import Plan
from everygroup.audit.measurement import Measurement, measure
from everygroup.audit.partition import TOO_SMALL, Partition, told_apart
from everygroup.errors import PredictionsError
from everygroup.metrics.calibration import confidence
from everygroup.metrics.calibration_null import expected_ece
from everygroup.metrics.conformal import conformal_coverage, split_conformal
from everygroup.metrics.curves import design_effect
from everygroup.metrics.label_noise import CAVEAT, label_suspects
from everygroup.metrics.recalibration import recalibrate
from everygroup.metrics.scores import Ranks, losses
from everygroup.metrics.separability import separability
from everygroup.predictions import Predictions
from everygroup.predictions.splits import has_role
from everygroup.statistics import wilson_interval
from everygroup.statistics.proportions import clustered_wilson

Row = dict[str, Any]
Index = NDArray[np.int64]
NAN = float("nan")
MAX_CLASSES = 12
"""Prevalence is shown of the most frequent classes."""
ALPHA = 0.1

WORK, MIN_BOOT = 2_000_000, 100
"""Rows times replicates that the bootstrap may take, and the fewest replicates."""

_RANKED = {
    "entropy_error_auc": "AUC of entropy for error",
    "aurc": "area under risk-coverage",
    "accuracy_at_80": "accuracy at 80 % coverage",
}
_LOSSES = {"ece": "ECE", "brier": "Brier score", "nll": "log loss"}
SUMMED = ("brier", "nll", "ece", "mean_entropy")
"""Metrics from sums over rows that the sources show."""


def features_of(embeddings: ArrayLike, n: int) -> NDArray[np.generic]:
    """Features (n, d) of n samples.

    Raises
    ------
    PredictionsError
        For another number of rows.
    """
    found = np.asarray(embeddings)
    if found.ndim == 0 or len(found) != n:
        raise PredictionsError(
            f"embeddings has {len(np.atleast_1d(found))} rows but there are {n} samples.",
            fix="give the features of the same rows, in the same order",
        )
    return found


def source_rows(
    predictions: Predictions,
    partition: Partition,
    *,
    embeddings: ArrayLike | None = None,
    calibration: Predictions | None = None,
    plan: Plan | None = None,
    measured: Measurement | None = None,
) -> list[Row]:
    """Sources of unfairness by one attribute, as rows of `Audit.sources`.

    Parameters
    ----------
    predictions : rows whose label is known, the same rows as in `partition`.
    partition : the groups.
    embeddings : (n, d) features of the same rows, to see whether the group can be told from them; left out without.
    calibration : other rows of the same model (validation), to calibrate conformal sets on; left out without.
    plan : how to resample. Rank measures have percentile intervals and no p, from fewer replicates with more than
        2,000 rows, down to 100.
    measured : values of ECE, Brier score, log loss and entropy where they are at hand.

    Returns
    -------
    Rows of attribute, source ('representation', 'prevalence', 'separability', 'uncertainty', 'calibration' or 'label
    noise'), group (a group's name, 'missing', 'overall', or 'gap'), quantity, value, low, high, n and note. What cannot
    be measured has no row.
    """
    plan, cluster = plan or Plan(), predictions.unit_index
    seed, small_n = plan.seed, plan.min_n
    # of many rows fewer replicates say as much, and each costs more
    drawn = min(plan.n_boot, max(MIN_BOOT, WORK // max(cluster.size, 1)))
    facts = [*_representation(partition), *_prevalence(predictions, partition, cluster)]
    facts += _separability(partition, embeddings, cluster, drawn, seed)
    if predictions.has_scores:
        true, score = predictions.y_true, predictions.y_score
        summed = measured
        if summed is None:
            summed = measure([losses(true, score, SUMMED)], partition, cluster, plan, label=true)
        ranks = Ranks(true, score, predictions.classes, metrics=tuple(_RANKED))
        plain = replace(plan, n_boot=drawn, interval="percentile")
        ranked = measure([ranks], partition, cluster, plain, label=true, shuffles=False)
        facts += _measured(summed, "uncertainty", {"mean_entropy": "mean entropy (nats)"})
        facts += _measured(ranked, "uncertainty", _RANKED)
        facts += _conformal(predictions, partition, calibration)
        facts += _measured(summed, "calibration", _LOSSES)
        facts += _recalibration(predictions, partition, cluster, seed)
        facts += _label_noise(predictions, partition)
    small = {name for s, name in enumerate(partition.names) if name != "missing" and partition.n[s] < small_n}
    for fact in facts:
        fact["attribute"] = partition.attribute
        if fact["group"] in small:
            fact["note"] = "; ".join(t for t in (TOO_SMALL, fact["note"]) if t)
    return facts


def _row(
    source: str,
    group: str,
    quantity: str,
    value: float,
    interval: tuple[Any, Any] = (NAN, NAN),
    n: int = 0,
    note: str = "",
) -> Row:
    low, high = (float(v) for v in interval)
    text = note or ("undefined" if np.isnan(value) else "")
    return {
        "source": source,
        "group": group,
        "quantity": quantity,
        "value": float(value),
        "low": low,
        "high": high,
        "n": int(n),
        "note": text,
    }


def _slots(partition: Partition) -> Iterable[tuple[str, Index]]:
    """Name and rows of everything, then of every slot."""
    yield "overall", np.arange(partition.slot.size)
    for s, name in enumerate(partition.names):
        yield name, np.flatnonzero(partition.slot == s)


def _representation(partition: Partition) -> list[Row]:
    """Samples and patients of every group, and their share of all patients, with its Wilson interval."""
    rows, total = [], int(partition.n.sum())
    for s, name in enumerate(["overall", *partition.names]):
        n = total if s == 0 else int(partition.n[s - 1])
        patients = int(partition.clusters[-1] if s == 0 else partition.clusters[s - 1])
        rows.append(_row("representation", name, "samples", n, n=n))
        rows.append(_row("representation", name, "patients", patients, n=n))
        if s:
            everyone = int(partition.clusters[-1])
            share = patients / everyone
            rows.append(
                _row("representation", name, "share of patients", share, wilson_interval(patients, everyone), everyone)
            )
            rows.append(_row("representation", name, "share of samples", n / total, n=total))
    return rows


def _prevalence(predictions: Predictions, partition: Partition, cluster: Index) -> list[Row]:
    """Share of the second of two classes, or of the most frequent classes, in every group."""
    true, classes = predictions.y_true, predictions.classes
    support = np.bincount(true, minlength=len(classes))
    shown = [1] if len(classes) == 2 else np.argsort(-support, kind="stable")[:MAX_CLASSES].tolist()
    left_out = len(classes) - MAX_CLASSES
    note = f"{left_out} rarer classes are left out" if left_out > 0 else ""
    rows = []
    for k in shown:
        for name, inside in _slots(partition):
            of_class = true[inside] == k
            n, right = inside.size, int(of_class.sum())
            interval = wilson_interval(right, n, n_effective=n / design_effect(of_class, cluster[inside]))
            value = right / n if n else NAN
            rows.append(_row("prevalence", name, f"prevalence[{classes[k]}]", value, interval, n, note))
    return rows


def _separability(
    partition: Partition, embeddings: ArrayLike | None, cluster: Index, n_boot: int, seed: int
) -> list[Row]:
    """AUC of telling the group from features, where there are some and two groups to tell apart."""
    slots = list(partition.comparable)
    if embeddings is None or len(slots) < 2:
        return []
    names = np.array([*partition.names, ""], dtype=object)
    inside = np.isin(partition.slot, slots)
    group = np.where(inside, names[partition.slot], "")
    found = separability(features_of(embeddings, group.size), group, cluster=cluster, n_boot=n_boot, seed=seed)
    quantity = "AUC of the group from features"
    rows = [_row("separability", "overall", quantity, found.auc, (found.low, found.high), found.n, found.note)]
    for s in slots:
        value, low, high = found.per_group[partition.names[s]]
        rows.append(
            _row("separability", partition.names[s], quantity, value, (low, high), int(partition.n[s]), found.note)
        )
    return rows


def _measured(m: Measurement, source: str, quantities: Mapping[str, str]) -> list[Row]:
    """Values of every group with their intervals, and the gap with what shuffled groups give."""
    part, rows = m.partition, []
    total = int(part.n.sum())
    for metric, quantity in quantities.items():
        values, (low, high) = m.point.performance[metric][0], m.limits[metric]
        rows.append(_row(source, "overall", quantity, values[-1], (low[-1], high[-1]), total))
        rows += [
            _row(source, name, quantity, values[s], (low[s], high[s]), int(part.n[s]))
            for s, name in enumerate(part.names)
        ]
        slots = m.slots(metric)
        if len(slots) < 2:
            continue
        p = m.p.get(metric, NAN)
        said = (
            "" if np.isnan(p) else f"permutation p = {p:.3f}; shuffled groups give {m.chance(metric)[0]:.3f} on average"
        )
        # a gap over fewer groups than the interval was made for has none
        interval = m.gap_limits[metric] if slots == part.comparable else (NAN, NAN)
        gap = float(m.point.gap(metric, slots)[0])
        rows.append(_row(source, "gap", quantity, gap, interval, int(part.n[list(slots)].sum()), said))
    return rows


def _conformal(predictions: Predictions, partition: Partition, calibration: Predictions | None) -> list[Row]:
    """Coverage and size of 90 % sets in every group, with one threshold and with one per group."""
    if calibration is None or not calibration.has_scores or calibration.classes != predictions.classes:
        return []
    known = calibration.where(calibration.y_true >= 0)
    try:
        names, index = known.attribute(partition.attribute)
    except PredictionsError:
        return []
    theirs = np.array([*map(told_apart, names), ""], dtype=object)[index]
    ours = np.array(partition.names, dtype=object)[partition.slot]
    ours[ours == "missing"] = ""
    rows = []
    for word, groups in (("one threshold", None), ("one per group", theirs)):
        sets = split_conformal(known.y_true, known.y_score, sensitive_features=groups, alpha=ALPHA)
        table = conformal_coverage(
            sets,
            predictions.y_true,
            predictions.y_score,
            sensitive_features=ours,
            cluster=predictions.unit_index,
        )
        for name, n_calibration, n, coverage, low, high, size in table.itertuples(index=False):
            note = f"calibrated on {n_calibration} samples; 0.9 is aimed at"
            rows.append(_row("uncertainty", name, f"coverage of 90 % sets ({word})", coverage, (low, high), n, note))
            rows.append(_row("uncertainty", name, f"size of 90 % sets ({word})", size, n=n, note=note))
    return rows


def _recalibration(predictions: Predictions, partition: Partition, cluster: Index, seed: int) -> list[Row]:
    """Calibration slope and intercept, and the calibration error that a perfect model would show at this n."""
    stated, outcome = confidence(predictions.y_true, predictions.y_score)
    rows = []
    for name, inside in _slots(partition):
        n = inside.size
        line = recalibrate(stated[inside], outcome[inside], cluster=cluster[inside])
        shift = recalibrate(stated[inside], outcome[inside], cluster=cluster[inside], fixed_slope=True)
        rows.append(_row("calibration", name, "calibration slope", line.slope, line.slope_interval, n))
        rows.append(_row("calibration", name, "calibration in the large", shift.intercept, shift.intercept_interval, n))
        by_chance = expected_ece(predictions.y_score[inside], seed=seed, n_sim=100).value
        note = "the bias of ECE at this n, by simulation"
        rows.append(_row("calibration", name, "ECE of a perfectly calibrated model", by_chance, n=n, note=note))
    return rows


def _label_noise(predictions: Predictions, partition: Partition) -> list[Row]:
    """Share of suspects in every group; none of training samples, whose labels the model remembers."""
    if has_role(predictions.table["split"], "train").any():
        return []
    found = label_suspects(predictions.y_true, predictions.y_score, ids=predictions.ids)
    suspect = np.zeros(len(predictions), dtype=bool)
    suspect[found.table["row"].to_numpy(dtype=np.int64)] = True
    cluster, rows = predictions.unit_index, []
    for name, inside in _slots(partition):
        n, count = inside.size, int(suspect[inside].sum())
        value = count / n if n else NAN
        interval = clustered_wilson(suspect[inside], cluster[inside])
        rows.append(_row("label noise", name, "label noise suspects (share)", value, interval, n, CAVEAT))
    return rows
