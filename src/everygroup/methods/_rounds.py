"""Rounds of taking something away from a trained network: fine-tuning between them, and which round is taken."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from everygroup.cohort import Cohort
from everygroup.methods.store import Store
from everygroup.metrics import eodds
from everygroup.networks import Masked
from everygroup.settings import TrainSettings
from everygroup.training import Task, Trained, predict_logits, resolve_device
from everygroup.training.checkpoint import copy_state


class RoundRule:
    """Follows accuracy and equalized odds on validation from round to round.

    Round 0 is the network as trained. A round whose accuracy is more than `tolerance` below round 0's ends the rounds
    and cannot be taken; so do `patience` rounds in a row without a smaller EOdds. Of the others the one with the
    smallest EOdds is taken, the earliest among equals. EOdds is the 'strict' variant, in which gaps of opposite sign
    do not cancel; with more than two groups, the largest over the pairs, class by class.

    Attributes
    ----------
    best : Trained
        The network of the round taken so far.
    chosen : int
        That round.
    records : list of dict
        Accuracy and EOdds of every round, with what else was said of it; JSON-able.
    """

    def __init__(
        self, first: Trained, validation: Cohort, settings: TrainSettings, *, tolerance: float, patience: int
    ) -> None:
        self.validation, self.settings, self.tolerance, self.patience = validation, settings, tolerance, patience
        self.records: list[dict[str, Any]] = []
        self.best, self.chosen = first, 0
        self.take(first)

    def take(self, trained: Trained, **facts: Any) -> bool:
        """Judge the next round's network; returns whether to go on."""
        accuracy, odds = validation_gaps(trained, self.validation, self.settings)
        self.records.append({"round": len(self.records), "accuracy": accuracy, "eodds": odds, **facts})
        here = len(self.records) - 1
        if accuracy < self.records[0]["accuracy"] - self.tolerance - 1e-12:
            return False
        best = self.records[self.chosen]["eodds"]
        if here and odds is not None and (best is None or odds < best):
            self.best, self.chosen = trained, here
        return here - self.chosen < self.patience


def validation_gaps(trained: Trained, validation: Cohort, settings: TrainSettings) -> tuple[float, float | None]:
    """Return accuracy of everybody, and EOdds (strict) of those whose group is known; None where undefined."""
    device = resolve_device(settings.device)
    y_pred = predict_logits(copy.deepcopy(trained.network).to(device), validation, device=device).argmax(1).numpy()
    known = validation.group >= 0
    odds = eodds(
        validation.y[known],
        y_pred[known],
        sensitive_features=validation.group[known],
        classes=range(len(validation.classes)),
        variant="strict",
    ).value
    return float((y_pred == validation.y).mean()), float(odds) if np.isfinite(odds) else None


def updates_of_a_round(settings: TrainSettings, n_train: int, share: float) -> int:
    """Return how many updates `share` of a whole training are, at least 1."""
    return max(1, round(share * settings.n_updates(n_train)))


def fine_tune(
    name: str,
    network: Masked,
    number: int,
    train: Cohort,
    validation: Cohort,
    settings: TrainSettings,
    store: Store,
    *,
    updates: int,
    lr_scale: float,
) -> Trained:
    """Train on from a network some of whose weights are held, on all training samples, as round `number`.

    Every round draws batches and augmentation of its own.
    """
    task = Task.diagnosis(f"{name}[{number}]", train, validation)
    own = settings.but(updates=updates, lr=settings.lr * lr_scale, seed=settings.seed + 7919 * number)
    adapter = {"name": network.name, **network.options}
    return store.network(task, own, n_budget=len(train), initial=copy_state(network), adapter=adapter)
