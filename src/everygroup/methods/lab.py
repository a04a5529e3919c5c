"""What a method works with: two parts of a cohort, settings, a store of what is costly. There is no test data in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import nn

from everygroup.boundary import Distances
from everygroup.cohort import Cohort
from everygroup.console import warn
from everygroup.errors import SettingsError, TrainingError
from everygroup.files import hash_array, hash_json
from everygroup.methods.store import Store
from everygroup.models import RoutedModel
from everygroup.models.transforms import Transform
from everygroup.models.units import on_one_scale
from everygroup.networks import NetworkSpec, build_network, predict_features
from everygroup.settings import TrainSettings
from everygroup.targets import Target, target_of
from everygroup.training import Learner, Task, Trained, resolve_device, solved, training_key
from everygroup.training.plain import ERM_KEY, spec_of


class Learns(Protocol):
    """What trains a network: see `everygroup.methods.Learn`."""

    def learner(self, lab: Lab) -> Learner: ...

    @property
    def key(self) -> str: ...


@dataclass(frozen=True)
class Lab:
    """Everything a method may see.

    Attributes
    ----------
    train, validation : Cohort
        Samples to learn from; samples to choose on.
    settings : TrainSettings
        Equal for all methods under comparison.
    store : Store
        Where networks and distances are kept and looked up.
    draws : ndarray of float, (n_train,), optional
        Relative probabilities of being drawn into a batch.
    weights : ndarray of float, (n_train,), optional
        Sample weights in the loss, besides those that a method gives.
    strata : ndarray of int, (n_train,), optional
        Cells that every batch draws equally many samples of; -1 for those that keep their share.
    transforms : tuple of Transform
        What the samples were seen through; prediction repeats it.
    merged_from : Lab, optional
        The lab before its groups were put together.
    info : mapping
        What is to be written beside the model; JSON-able.

    Raises
    ------
    SettingsError
        If the cohorts do not belong together, or share a patient.
    """

    train: Cohort
    validation: Cohort
    settings: TrainSettings = field(default_factory=TrainSettings.make)
    store: Store = field(default_factory=Store)
    draws: np.ndarray | None = None
    weights: np.ndarray | None = None
    strata: np.ndarray | None = None
    transforms: tuple[Transform, ...] = ()
    merged_from: Lab | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        alike = ("target", "classes", "groups")
        if any(getattr(self.train, name) != getattr(self.validation, name) for name in alike):
            raise SettingsError("Training and validation cohorts differ in classes or groups.", fix="split one cohort")
        if shared := set(self.train.units) & set(self.validation.units):
            raise SettingsError(
                f"{len(shared)} patients or lesions are in both training and validation, for example {min(shared)!r}.",
                fix="split by patient or lesion with everygroup.split_cohort",
            )

    @cached_property
    def target(self) -> Target:
        """What the diagnosis networks answer."""
        return target_of(self.train, self.settings.loss)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in order of their index."""
        return self.train.groups

    @property
    def known(self) -> np.ndarray:
        """Which training samples have a group, (n_train,) bool."""
        return self.train.group >= 0

    @property
    def group_sizes(self) -> np.ndarray:
        """Training samples of every group, (G,)."""
        return np.bincount(self.train.group[self.known], minlength=len(self.groups))

    @property
    def n_updates(self) -> int:
        """Updates of every network."""
        return self.settings.n_updates(len(self.train))

    @property
    def device(self) -> torch.device:
        """Where to compute."""
        return resolve_device(self.settings.device)

    def but(self, **changes: Any) -> Self:
        """Return a lab with some attributes replaced."""
        return replace(self, **changes)

    # ---- what parts of a chain hand on ----------------------------------------------------------------------------

    def drawn(self, probabilities: np.ndarray) -> Self:
        """Return a lab whose batches draw samples with these relative probabilities, (n_train,), times those so far."""
        return self.but(draws=probabilities if self.draws is None else self.draws * probabilities)

    def weighted(self, weights: np.ndarray) -> Self:
        """Return a lab whose losses weigh samples by these, (n_train,), times those so far."""
        return self.but(weights=weights if self.weights is None else self.weights * weights)

    def extended(self, train: Cohort) -> Self:
        """Return a lab with further training samples behind those there are, which makes as many updates as before."""
        more = len(train) - len(self.train)
        given = {name: getattr(self, name) for name in ("draws", "weights") if getattr(self, name) is not None}
        longer = {name: np.concatenate([v, np.ones(more)]) for name, v in given.items()}
        return self.but(train=train, settings=self.settings.but(updates=self.n_updates), strata=None, **longer)

    def seen_through(self, transform: Transform) -> Self:
        """Return a lab whose images are seen through a transform, which prediction repeats."""
        return self.but(
            train=self.train.seen_through(transform),
            validation=self.validation.seen_through(transform),
            transforms=(*self.transforms, transform),
            merged_from=self.merged_from and self.merged_from.seen_through(transform),
        )

    def merged(self, members: Sequence[Sequence[int]], **info: Any) -> Self:
        """Return a lab with clusters for groups, named after their groups; each group is then answered by its cluster.

        Parameters
        ----------
        members : sequence of sequences of int
            Groups of every cluster, by index.
        """
        parts = [part.with_merged_groups(members) for part in (self.train, self.validation)]
        return self.regrouped(*parts, **info)

    def regrouped(self, train: Cohort, validation: Cohort, **info: Any) -> Self:
        """Return a lab with the same samples in other groups, while those there were at first are answered."""
        return self.but(
            train=train, validation=validation, merged_from=self.merged_from or self, info={**self.info, **info}
        )

    @cached_property
    def places(self) -> dict[str, int] | None:
        """Where each of the first groups lies in those of now, by index; None where one lies in several or in none."""
        first = self.merged_from or self
        pairs = set(zip(first.train.group.tolist(), self.train.group.tolist(), strict=True))
        pairs |= set(zip(first.validation.group.tolist(), self.validation.group.tolist(), strict=True))
        found = {first.groups[was]: now for was, now in pairs if was >= 0}
        distinct = sum(was >= 0 for was, _ in pairs)
        return found if len(found) == distinct == len(first.groups) and min(found.values()) >= 0 else None

    # ---- networks -------------------------------------------------------------------------------------------------

    def network(self, target: Target | None = None) -> Any:
        """Build a network with initial weights from torch's random state, for the diagnosis or another target.

        It has `features(x)`, `head(h)` and `spec`. Under `learner` the state is the seed's, so that all methods start
        from the same weights.
        """
        return self._built(self.spec(target))

    def _built(self, spec: NetworkSpec) -> Any:
        of_diagnosis = spec.backbone == self.spec().backbone  # a group predictor beside masks has another one
        weights = self.settings.weights if of_diagnosis else None
        return build_network(spec, pretrained=self.settings.pretrained and of_diagnosis, weights=weights)

    def spec(self, target: Target | None = None) -> NetworkSpec:
        """Say how `network` is built."""
        target = target or self.target
        # a backbone that is named is that of the diagnosis; a group predictor beside masks has its own
        settings = self.settings if target.form == self.target.form else self.settings.but(backbone="auto")
        return spec_of(target, self.train.sample_shape, settings)

    def train_network(
        self,
        learn: Learns | None = None,
        name: str = "erm",
        *,
        where: np.ndarray | None = None,
        validation: Cohort | None = None,
        weights: np.ndarray | None = None,
        draws: np.ndarray | None = None,
        settings: TrainSettings | None = None,
        budget: int | None = None,
    ) -> Trained:
        """Train a network, or look up the one that was trained so before.

        Parameters
        ----------
        learn : Learn, optional
            How it learns; by default empirical risk minimisation.
        name : str
            Shown in logs.
        where : (n_train,) bool, optional
            Training samples to use; all by default.
        validation : Cohort, optional
            Samples that choose the epoch; by default all of validation.
        weights : (n_train,) or (n_train, G), optional
            Sample weights in the loss.
        draws : (n_train,), optional
            Relative probabilities of being drawn, besides those of the lab.
        settings : TrainSettings, optional
            Others than the lab's.
        budget : int, optional
            Number of samples that sets the number of updates: by default of the whole training cohort, whatever
            `where` takes.
        """
        lab = self if draws is None else self.drawn(draws)
        task = lab._task(name, where=where, validation=validation, weights=weights)
        return self._trained(task, learn, settings or self.settings, budget or len(self.train))

    def chosen_network(
        self, name: str, candidates: Mapping[str, np.ndarray], *, validation: Cohort | None = None
    ) -> tuple[str, Trained]:
        """Train a network with each candidate's sample weights, and return the one that validation prefers.

        Linear heads are solved all at once, every candidate with every penalty. Other networks are trained one by one,
        and compared by what chose their epoch: their loss under the rule 'loss', else the target's score; the first
        among equals.

        Parameters
        ----------
        candidates : mapping of str to (n_train,)
            Weights by name.
        """
        if self.solves:
            task = self._task(name, validation=validation)
            key = training_key(task, self.settings, len(self.train), [ERM_KEY, _hashed(candidates)])
            trained = self.store.heads(task, self.settings, self._plain, key, candidates=candidates)
            return trained.chosen["candidate"], trained
        tried = {
            label: self.train_network(name=f"{name} {label}", weights=weight, validation=validation)
            for label, weight in candidates.items()
        }
        best = max(tried, key=lambda label: tried[label].merit(self.settings.selection))
        return best, tried[best]

    @property
    def solves(self) -> bool:
        """Whether plain networks are linear heads that are solved exactly, with any sample weights at once."""
        return solved(self.spec(), self.target, self.settings)

    def _plain(self) -> Learner:
        return Learner(self.network())

    def _task(
        self,
        name: str,
        *,
        where: np.ndarray | None = None,
        validation: Cohort | None = None,
        weights: np.ndarray | None = None,
    ) -> Task:
        """Return the task of the diagnosis, with the lab's drawing probabilities."""
        part = self.train if where is None else self.train.where(where)
        if self.weights is not None:
            own = self.weights if weights is None or weights.ndim == 1 else self.weights[:, None]
            weights = own if weights is None else weights * own
        weights, draws, strata = (
            v if v is None or where is None else v[where] for v in (weights, self.draws, self.strata)
        )
        checked = self.validation if validation is None else validation
        return Task.diagnosis(name, self.target, part, checked, weights=weights, probabilities=draws, strata=strata)

    def _trained(self, task: Task, learn: Learns | None, settings: TrainSettings, budget: int) -> Trained:
        def build() -> Learner:
            return Learner(self.network(task.target)) if learn is None else learn.learner(self)

        made = ERM_KEY if learn is None else [learn.key, self.train.content_hash]
        key = training_key(task, settings, budget, made)
        if learn is None and solved(self.spec(task.target), task.target, settings):
            return self.store.heads(task, settings, build, key)
        if learn is not None and self.solves:
            warn(
                f"{task.name} is trained by gradient, while plain linear heads are solved exactly; "
                "--set optimiser=adamw trains all alike."
            )
        return self.store.network(task, settings, build, key, n_budget=budget)

    def erm(self, selected_for: str | None = None) -> Trained:
        """Train the network of everybody, which methods share; its epoch may be chosen for one group alone."""
        if selected_for is None:
            return self.train_network()
        return self.train_network(name=f"erm[{selected_for}]", validation=self.validation.in_group(selected_for))

    def group_model(self, group: str, *, budget: int | None = None) -> Trained:
        """Train a group's network on its own samples alone, by default with as many updates as one of everybody."""
        return self.train_network(
            name=f"group_model[{group}]",
            where=self.train.group == self.groups.index(group),
            validation=self.validation.in_group(group),
            budget=budget,
        )

    def group_predictor(self) -> Trained:
        """Train the network that predicts the group, on everybody whose group is known."""
        task = Task.group("group_predictor", self.train, self.validation)
        return self._trained(task, None, self.settings, len(self.train))

    def cross_fitted_network(self, task: Task, *, like: Trained | None = None) -> Trained:
        """Train a plain network on a part of some task's samples, taken from its last epoch.

        A linear head that is solved has the penalty that was chosen for `like`, the network of all samples.
        """
        penalty = {"l2": [like.chosen["l2"]]} if like is not None and "l2" in like.chosen else {}
        return self._trained(task, None, self.settings.but(selection="last", **penalty), len(self.train))

    # ---- what is measured on networks -----------------------------------------------------------------------------

    def distances(self, network: nn.Module, cohort: Cohort | None = None, **options: Any) -> Distances:
        """Measure boundary distances of the training samples (or a cohort); see `everygroup.boundary`."""
        cohort = self.train if cohort is None else cohort
        return self.store.distances(network, cohort, **{"device": self.device, **options})

    def features(self, network: nn.Module, cohort: Cohort | None = None) -> np.ndarray:
        """Return penultimate features, (n, q), of the training samples (or a cohort)."""
        return predict_features(network, self.train if cohort is None else cohort, device=self.device)

    def answers(self, model: RoutedModel, cohort: Cohort) -> np.ndarray:
        """Return a model's probabilities (n, K) for samples of this lab, seen through its transforms already."""
        rest = model.transforms[len(self.transforms) :]
        return replace(model, transforms=rest, sample_shape=cohort.sample_shape).predict_proba(
            cohort, device=self.device
        )

    # ---- models ---------------------------------------------------------------------------------------------------

    def model(self, method: str, networks: dict[str, Trained], route: dict[str, str], **more: Any) -> RoutedModel:
        """Assemble a routed model; `more` as in `RoutedModel.build`."""
        info = {**self.info, **more.pop("info", {})}
        train = self.train
        if self.merged_from is not None:  # patients are routed by the groups there were at first
            first = self.merged_from
            if self.places is not None:
                route = {g: route[self.groups[i]] for g, i in self.places.items()}
            else:
                (everybody,) = set(route.values())  # `Part.check` refused what needs to be told the group
                route = dict.fromkeys(first.groups, everybody)
            if predictor := more.get("group_predictor"):
                networks = {**networks, predictor: first.group_predictor()}
            train = first.train
        model = RoutedModel.build(method, train, networks, route=route, transforms=self.transforms, info=info, **more)
        return on_one_scale(model, self.train, (self.merged_from or self).validation, device=self.device)

    def one_model(self, method: str, trained: Trained, **info: Any) -> RoutedModel:
        """Assemble the model of a method whose one network answers for everybody."""
        route = dict.fromkeys(self.groups, "pooled")
        return self.model(method, {"pooled": trained}, route, pooled="pooled", info=info)

    def refuse_empty_groups(self) -> None:
        """Refuse groups that nothing can be learnt of.

        Raises
        ------
        TrainingError
        """
        if empty := [g for g, n in zip(self.groups, self.group_sizes, strict=True) if not n]:
            raise TrainingError(
                f"Group {', '.join(empty)} has no training samples.", fix="merge it with another by --bins"
            )


def _hashed(candidates: Mapping[str, np.ndarray]) -> str:
    return hash_json([[name, hash_array(np.asarray(weight, float))] for name, weight in candidates.items()])
