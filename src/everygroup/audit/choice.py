"""Which metrics an audit of classes shows, and the families that measure them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from everygroup.audit.score_families import LOSSES, RANKED, Losses, Ranks
from everygroup.errors import SettingsError
from everygroup.metrics.classification import Classification, Convention, wanted_metrics
from everygroup.metrics.families import Array, Family, Index

Metrics = Literal["standard", "all"] | Sequence[str]
STANDARD_RANKED: tuple[str, ...] = ("auc", "auprc")
STANDARD_LOSSES: tuple[str, ...] = ("brier", "nll", "ece")


@dataclass(frozen=True)
class Answers:
    """Answers of one classifier with the truth: (n,) class indices and (n, K) scores or None."""

    y_true: Index
    y_pred: Index
    y_score: Array | None
    n_classes: int


@dataclass(frozen=True)
class Chosen:
    """Names of the metrics of labels, of ranks and of losses that are shown."""

    counted: tuple[str, ...]
    ranked: tuple[str, ...]
    losses: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the order in which they are shown."""
        return (*self.counted, *self.ranked, *self.losses)

    def and_more(self, counted: Sequence[str], losses: Sequence[str]) -> Chosen:
        """These and further metrics, which are measured but not shown among them."""
        more = (tuple(dict.fromkeys([*a, *b])) for a, b in ((self.counted, counted), (self.losses, losses)))
        return Chosen(next(more), self.ranked, next(more))


def choose(metrics: Metrics, classes: tuple[str, ...], *, scores: bool) -> Chosen:
    """Sort the wanted metrics by what they need.

    Parameters
    ----------
    metrics : 'standard', 'all', or names; a bare rate such as 'recall' means that of every class.
    scores : whether there are scores; without them 'standard' and 'all' leave out what needs them.

    Raises
    ------
    SettingsError
        For an unknown metric, one that needs scores where there are none, or an empty list.
    """
    if isinstance(metrics, str) and metrics not in ("standard", "all"):
        metrics = (metrics,)
    if metrics == "standard":
        counted = wanted_metrics("standard", classes)
        return Chosen(counted, STANDARD_RANKED, STANDARD_LOSSES) if scores else Chosen(counted, (), ())
    if metrics == "all":
        counted = wanted_metrics("all", classes)
        by_class = [f"{m}[{c}]" for m in STANDARD_RANKED for c in classes] if len(classes) > 2 else []
        return Chosen(counted, (*RANKED, *by_class), LOSSES) if scores else Chosen(counted, (), ())
    names = tuple(metrics)
    if not names:
        raise SettingsError("No metric is named.", fix="name at least one, or 'standard' or 'all'")
    needs = [n for n in names if re.sub(r"\[.*\]$", "", n) in (*RANKED, *LOSSES)]
    if needs and not scores:
        raise SettingsError(f"{needs[0]} needs scores, and there are none.", fix="add one score column per class")
    ranked = tuple(n for n in needs if n not in LOSSES)
    labels = tuple(n for n in names if n not in needs)
    counted = wanted_metrics(labels, classes) if labels else ()
    return Chosen(counted, ranked, tuple(n for n in needs if n in LOSSES))


def families_of(answers: Answers, classes: tuple[str, ...], chosen: Chosen, *, convention: Convention) -> list[Family]:
    """The families that measure the chosen metrics."""
    made: list[Family] = []
    if chosen.counted:
        counted = chosen.counted
        made.append(Classification(answers.y_true, answers.y_pred, classes, convention=convention, metrics=counted))
    if answers.y_score is not None and chosen.ranked:
        made.append(Ranks(answers.y_true, answers.y_score, classes, metrics=chosen.ranked))
    if answers.y_score is not None and chosen.losses:
        made.append(Losses(answers.y_true, answers.y_score, metrics=chosen.losses))
    return made
