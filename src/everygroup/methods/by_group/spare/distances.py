"""SPARE's two distances of every training sample for one target group, from trained networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from everygroup.cohort import Cohort
from everygroup.console import warn
from everygroup.methods.by_group.spare.options import Distance
from everygroup.methods.cross_fitting import cross_fitted
from everygroup.methods.lab import Lab
from everygroup.networks import predict_outputs
from everygroup.spare import centroid_distance, logit_gap, mean_discrepancy
from everygroup.training import Task, Trained


@dataclass(frozen=True)
class Measured:
    """Distances (n,) of the training samples to one target group, None where not used; and who gets weight 0."""

    utility: np.ndarray | None
    similarity: np.ndarray | None
    dropped: np.ndarray


@dataclass(frozen=True)
class Meter:
    """Measures the training samples for one target group.

    Attributes
    ----------
    distance : Distance
    target : str
    lab : Lab
    network : Trained or None
        The diagnosis network f_t that utility is measured on; `own` says whether it is the group's, or ERM's.
    predictor : Trained or None
        The group predictor f_g.
    """

    distance: Distance
    target: str
    lab: Lab
    network: Trained | None
    predictor: Trained | None
    own: bool = True

    def measure(self, *, utility: bool, similarity: bool) -> Measured:
        """Measure what is used."""
        train, rule = self.lab.train, self.distance.misclassified
        d_u = d_s = None
        dropped = np.zeros(len(train), dtype=bool)
        wrong = self._misclassified() if rule != "as_is" and self.network is not None else dropped
        if utility:
            d_u = self._utility()
            if rule == "zero_distance":
                d_u[wrong] = 0.0
        if rule == "drop":
            dropped = wrong
        if similarity:
            d_s = self._similarity()
        censored = sum(int(np.isnan(d).sum()) for d in (d_u, d_s) if d is not None)
        if censored:
            warn(f"{self.target}: {censored} distances could not be found; they count as the largest found.")
        return Measured(d_u, d_s, dropped)

    @property
    def _index(self) -> int:
        return self.lab.groups.index(self.target)

    @property
    def _search(self) -> dict[str, Any]:
        return {"preset": self.distance.search_preset, "search": self.distance.search}

    def _utility(self) -> np.ndarray:
        """d_U: the smallest perturbation that changes f_t's answer."""
        assert self.network is not None
        if self.distance.utility == "logit_gap":
            return self._seen_and_unseen(lambda net, part: logit_gap(_outputs(net, part)))
        return self._seen_and_unseen(
            lambda net, part: self.lab.distances(net, part, **self._search, **self._decision(net)).distance
        )

    def _decision(self, network: nn.Module) -> dict[str, Any]:
        """What changes a network's answer; the cut of an anomaly score is that of the group's normals."""
        train, target = self.lab.train, self.lab.target
        used = target.used(train)
        if used is None:
            decision = target.decision()
        else:
            own = used & (train.group == self._index)
            decision = target.decision(predict_outputs(network, train.where(own), batch_size=target.at_once))
        return {} if decision is None else {"decision": decision}

    def _similarity(self) -> np.ndarray:
        """d_S: the smallest perturbation that makes f_g answer the target group; 0 where it does."""
        train = self.lab.train
        if self.distance.similarity in ("fcd", "mmd"):
            trained = self.predictor if self.distance.features == "group_predictor" else self.network
            assert trained is not None
            distance = centroid_distance if self.distance.similarity == "fcd" else mean_discrepancy
            features = self.lab.features(trained.network)
            return distance(features, train.group, self._index, level=self.distance.feature_level)
        assert self.predictor is not None

        def search(network: nn.Module, part: Cohort) -> np.ndarray:
            return self.lab.distances(network, part, **self._search, target=self._index).distance

        similarity = search(self.predictor.network, train).copy()
        if self.distance.cross_fit:
            task = Task.group("group_predictor", train, train)
            similarity[self.lab.known] = cross_fitted(
                task, self.distance.cross_fit, self.lab, search, otherwise=self.predictor
            )
        return similarity

    def _misclassified(self) -> np.ndarray:
        assert self.network is not None
        wrong: np.ndarray = _outputs(self.network.network, self.lab.train).argmax(1) != self.lab.train.y
        return wrong

    def _seen_and_unseen(self, measure: Callable[[nn.Module, Cohort], np.ndarray]) -> np.ndarray:
        """Measure on the diagnosis network; if asked, its training samples on networks that have not seen them."""
        assert self.network is not None
        train, folds = self.lab.train, self.distance.cross_fit
        if folds and not self.own:  # ERM saw everybody
            task = Task.diagnosis("erm", self.lab.target, train, train)
            return cross_fitted(task, folds, self.lab, measure, otherwise=self.network)
        values = measure(self.network.network, train).copy()
        if folds:
            inside = train.group == self._index
            members = train.where(inside)
            task = Task.diagnosis(f"group_model[{self.target}]", self.lab.target, members, members)
            values[inside] = cross_fitted(task, folds, self.lab, measure, otherwise=self.network)
        return values


def _outputs(network: nn.Module, cohort: Cohort) -> np.ndarray:
    return predict_outputs(network, cohort).double().numpy()
