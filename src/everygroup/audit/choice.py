"""Which metrics an audit of classes shows, which one leads, and the families that measure them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from everygroup.errors import SettingsError
from everygroup.metrics.arrays import ArrayFamily, array_metrics
from everygroup.metrics.classification import Classification, Convention, counted_names
from everygroup.metrics.families import Array, Family, Index
from everygroup.metrics.registry import canonical, metric_info
from everygroup.metrics.scores import RANKED, Ranks, losses, row_metrics
from everygroup.predictions import Predictions

Metrics = Literal["standard", "all"] | Sequence[str]
STANDARD_RANKED: tuple[str, ...] = ("auc", "auprc")
STANDARD_LOSSES: tuple[str, ...] = ("brier", "nll", "ece")
OF_TWO = ("sensitivity", "specificity", "ppv", "npv")
"""What leads with two classes: rates of the positive one."""


@dataclass(frozen=True)
class Answers:
    """Answers of one classifier with the truth: (n,) class indices and (n, K) scores or None."""

    y_true: Index
    y_pred: Index
    y_score: Array | None
    n_classes: int


@dataclass(frozen=True)
class Figures:
    """What an audit is about, chosen once: its tables, changes, gates, flags and sentences all follow it.

    Attributes
    ----------
    shown : names of the metrics in the order in which they are shown.
    headline : the one that leads.
    crossed : those by which subgroups of several attributes are compared.
    positive : the positive one of two classes; empty with more.
    critical : classes whose recall matters most.
    """

    shown: tuple[str, ...]
    headline: str
    crossed: tuple[str, ...] = ()
    positive: str = ""
    critical: tuple[str, ...] = ()


def choose(metrics: Metrics, classes: tuple[str, ...], *, scores: bool, critical: Sequence[str] = ()) -> Figures:
    """Choose the figures of an audit of classes.

    With two classes these are rates of the positive one, which is the second; with more the balanced accuracy and the
    recall of every critical class. The first critical class leads, else the first metric.

    Parameters
    ----------
    metrics : 'standard', 'all', or names, also those used elsewhere such as 'tpr'. A bare rate such as 'recall' is that
        of the positive one of two classes, or of every class of more.
    scores : whether there are scores; without them 'standard' and 'all' leave out what needs them.
    critical : names of classes.

    Raises
    ------
    SettingsError
        For an unknown metric or class, a metric that needs scores where there are none, or an empty list.
    """
    unknown = [c for c in critical if c not in classes]
    if unknown:
        raise SettingsError(
            f"There is no class {', '.join(map(repr, unknown))} to be critical.", fix=f"classes: {', '.join(classes)}"
        )
    positive = classes[1] if len(classes) == 2 else ""
    # of the positive class the recall is the sensitivity, which is there already
    recalls = tuple("sensitivity" if c == positive else f"recall[{c}]" for c in critical)
    if isinstance(metrics, str) and metrics not in ("standard", "all"):
        metrics = (metrics,)
    if isinstance(metrics, str):
        shown = _standard(classes, recalls, scores=scores)
        if metrics == "all":
            shown = (*shown, *_further(classes, scores=scores))
    else:
        shown = tuple(n for name in metrics for n in _named(name, classes, scores=scores))
    shown = tuple(dict.fromkeys(shown))
    if not shown:
        raise SettingsError("No metric is named.", fix="name at least one, or 'standard' or 'all'")
    headline = next((r for r in recalls if r in shown), shown[0])
    crossed: tuple[str, ...] = ()
    if not isinstance(metrics, str):
        crossed = tuple(n for n in shown if n.partition("[")[0] not in _apart())
    if not crossed and positive:
        crossed = ("sensitivity", "specificity", "selection_rate", "accuracy")
    elif not crossed:
        crossed = ("balanced_accuracy", *recalls, "macro_f1", "accuracy")
    return Figures(shown, headline, tuple(dict.fromkeys(crossed)), positive, tuple(critical))


def _standard(classes: tuple[str, ...], recalls: Sequence[str], *, scores: bool) -> tuple[str, ...]:
    stated = STANDARD_LOSSES if scores else ()
    if len(classes) == 2:
        return (*OF_TWO, *(("auc",) if scores else ()), "accuracy", *recalls, *stated)
    ranked = STANDARD_RANKED if scores else ()
    return ("balanced_accuracy", *recalls, "macro_f1", "accuracy", *ranked, *stated)


def _further(classes: tuple[str, ...], *, scores: bool) -> tuple[str, ...]:
    """Every metric, of all classes together and of each."""
    by_class = [f"{m}[{c}]" for m in STANDARD_RANKED for c in classes] if len(classes) > 2 else []
    arrays = [n for n, metric in array_metrics().items() if scores or metric.answers == "y_pred"]
    return (*counted_names("all", classes), *((*RANKED, *by_class, *row_metrics()) if scores else ()), *arrays)


def _apart() -> tuple[str, ...]:
    """Metrics that are no functions of counts."""
    return (*RANKED, *row_metrics(), *array_metrics())


def _named(name: str, classes: tuple[str, ...], *, scores: bool) -> tuple[str, ...]:
    """The metrics that one name means."""
    base, bracket, label = name.partition("[")
    scored = canonical(base) + bracket + label
    if canonical(base) not in _apart():
        return counted_names((name if bracket else scored,), classes)
    if not scores and metric_info(canonical(base)).requires == "y_score":
        raise SettingsError(f"{scored} needs scores, and there are none.", fix="add one score column per class")
    return (scored,)


def families_of(
    answers: Answers, classes: tuple[str, ...], names: Sequence[str], *, convention: Convention
) -> list[Family]:
    """The families that measure the named metrics, of one family after the other."""
    by_row, by_array = row_metrics(), array_metrics()
    summed = [n for n in names if n in by_row]
    ranked = [n for n in names if n.partition("[")[0] in RANKED]
    called = [n for n in names if n in by_array and (answers.y_score is not None or by_array[n].answers == "y_pred")]
    counted = [n for n in names if not (n in summed or n in ranked or n in by_array)]
    made: list[Family] = []
    if counted:
        made.append(Classification(answers.y_true, answers.y_pred, classes, convention=convention, metrics=counted))
    if answers.y_score is not None and ranked:
        made.append(Ranks(answers.y_true, answers.y_score, classes, metrics=ranked))
    if answers.y_score is not None and summed:
        made.append(losses(answers.y_true, answers.y_score, summed))
    if called:
        made.append(ArrayFamily(answers.y_true, answers.y_pred, answers.y_score, classes, called))
    return made


def proportions_of(rows: Predictions, metrics: Sequence[str]) -> dict[str, tuple[Array, Array]]:
    """(n,) successes and trials of every row, of those metrics that are proportions of counts."""
    counted = [m for m in metrics if m.partition("[")[0] not in _apart()]
    if not counted:
        return {}
    family = Classification(rows.y_true, rows.y_pred, rows.classes, metrics=counted)
    return family.proportions(np.asarray(family.take(np.arange(len(rows))).todense()))
