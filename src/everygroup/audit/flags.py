"""What to heed, as plain sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from everygroup.audit.measurement import Measurement
from everygroup.audit.partition import ONE_CLUSTER, TOO_SMALL
from everygroup.metrics import metric_info
from everygroup.metrics.classification import Convention
from everygroup.metrics.families import Index
from everygroup.predictions import Predictions
from everygroup.predictions.columns import TRAIN_WORDS

CHANCE_METRIC, CHANCE_P = "macro_f1", 0.05


def general_flags(predictions: Predictions, known: np.ndarray) -> list[str]:
    """What to heed before looking at any group."""
    flags = []
    if not known.all():
        flags.append(f"{int((~known).sum())} of {len(predictions)} samples have no known label and are left out.")
    splits = sorted({s for s in predictions.table["split"].unique() if s})
    if len(splits) > 1:
        flags.append(f"The rows mix the splits {', '.join(splits)}; choose one to measure what the model has not seen.")
    elif splits and splits[0].lower() in TRAIN_WORDS:
        flags.append("These are the training samples: the numbers say nothing about new patients.")
    answers = np.unique(predictions.y_pred[known])
    if answers.size == 1:
        flags.append(
            f"Every sample is answered {predictions.classes[answers[0]]!r}: recalls and rates of answers are then the "
            "same in every group whatever the data, so their gaps of 0 show nothing."
        )
    if not predictions.has_scores:
        flags.append("There are no scores, so AUC is left out.")
    return flags


def chance_flags(m: Measurement, metric: str = CHANCE_METRIC) -> list[str]:
    """A plain sentence where the gap in the leading metric is no larger than those of shuffled groups."""
    p = m.p.get(metric, float("nan"))
    # with fewer shuffles no gap could reach the limit, however large it is
    if 1 / (1 + m.plan.n_boot) > CHANCE_P or not p > CHANCE_P:
        return []
    what = "macro F1" if metric == "macro_f1" else metric_info(metric).title
    return [
        f"{m.partition.attribute}: the measured gap in {what} is no larger than chance alone often gives "
        f"(permutation p = {p:.2f})."
    ]


def part_flags(m: Measurement, shown: Sequence[str]) -> list[str]:
    """A plain sentence where only a part of very many patients was resampled."""
    if not set(shown) & set(m.of_part):
        return []
    return [
        f"{m.partition.attribute}: values rest on all {int(m.partition.clusters[-1]):,} patients or samples; the "
        f"intervals and p of metrics of scores or measured values on a random part of {m.part:,}, scaled to all."
    ]


def size_flags(m: Measurement) -> list[str]:
    """Plain sentences on missing values, small groups and groups of one patient."""
    part, min_n, flags = m.partition, m.plan.min_n, []
    if part.n_missing:
        flags.append(
            f"{part.attribute}: {part.n_missing} of {int(part.n.sum())} samples have no value; they are shown as "
            "'missing' and left out of gaps."
        )
    for s, name in enumerate(part.names):
        if name == "missing" or s in part.comparable:
            continue
        if part.note(s, min_n) == TOO_SMALL:
            flags.append(
                f"{part.attribute}: group {name} has {int(part.n[s])} samples (fewer than {min_n}): {TOO_SMALL}, "
                "left out of gaps."
            )
        else:
            flags.append(
                f"{part.attribute}: the {int(part.n[s])} samples of group {name} are of {ONE_CLUSTER}: no interval, "
                "left out of gaps."
            )
    return flags


def undefined_flags(m: Measurement, shown: tuple[str, ...]) -> list[str]:
    """Plain sentences on metrics undefined in a comparable group, and where nothing can be compared."""
    part, flags = m.partition, []
    for s in part.comparable:
        undefined = [metric_info(k).title for k in shown if np.isnan(m.point.performance[k][0, s])]
        if undefined:
            flags.append(
                f"{part.attribute}: {_listed(undefined)} undefined in group {part.names[s]}, left out of the gap."
            )
    if len(part.comparable) < 2:
        flags.append(f"{part.attribute}: fewer than two groups can be compared, so there is no gap.")
    return flags


def class_flags(
    m: Measurement, y_true: Index, y_pred: Index, classes: tuple[str, ...], convention: Convention
) -> list[str]:
    """Plain sentences on classes that are absent or rare in a group, or were never answered."""
    part, min_n, flags = m.partition, m.plan.min_n, []
    shape = (len(part.names), len(classes))
    support, answered = (
        np.bincount(part.slot * len(classes) + y, minlength=shape[0] * shape[1]).reshape(shape)
        for y in (y_true, y_pred)
    )
    for s in part.comparable:
        name = part.names[s]
        absent = [c for c, n in zip(classes, support[s], strict=True) if n == 0]
        few = [c for c, n in zip(classes, support[s], strict=True) if 0 < n < min_n]
        if absent:
            flags.append(f"{part.attribute}: no sample of {_listed(absent, 'classes')} in group {name}.")
        if few:
            flags.append(
                f"{part.attribute}: fewer than {min_n} samples of {_listed(few, 'classes')} in group {name}; rates and "
                "macro averages over these classes are uncertain."
            )
        never = [c for k, c in enumerate(classes) if support[s, k] and not answered[s, k]]
        if never:
            outcome = (
                "its precision counts as 0 in macro precision"
                if convention == "lab"
                else "its precision is undefined and left out of macro precision"
            )
            flags.append(
                f"{part.attribute}: {_listed(never, 'classes')} was never answered in group {name}; {outcome}."
            )
    return flags


def _listed(names: list[str], what: str = "metrics") -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more {what}"
