"""A trial: one method on one split of a cohort under one setting. `fit` makes a few, a benchmark one for every job."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from everygroup.benchmark.cost import count, measured
from everygroup.benchmark.shared_store import SharedStore
from everygroup.cohort import Cohort, Split
from everygroup.methods import Chain, Lab
from everygroup.models import RoutedModel
from everygroup.predictions import Predictions, TargetPredictions
from everygroup.settings import TrainSettings
from everygroup.training import RunLog, resolve_device, selection_rule


@dataclass(frozen=True)
class Fitted:
    """What a trial left: the model, its predictions, and what both cost (counts as in `count`, seconds, memory)."""

    model: RoutedModel
    predictions: Predictions | TargetPredictions
    cost: dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """One method on one split of a cohort.

    Attributes
    ----------
    cohort, split : Cohort, Split
        The cohort and its parts.
    method : Chain
    settings : TrainSettings
    """

    cohort: Cohort
    split: Split
    method: Chain
    settings: TrainSettings

    def check(self) -> None:
        """Find what would stop the trial, before anything is trained.

        Raises
        ------
        EverygroupError
            For a device or backbone that does not work, or a cohort or backbone that the method cannot be trained on.
        """
        resolve_device(self.settings.device)
        lab = Lab(self.split.train, self.split.validation, self.settings)
        selection_rule(self.settings.selection).check(lab.target)
        self.method.check(lab)

    def run(self, store: Path, log: RunLog, *, parts: Collection[str] = ("validation", "test")) -> Fitted:
        """Train, and predict some parts of the split once the model is chosen.

        Parameters
        ----------
        store : Path
            Folder of trained networks and distances, which other trials and processes may share.
        log : RunLog
            Takes the log of every network.
        """
        device, shared = resolve_device(self.settings.device), SharedStore(store, log)
        with measured(str(device)) as cost:
            self.check()
            train, validation = self.split.train, self.split.validation
            model = self.method.fit(train, validation, settings=self.settings, store=shared)
            trained = time.perf_counter()
            part = self.split.table["part"].to_numpy()
            wanted = np.isin(part.astype(str), list(parts))
            predictions = model.predict(self.cohort.where(wanted), device=device, split=part[wanted])
            cost["predict_seconds"] = round(time.perf_counter() - trained, 3)
        planned = {"planned_updates_per_network": self.settings.n_updates(len(train))}
        return Fitted(model, predictions, {**planned, **count(shared, model), **cost})

    @property
    def about(self) -> dict[str, str]:
        """What environment.json says of it: the device, and hashes of split and cohort."""
        device = str(resolve_device(self.settings.device))
        return {"device": device, "split_hash": self.split.hash, "cohort_hash": self.cohort.content_hash}
