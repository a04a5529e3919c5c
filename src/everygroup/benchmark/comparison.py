"""A comparison: a method and those beside it on one split; and what is left when it was run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from everygroup.audit import Audit
from everygroup.benchmark.run_folder import RunFolder
from everygroup.benchmark.trial import Trial
from everygroup.benchmark.written import build_methods
from everygroup.check import cautions
from everygroup.cohort import Cohort, Split
from everygroup.errors import SettingsError
from everygroup.models import RoutedModel
from everygroup.predictions import Predictions, TargetPredictions
from everygroup.predictions.polarity import positive_of
from everygroup.settings import TrainSettings


@dataclass(frozen=True)
class Comparison:
    """A method and what it is compared with: a benchmark of as many trials.

    Attributes
    ----------
    cohort, split : Cohort, Split
        The cohort and its parts.
    settings : TrainSettings
        The same for all.
    method, hyperparameters : str, mapping
        The main method, as it is written.
    compare : sequence of str
        Methods trained beside it with their defaults. What the main method does about groups too small for a network
        (`small_groups`), they do too.
    positive : str, optional
        The positive one of two classes; see `Predictions.with_positive`.
    """

    cohort: Cohort
    split: Split
    settings: TrainSettings
    method: str
    hyperparameters: Mapping[str, Any] | None = None
    compare: Sequence[str] = ("erm",)
    positive: str | None = None

    @cached_property
    def trials(self) -> dict[str, Trial]:
        """By method, in the order of training; the main one comes last."""
        methods = build_methods(self.method, self.hyperparameters, self.compare)
        return {name: Trial(self.cohort, self.split, built, self.settings) for name, built in methods.items()}

    def check(self) -> None:
        """Find what would stop the run before anything is written or trained.

        Raises
        ------
        EverygroupError
            For wrong names or values, a device or backbone that does not work, or groups a method cannot be trained on.
        """
        classes = self.cohort.classes if self.cohort.target == "classes" else ()
        if self.positive is not None and (len(classes) != 2 or self.positive not in classes):
            raise SettingsError(
                f"The positive class {self.positive!r} is not one of two classes.",
                fix=f"the classes are: {', '.join(classes)}",
            )
        for trial in self.trials.values():
            trial.check()

    def follow(self) -> None:
        """Train along with the process that runs this comparison, and write nothing: so do other ranks of torchrun."""
        for trial in self.trials.values():
            trial.method.fit(self.split.train, self.split.validation, settings=self.settings)

    @cached_property
    def cautions(self) -> list[str]:
        """What about the data the reader of the results should heed, which of two classes is the disease included."""
        classes = self.cohort.classes if self.cohort.target == "classes" else ()
        if len(classes) != 2 or self.positive is not None or positive_of(classes) is not None:
            return cautions(self.cohort)
        first, second = classes
        return [
            *cautions(self.cohort),
            f"Which of the classes {first!r} and {second!r} is the disease is not known: {second!r} is taken as the "
            f"positive one, whose cases the audit counts as missed (--positive {shlex.quote(first)} names the other).",
        ]


@dataclass(frozen=True)
class Run:
    """What a finished run left.

    Attributes
    ----------
    comparison : Comparison
    folder : RunFolder
    log : DataFrame
        One row a network and epoch.
    model : RoutedModel
        Of the main method.
    predictions : dict of str to Predictions or TargetPredictions
        By method; validation and test samples.
    audits : dict of str to Audit
        By method; test samples only, compared with ERM where it was trained.
    """

    comparison: Comparison
    folder: RunFolder
    log: pd.DataFrame
    model: RoutedModel
    predictions: dict[str, Predictions | TargetPredictions]
    audits: dict[str, Audit]

    @property
    def summary(self) -> pd.DataFrame:
        """Long rows of all methods."""
        return pd.concat([a.table for a in self.audits.values()], ignore_index=True)
