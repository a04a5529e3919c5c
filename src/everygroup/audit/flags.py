"""What to heed, as plain sentences, each with how much it matters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from everygroup.audit.measurement import Measurement
from everygroup.audit.partition import ONE_CLUSTER, TOO_SMALL
from everygroup.metrics import metric_info
from everygroup.metrics.families import Index
from everygroup.predictions import Predictions
from everygroup.predictions.splits import has_role, roles

CHANCE_P = 0.05
Severity = Literal["stop", "caution", "note"]
RANK: dict[str, int] = {"stop": 0, "caution": 1, "note": 2}


@dataclass(frozen=True)
class Flag:
    """One thing to heed.

    Attributes
    ----------
    severity : 'stop' where the numbers must not be used before it is settled, 'caution' where they can mislead, 'note'
        on how they were made.
    text : a plain sentence.
    attribute, metric : what it is about; empty where it is about everything.
    """

    severity: Severity
    text: str
    attribute: str = ""
    metric: str = ""

    def __str__(self) -> str:
        return self.text


def ranked(flags: Iterable[Flag | str]) -> tuple[Flag, ...]:
    """The flags by severity, otherwise in their order, each text once; a bare text is a caution."""
    every: dict[str, Flag] = {}
    for flag in flags:
        flag = Flag("caution", flag) if isinstance(flag, str) else flag
        every.setdefault(flag.text, flag)
    return tuple(sorted(every.values(), key=lambda flag: RANK[flag.severity]))


def general_flags(predictions: Predictions, known: np.ndarray, names: Mapping[str, str]) -> list[Flag]:
    """What to heed before looking at any group; `names` is what classes are called that have no names."""
    flags = []
    if not known.all():
        left_out = f"{int((~known).sum())} of {len(predictions)} samples have no known label and are left out."
        flags.append(Flag("caution", left_out))
    flags += split_flags(predictions.table["split"], predictions.table["unit"])
    answers = np.unique(predictions.y_pred[known])
    if answers.size == 1 and len(predictions.classes) > 1:
        answer = predictions.classes[answers[0]]
        flags.append(
            Flag(
                "stop",
                f"Every sample is answered {names.get(answer, answer)!r}: recalls and rates of answers are then "
                "the same in every group whatever the data, so their gaps of 0 show nothing.",
            )
        )
    if not predictions.has_scores:
        flags.append(Flag("note", "There are no scores, so AUC is left out."))
    return flags


def split_flags(of_row: pd.Series, units: pd.Series) -> list[Flag]:
    """Samples that the model was trained on, or patients of whom it has seen other samples.

    Parameters
    ----------
    of_row, units : (n,) split, '' for none, and patient of every row.
    """
    splits = sorted({s for s in of_row.unique() if s})
    train = has_role(of_row, "train")
    if len(splits) == 1 and train.any():
        text = "These are the training samples: the numbers say nothing about new patients."
        return [Flag("stop", text)]
    if len(splits) < 2 or set(roles(splits).values()) == {"test"}:
        return []
    flags = []
    if train.any():
        both = len(set(units[train]) & set(units[~train & (of_row != "").to_numpy(dtype=bool)]))
        if both:
            flags.append(
                Flag("stop", f"{both:,} patients have samples both in the training split and in others: a leak.")
            )
    text = f"The rows mix the splits {', '.join(splits)}; choose one to measure what the model has not seen."
    return [*flags, Flag("stop" if train.any() else "caution", text)]


def part_flags(m: Measurement, shown: Sequence[str]) -> list[Flag]:
    """Plain sentences where only a part of very many patients was resampled, or shuffles were not dealt one by one."""
    attribute = m.partition.attribute
    flags = []
    if set(shown) & set(m.null.limited):
        text = (
            f"{attribute}: {int(m.partition.clusters[-1]):,} patients or samples are too many to shuffle one by one; "
            "sums of many small terms are drawn from the normal distribution that shuffling gives them."
        )
        flags.append(Flag("note", text, attribute))
    if not set(shown) & set(m.of_part):
        return flags
    text = (
        f"{attribute}: values rest on all {int(m.partition.clusters[-1]):,} patients or samples; the "
        f"intervals and p of metrics of scores or measured values on a random part of {m.part:,}, scaled to all."
    )
    return [*flags, Flag("note", text, attribute)]


def size_flags(m: Measurement) -> list[Flag]:
    """Plain sentences on missing values, small groups and groups of one patient."""
    part, min_n, flags = m.partition, m.plan.min_n, []

    def add(text: str) -> None:
        flags.append(Flag("caution", f"{part.attribute}: {text}", part.attribute))

    if part.title:
        text = f"{part.title} is the grouping used in training; it is shown as '{part.attribute}'."
        flags.append(Flag("note", text, part.attribute))
    if part.n_missing:
        add(
            f"{part.n_missing} of {int(part.n.sum())} samples have no value that makes a group; they are shown as "
            "'missing' and left out of gaps."
        )
    for s, name in enumerate(part.names):
        if name == "missing" or s in part.comparable:
            continue
        if part.note(s, min_n) == TOO_SMALL:
            add(f"group {name} has {int(part.n[s])} samples (fewer than {min_n}): {TOO_SMALL}, left out of gaps.")
        else:
            add(f"the {int(part.n[s])} samples of group {name} are of {ONE_CLUSTER}: no interval, left out of gaps.")
    return flags


def undefined_flags(m: Measurement, shown: Sequence[str]) -> list[Flag]:
    """Plain sentences on metrics undefined in a comparable group, and where nothing can be compared."""
    part, flags = m.partition, []
    for s in part.comparable:
        undefined = [metric_info(k).title for k in shown if np.isnan(m.point.performance[k][0, s])]
        if undefined:
            text = f"{part.attribute}: {_listed(undefined)} undefined in group {part.names[s]}, left out of the gap."
            flags.append(Flag("caution", text, part.attribute))
    if len(part.comparable) < 2:
        text = f"{part.attribute}: fewer than two groups can be compared, so there is no gap."
        flags.append(Flag("caution", text, part.attribute))
    return flags


def below_chance_flags(m: Measurement, classes: Sequence[str]) -> list[Flag]:
    """Scores that rank the classes the wrong way round, beyond what chance would explain."""
    cause = "the score columns probably stand in another order than the classes"
    if len(classes) == 2:
        cause = f"the score is probably that of the other class (--positive {classes[0]})"
    return reversed_flags(m, {"auc": cause})


def reversed_flags(m: Measurement, causes: Mapping[str, str]) -> list[Flag]:
    """Answers whose order is worse than none in all rows together, with the interval of the metric that says so.

    Parameters
    ----------
    causes : by metric (an AUC, or a correlation), what is probably wrong.
    """
    flags = []
    for metric, cause in causes.items():
        if metric not in m.metrics:
            continue
        info, value, high = metric_info(metric), m.point.performance[metric][0, -1], m.limits[metric][1][-1]
        if high < (info.low + info.high) / 2:
            text = f"{info.title} is {value:.3f}, worse than no information and beyond chance: {cause}."
            flags.append(Flag("stop", text, metric=metric))
    return flags


def class_flags(
    m: Measurement, y_true: Index, y_pred: Index, classes: Sequence[str], shown: Sequence[str], *, counted: bool
) -> list[Flag]:
    """Plain sentences on classes that are absent or rare in a group, or were never answered.

    Parameters
    ----------
    shown : metrics that are shown, which say what such a class does to them.
    counted : whether an undefined precision counts as 0 in macro averages.
    """
    part, min_n, flags = m.partition, m.plan.min_n, []
    shape = (len(part.names), len(classes))
    support, answered = (
        np.bincount(part.slot * len(classes) + y, minlength=shape[0] * shape[1]).reshape(shape)
        for y in (y_true, y_pred)
    )
    averages = " and macro averages" if any(name.startswith("macro_") for name in shown) else ""
    for s in part.comparable:
        name = part.names[s]
        absent = [c for c, n in zip(classes, support[s], strict=True) if n == 0]
        few = [c for c, n in zip(classes, support[s], strict=True) if 0 < n < min_n]
        never = [c for k, c in enumerate(classes) if support[s, k] and not answered[s, k]]
        texts = []
        if absent:
            texts.append(f"no sample of {_listed(absent, 'classes')} in group {name}.")
        if few:
            texts.append(
                f"fewer than {min_n} samples of {_listed(few, 'classes')} in group {name}; rates{averages} over these "
                "classes are uncertain."
            )
        if never:
            outcome = "undefined"
            if "macro_precision" in shown:
                outcome = "counted as 0 in macro precision" if counted else "undefined and left out of macro precision"
            texts.append(f"{_listed(never, 'classes')} was never answered in group {name}; its precision is {outcome}.")
        flags += [Flag("caution", f"{part.attribute}: {text}", part.attribute) for text in texts]
    return flags


def _listed(names: list[str], what: str = "metrics") -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more {what}"
