"""Rounds of taking something away from a trained network: which network that is, and which round is taken."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from everygroup.errors import SettingsError
from everygroup.files import hash_array, hash_json
from everygroup.methods.lab import Lab
from everygroup.metrics import eodds
from everygroup.models import RoutedModel
from everygroup.networks import Classifier, predict_outputs


def only_network(model: RoutedModel, name: str) -> Classifier:
    """Return the one plain network that answers for everybody.

    Parameters
    ----------
    model : RoutedModel
    name : str
        Who asks.

    Raises
    ------
    SettingsError
        If several networks answer, one that is not plain, or if something was fitted to its answers.
    """
    fix = "put it behind a method of one network, such as erm or group_dro"
    answering = {name for own in (str(model.pooled), *model.route.values()) for name in model.shares(own)}
    if len(answering) > 1:
        raise SettingsError(
            f"{name!r} changes the one network that answers for everybody, but with {model.method!r} "
            f"{len(answering)} networks or means of networks answer.",
            fix=fix,
        )
    if model.steps:
        raise SettingsError(
            f"{name!r} changes the network that {model.steps[-1].name!r} was fitted to.",
            fix=f"write {name} in front of what works on answers",
        )
    network = model.networks[answering.pop()]
    if not isinstance(network, Classifier):
        kind = type(network).__name__
        raise SettingsError(f"{name!r} changes a plain network, but {model.method!r} makes a {kind}.", fix=fix)
    return network


def with_network(model: RoutedModel, network: nn.Module, **info: Any) -> RoutedModel:
    """Return the model with another network in the place of its only one; `info` is added to the model's."""
    pooled = str(model.pooled)
    known = dict(model.info["networks"])
    if network is not model.networks[pooled]:
        known[pooled] = {"key": content_hash(network)}
    networks = {**model.networks, pooled: network}
    return replace(model, networks=networks, info={**model.info, **info, "networks": known})


def content_hash(network: nn.Module) -> str:
    """Hash the parameters and buffers of a network."""
    return hash_json({name: hash_array(value.cpu().numpy()) for name, value in network.state_dict().items()})


class RoundRule:
    """Follows accuracy and equalized odds on validation from round to round.

    Round 0 is the network as trained. A round whose accuracy is more than `tolerance` below round 0's ends the rounds
    and cannot be taken; so do `patience` rounds in a row without a smaller EOdds. Of the others the one with the
    smallest EOdds is taken, the earliest among equals. EOdds is the 'strict' variant, in which gaps of opposite sign
    do not cancel; with more than two groups, the largest over the pairs, class by class.

    Attributes
    ----------
    best : Module
        The network of the round taken so far.
    chosen : int
        That round.
    records : list of dict
        Accuracy and EOdds of every round, with what else was said of it; JSON-able.
    """

    def __init__(self, first: nn.Module, lab: Lab, *, tolerance: float, patience: int) -> None:
        self.lab, self.tolerance, self.patience = lab, tolerance, patience
        self.records: list[dict[str, Any]] = []
        self.best, self.chosen = first, 0
        self.take(first)

    def said(self, method: str) -> str:
        """Say in one sentence which round was taken; `method` made round 0."""
        last, first, best = len(self.records) - 1, self.records[0], self.records[self.chosen]
        if not self.chosen:
            why = f"rounds: {last}; none had a smaller EOdds within the loss of accuracy" if last else "no round"
            return f"unchanged: {method} ({why})"
        told = [f"{r['eodds']:.3f}" if r["eodds"] is not None else "undefined" for r in (first, best)]
        accuracy = f"accuracy {first['accuracy']:.3f} to {best['accuracy']:.3f}"
        return f"round {self.chosen} of {last} (validation EOdds {told[0]} to {told[1]}, {accuracy})"

    def take(self, network: nn.Module, **facts: Any) -> bool:
        """Judge the next round's network; returns whether to go on."""
        accuracy, odds = validation_gaps(network, self.lab)
        self.records.append({"round": len(self.records), "accuracy": accuracy, "eodds": odds, **facts})
        here = len(self.records) - 1
        if accuracy < self.records[0]["accuracy"] - self.tolerance - 1e-12:
            return False
        best = self.records[self.chosen]["eodds"]
        if here and odds is not None and (best is None or odds < best):
            self.best, self.chosen = network, here
        return here - self.chosen < self.patience


def validation_gaps(network: nn.Module, lab: Lab) -> tuple[float, float | None]:
    """Return accuracy of everybody, and EOdds (strict) of those whose group is known; None where undefined."""
    validation = lab.validation
    outputs = predict_outputs(copy.deepcopy(network).to(lab.device), validation, device=lab.device)
    y_pred = outputs.argmax(1).numpy()
    known = validation.group >= 0
    odds = eodds(
        validation.y[known],
        y_pred[known],
        sensitive_features=validation.group[known],
        classes=range(len(validation.classes)),
        variant="strict",
    ).value
    return float((y_pred == validation.y).mean()), float(odds) if np.isfinite(odds) else None
