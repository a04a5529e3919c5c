"""What was predicted (one class, several labels, a number, a mask, an anomaly, an image): guessed, with the reason."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.cohort.groups import as_category, natural_key
from everygroup.errors import PredictionsError
from everygroup.predictions.columns import (
    PRED_NAMES,
    TRUE_NAMES,
    as_numbers,
    find_answers,
    named_like,
    with_prefix,
)
from everygroup.predictions.metadata import Joined
from everygroup.predictions.table_reading import TableReading
from everygroup.tables.kinds import few, looks_measured, no_classes

Task = Literal["classification", "multilabel", "regression", "segmentation", "anomaly", "reconstruction"]
OF_RECONSTRUCTIONS = ("psnr", "ssim", "nmse")
OF_MASKS = ("dice", "iou", "hd95", "boundary_f1", "pixel_tpr", "pixel_fpr")
ANOMALY_NAMES = ("anomaly_score", "anomaly", "abnormality", "novelty", "outlier_score")
TRUE_PREFIXES = ("y_true_", "true_", "label_", "target_", "truth_")
PRED_PREFIXES = ("y_pred_", "pred_", "answer_")
_FEW = 12
"""Up to so many whole numbers are classes; up to `MOST_CLASSES` unless answers that miss them are near."""
_WITH_UNIT = re.compile(r"[+-]?\d[\d.,' ]*\s*([a-zA-Zµ°%]{1,6}[²³]?(?:/[a-zA-Z²³.\d]+)?)")
_ASK = "say what they are: --task regression for measured numbers, --task classification for classes"


def guess_task(source: Joined, reading: TableReading) -> tuple[Task, str]:
    """What was predicted, and why that is thought.

    Raises
    ------
    PredictionsError
        Where many numbers may be classes or measured.
    """
    columns = source.columns
    if reading.y_true is not None and "*" in reading.y_true:
        return "multilabel", f"--y-true {reading.y_true} names several labels"
    label = reading.y_true or named_like(columns, TRUE_NAMES, reading.named)
    if label is None:
        if any(named_like(columns, [m], set()) for m in OF_MASKS):
            return "segmentation", "there is no label, and there are columns of Dice and the like"
        if any(named_like(columns, [m], set()) for m in OF_RECONSTRUCTIONS):
            return "reconstruction", "there is no label, and there are columns of PSNR and the like"
        if len(with_prefix(columns, TRUE_PREFIXES)[1]) > 1:
            return "multilabel", "there are several columns of labels"
        return "classification", "nothing tells of another task"
    if label not in columns:
        return "classification", "nothing tells of another task"
    if not reading.y_score and named_like(columns, ANOMALY_NAMES, {label}) is not None:
        return "anomaly", "there is a column of anomaly scores"
    answer = reading.y_pred or named_like(columns, PRED_NAMES, {label, *reading.named})
    both = [c for c in (label, answer) if c in columns]
    table = source.read(both, labels=both)
    different = {v for v in map(as_category, table[label].unique()) if v is not None}
    _refuse_units(source.name, label, different)
    if not reading.y_score and answer in columns and answer is not None:
        measured = _measured(source.name, table, label, answer, scored=_scored(source, reading))
        if measured:
            return "regression", measured
    elif _is_measured(table[label]) and (_has_decimals(table[label]) or not _scored(source, reading)):
        raise PredictionsError(
            f"{source.name}: the label {label!r} holds {len(different)} different measured numbers, no classes.",
            fix="name the label with --y-true, or the prediction with --y-pred and --task regression; whole numbers "
            "that are codes of classes need --task classification",
        )
    _refuse_no_classes(source.name, label, table[label])
    return (
        "classification",
        f"{label!r} holds {len(different)} different values ({few(sorted(different, key=natural_key))})",
    )


def _refuse_units(name: str, label: str, different: set[str]) -> None:
    """Refuse labels that are numbers with a unit, which are neither numbers nor classes; per cent are read."""
    units = [found[1] for v in different if (found := _WITH_UNIT.fullmatch(v)) and found[1] != "%"]
    if len(different) > _FEW and len(units) > 0.9 * len(different):
        raise PredictionsError(
            f"{name}: {label!r} holds numbers with a unit ({few(sorted(different))}), which are read neither as "
            f"numbers nor as {len(different)} classes.",
            fix="write the numbers alone, and the unit into the column's name",
        )


def _refuse_no_classes(name: str, label: str, values: pd.Series) -> None:
    """Refuse labels that are dates, or a text of its own in most rows: no classes."""
    if what := no_classes(values):
        raise PredictionsError(
            f"{name}: {label!r} holds {what}: no classes.", fix="name the column of the label with --y-true"
        )


def _scored(source: Joined, reading: TableReading) -> bool:
    """Whether several score columns bear the names of the labels."""
    try:
        found = find_answers(
            source.name,
            source.columns,
            source.sample,
            y_true=reading.y_true,
            y_pred=reading.y_pred,
            y_score=reading.y_score or None,
            taken=reading.named,
        )
    except PredictionsError:
        return False
    return len(found.scores) > 1


def _is_measured(label: pd.Series) -> bool:
    """Whether labels are measured numbers, by the rule that cohorts have for theirs."""
    numbers = as_numbers(label)
    return looks_measured(np.where(np.isfinite(numbers), numbers, label.astype(object)))


def _has_decimals(label: pd.Series) -> bool:
    numbers = as_numbers(label)
    return bool((numbers[np.isfinite(numbers)] % 1 != 0).any())


def _measured(name: str, table: pd.DataFrame, label: str, answer: str, *, scored: bool) -> str:
    """Why labels and answers are measured numbers; empty where they are classes."""
    true, pred = as_numbers(table[label]), as_numbers(table[answer])
    both = np.isfinite(true) & np.isfinite(pred)
    if scored or both.sum() <= 0.9 * np.isfinite(true).sum() or not both.any():
        if not scored and _is_measured(table[label]):
            raise PredictionsError(
                f"{name}: {label!r} holds measured numbers, and {answer!r} none.", fix="name other columns, or the task"
            )
        return ""
    true, pred = true[both], pred[both]
    n_true, n_pred, measured = np.unique(true).size, np.unique(pred).size, _is_measured(table[label])
    decimals = [bool((v % 1 != 0).any()) for v in (true, pred)]
    if n_true <= 2 or (not decimals[0] and not decimals[1] and n_true <= _FEW):
        return ""  # two values are classes, and an answer with decimals is then a score
    if decimals[0] or decimals[1]:
        if n_pred <= 2 and measured:
            raise PredictionsError(
                f"{name}: {label!r} holds {n_true} different measured numbers, but {answer!r} {n_pred} classes.",
                fix="name the label with --y-true, or the prediction with --y-pred",
            )
        if decimals[1] or measured:
            which = " and ".join(repr(c) for c, d in zip((label, answer), decimals, strict=True) if d)
            return f"{which} hold{'s' if decimals[0] != decimals[1] else ''} measured numbers with decimals"
        if set(np.unique(pred)) <= set(np.unique(true)):
            return ""  # few values with decimals, such as grades 0.5, 1, 1.5
        return f"{label!r} holds measured numbers with decimals"
    if _near(true, pred):
        return (
            f"{label!r} holds {n_true} different whole numbers, and answers that miss them are near (--task "
            "classification if they are classes)"
        )
    if measured:
        raise PredictionsError(
            f"{name}: {label!r} holds {n_true} different whole numbers: classes, or a measured number?", fix=_ASK
        )
    return ""


def _near(true: NDArray[np.float64], pred: NDArray[np.float64]) -> bool:
    """Whether wrong answers miss by much less than answers to other rows would: so numbers do, and names do not."""
    wrong = true != pred
    if wrong.sum() < 10:
        return False
    miss = np.abs(true - pred)[wrong].mean()
    others = np.mean([np.abs(true[wrong] - np.roll(pred[wrong], k)).mean() for k in range(1, 8)])
    return bool(miss < 0.7 * others)
