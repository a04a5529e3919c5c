"""The contract of a method: hyper-parameters in the constructor, cohorts in `fit`, a routed model out."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, final

from torch import nn

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError, TrainingError
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.networks import Classifier
from everygroup.settings import TrainSettings
from everygroup.training import Trained

Family = Literal["baseline", "pre-processing", "in-processing", "post-processing", "group-specific"]


@dataclass(frozen=True)
class MethodInfo:
    """What a registry entry says of its method.

    Attributes
    ----------
    name : str
        Registry name.
    title, paper : str
        Name and reference of the paper.
    family : str
        Where it acts.
    min_groups, max_groups : int, int or None
        Number of groups it can handle; None for any.
    needs_group_at_test : bool
        Whether prediction uses the recorded group.
    cost : callable
        Number of groups -> trained networks, in multiples of ERM.
    tasks : tuple of str
        What it can be trained for.
    backbone : {'any', 'batch norm', 'convolutional'}
        What the backbone must have.
    """

    name: str
    title: str
    paper: str
    family: Family
    min_groups: int
    max_groups: int | None
    needs_group_at_test: bool
    cost: Callable[[int], float]
    tasks: tuple[str, ...] = ("classification",)
    backbone: str = "any"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values; the cost for two groups."""
        return {**asdict(self), "cost": self.cost(2)}


class Method(ABC):
    """Base of all methods. A subclass is one file with one class and one reference."""

    info: ClassVar[MethodInfo]
    learns_every_group: ClassVar[bool] = False
    """Whether a part of the network belongs to each group, so that each needs training samples."""

    @final
    def fit(
        self,
        train: Cohort,
        validation: Cohort,
        *,
        settings: TrainSettings | None = None,
        store: Store | None = None,
    ) -> RoutedModel:
        """Train on one cohort and choose on another; a test cohort is never seen.

        Parameters
        ----------
        train, validation : Cohort
            Parts of one split.
        settings : TrainSettings, optional
            Training settings, equal for all methods under comparison.
        store : Store, optional
            Where networks and distances are kept and looked up.

        Raises
        ------
        TrainingError, SettingsError
            If the cohort or the hyper-parameters do not fit the method.
        """
        self.check_cohorts(train, validation)
        return self._fit(train, validation, settings or TrainSettings.make(), store or Store())

    @abstractmethod
    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        """Train on cohorts that were checked."""

    def _one_network(self, train: Cohort, trained: Trained) -> RoutedModel:
        """Assemble the model of a method whose one network answers for everybody."""
        route = dict.fromkeys(train.groups, "pooled")
        info = {"hyperparameters": self.hyperparameters}
        return RoutedModel.build(self.info.name, train, {"pooled": trained}, route=route, pooled="pooled", info=info)

    def _network_per_group(self, train: Cohort, trained: Trained, *, blind: bool = False) -> RoutedModel:
        """Assemble the model of a method whose one network takes the group: a network for each.

        Where no group is known the mean of the groups' probabilities answers; `blind`: a network of its own does. It is
        to be the answer that validation saw when the epoch was chosen.
        """
        parts = {g: trained.answering(i) for i, g in enumerate(train.groups)}
        if blind:
            parts["pooled"] = trained.answering(None)
        return RoutedModel.build(
            self.info.name,
            train,
            parts,
            route={g: g for g in train.groups},
            pooled="pooled" if blind else None,
            info={"hyperparameters": self.hyperparameters},
        )

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments and their values."""
        return {name: getattr(self, name) for name in self.defaults()}

    def cost(self, groups: Sequence[str]) -> float:
        """Return the trained networks for these groups with these hyper-parameters, in multiples of ERM."""
        return self.info.cost(len(groups))

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The hyper-parameters and their defaults."""
        signature = inspect.signature(cls.__init__)
        return {p.name: p.default for p in signature.parameters.values() if p.name != "self"}

    def check_network(self, network: Classifier) -> None:
        """Refuse a backbone the method cannot work with; `network` has untrained weights.

        Raises
        ------
        SettingsError
            If the backbone lacks what `info.backbone` names.
        """
        needed = {"any": nn.Module, "batch norm": nn.BatchNorm2d, "convolutional": nn.Conv2d}[self.info.backbone]
        if not any(isinstance(m, needed) for m in network.modules()):
            raise SettingsError(
                f"Method {self.info.name!r} needs a backbone with "
                f"{'batch norm' if needed is nn.BatchNorm2d else 'convolutions'}.",
                fix="choose --backbone resnet18 or small_cnn",
            )

    def check_cohorts(self, train: Cohort, validation: Cohort) -> None:
        """Refuse cohorts the method cannot be trained on.

        Raises
        ------
        SettingsError, TrainingError
            If there are too few or too many groups, the cohorts do not belong together, or share a patient.
        """
        low, high = self.info.min_groups, self.info.max_groups
        found = len(train.groups)
        if found < low or (high is not None and found > high):
            wanted = f"at least {low}" if high is None else f"{low} to {high}"
            listed = f" ({', '.join(train.groups)})" if found else "; the attribute is missing everywhere"
            raise SettingsError(
                f"Method {self.info.name!r} needs {wanted} groups, but {train.rule.name!r} has {found}{listed}.",
                fix="choose another --group or other --bins, or --method erm",
            )
        if self.learns_every_group:
            refuse_empty_groups(train)
        if train.classes != validation.classes or train.groups != validation.groups:
            raise SettingsError("Training and validation cohorts differ in classes or groups.", fix="split one cohort")
        if shared := set(train.units) & set(validation.units):
            raise SettingsError(
                f"{len(shared)} patients or lesions are in both training and validation, for example {min(shared)!r}.",
                fix="split by patient or lesion with Cohort.split",
            )


def refuse_empty_groups(train: Cohort) -> None:
    """Refuse a group that nothing can be learnt of.

    Raises
    ------
    TrainingError
        If a group has no training samples.
    """
    if empty := [g for i, g in enumerate(train.groups) if not (train.group == i).any()]:
        raise TrainingError(f"Group {', '.join(empty)} has no training samples.", fix="merge it with another by --bins")
