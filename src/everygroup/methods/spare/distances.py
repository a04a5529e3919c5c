"""SPARE's two distances of every training sample for one target group, from trained networks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from everygroup.cohort import Cohort
from everygroup.console import warn
from everygroup.imaging.tensors import to_input
from everygroup.methods.cross_fitting import cross_fitted
from everygroup.methods.spare.options import SUSPECT_FOLDS, SpareOptions
from everygroup.methods.store import Store
from everygroup.metrics.label_noise import confident_class
from everygroup.networks import Classifier, FrozenTrunk
from everygroup.settings import TrainSettings
from everygroup.spare import centroid_distance, logit_gap, mean_discrepancy
from everygroup.training import Task, Trained, predict_logits, resolve_device

_BATCH = 512


@dataclass(frozen=True)
class Measured:
    """Distances (n,) of the training samples to one target group, None where not used; and who gets weight 0."""

    utility: np.ndarray | None
    similarity: np.ndarray | None
    dropped: np.ndarray


def train_predictor(train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> Trained:
    """Train f_g, on everybody whose group is known."""
    return store.network(Task.group("group_predictor", train, validation), settings, n_budget=len(train))


def search_options(spare: SpareOptions, settings: TrainSettings) -> dict[str, Any]:
    """Return how boundaries are searched."""
    return {"preset": spare.search_preset, "search": spare.search, "device": resolve_device(settings.device)}


def measure(
    spare: SpareOptions,
    target: str,
    network: Trained | None,
    predictor: Trained | None,
    train: Cohort,
    settings: TrainSettings,
    store: Store,
    *,
    similarity: bool,
    own: bool,
) -> Measured:
    """Measure the distances for one target group.

    Parameters
    ----------
    network : Trained or None
        The diagnosis network that utility is measured on; `own` says whether it is the group's.
    predictor : Trained or None
        The group predictor.
    similarity : bool
        Whether a similarity distance is used.
    """
    meter = _Meter(spare, target, train, settings, store, own=own)
    d_u = d_s = None
    dropped = np.zeros(len(train), dtype=bool)
    if network is not None and spare.uses_utility(target):
        d_u = meter.utility(network)
        if spare.misclassified == "zero_distance":
            d_u[meter.misclassified(network)] = 0.0
        if spare.suspects == "not_rewarded":
            suspect = meter.suspects()
            if np.isfinite(d_u[~suspect]).any():
                # NaN (no flip found) stays: it counts as the largest distance
                d_u[suspect] = np.maximum(d_u[suspect], np.nanmedian(d_u[~suspect]))
    if network is not None and spare.misclassified == "drop":
        dropped = meter.misclassified(network)
    if similarity:
        d_s = meter.similarity(network, predictor)
    censored = sum(int(np.isnan(d).sum()) for d in (d_u, d_s) if d is not None)
    if censored:
        warn(f"{target}: {censored} distances could not be found; they count as the largest found.")
    return Measured(d_u, d_s, dropped)


class _Meter:
    """Measures one target group's samples; in-group ones on cross-fitted networks where asked for."""

    def __init__(
        self, spare: SpareOptions, target: str, train: Cohort, settings: TrainSettings, store: Store, *, own: bool
    ) -> None:
        self.spare, self.target, self.train, self.settings, self.store = spare, target, train, settings, store
        self.own = own
        self.index = train.groups.index(target)
        self.search = search_options(spare, settings)
        self.device: torch.device = self.search["device"]

    def utility(self, network: Trained) -> np.ndarray:
        if self.spare.utility == "logit_gap":
            return self._of_diagnosis(network, lambda net, part: logit_gap(self._logits(net, part)))
        return self._of_diagnosis(network, lambda net, part: self.store.distances(net, part, **self.search).distance)

    def similarity(self, network: Trained | None, predictor: Trained | None) -> np.ndarray:
        if self.spare.similarity in ("fcd", "mmd"):
            trained = predictor if self.spare.features == "group_predictor" else network
            assert trained is not None
            distance = centroid_distance if self.spare.similarity == "fcd" else mean_discrepancy
            features = features_of(trained, self.train, self.device)
            return distance(features, self.train.group, self.index, level=self.spare.feature_level)
        assert predictor is not None
        search = {**self.search, "target": self.index}
        similarity = self.store.distances(predictor, self.train, **search).distance.copy()
        if self.spare.cross_fit:
            task = Task.group("group_predictor", self.train, self.train)
            similarity[self.train.group >= 0] = self._cross_fitted(
                task, lambda net, part: self.store.distances(net, part, **search).distance, predictor
            )
        return similarity

    def misclassified(self, network: Trained) -> np.ndarray:
        wrong: np.ndarray = predict_logits(network.network, self.train).argmax(1).numpy() != self.train.y
        return wrong

    def suspects(self) -> np.ndarray:
        """Tell by confident learning whose label may be wrong, on ERM networks that have not seen the sample."""
        task = Task.diagnosis("erm", self.train, self.train)
        logits = cross_fitted(task, SUSPECT_FOLDS, self.settings, self.store, len(self.train), self._logits)
        sure, _ = confident_class(self.train.y, torch.from_numpy(logits).softmax(1).numpy())
        suspect: np.ndarray = (sure >= 0) & (sure != self.train.y)
        return suspect

    def _logits(self, network: Trained, part: Cohort) -> np.ndarray:
        return predict_logits(network.network, part).double().numpy()

    def _of_diagnosis(self, network: Trained, measure: Callable[[Trained, Cohort], np.ndarray]) -> np.ndarray:
        """Measure on the diagnosis network; if asked, its training samples on networks that have not seen them."""
        if not self.spare.cross_fit:
            return measure(network, self.train).copy()
        if not self.own:  # ERM saw everybody
            return self._cross_fitted(Task.diagnosis("erm", self.train, self.train), measure, network)
        values = measure(network, self.train).copy()
        members = self.train.where(self.train.group == self.index)
        task = Task.diagnosis(f"group_model[{self.target}]", members, members)
        values[self.train.group == self.index] = self._cross_fitted(task, measure, network)
        return values

    def _cross_fitted(
        self, task: Task, measure: Callable[[Trained, Cohort], np.ndarray], otherwise: Trained
    ) -> np.ndarray:
        folds = self.spare.cross_fit
        return cross_fitted(task, folds, self.settings, self.store, len(self.train), measure, otherwise=otherwise)


def features_of(trained: Trained, cohort: Cohort, device: torch.device | str = "cpu") -> np.ndarray:
    """Return penultimate features (n, q) of a cohort, in eval mode."""
    network = copy.deepcopy(trained.network)
    if isinstance(network, FrozenTrunk):
        network = network.plain()
    network = network.to(device).eval()
    assert isinstance(network, Classifier)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(cohort), _BATCH):
            stored = torch.from_numpy(np.ascontiguousarray(cohort.batch(slice(start, start + _BATCH))))
            parts.append(network.features(to_input(stored.to(device))).float().cpu())
    return torch.cat(parts).numpy()
