"""The four kinds of parts that methods are made of, and what is said of each. One file, one part, one paper."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from torch import nn

from everygroup.errors import SettingsError
from everygroup.files import hash_json
from everygroup.methods.info import Family, MethodInfo
from everygroup.methods.lab import Lab
from everygroup.methods.store import Store
from everygroup.models import RoutedModel
from everygroup.networks import build_network
from everygroup.settings import TrainSettings, impossible_values, unknown_settings
from everygroup.training import Learner, finetune

NEEDS: dict[str, tuple[type[nn.Module], str]] = {
    "batch norm": (nn.BatchNorm2d, "batch norm"),
    "convolutions": (nn.Conv2d, "convolutions"),
}


def _written_as_number(value: Any) -> Any:
    return str(value) if type(value) is int else value


GroupName = Annotated[str, BeforeValidator(_written_as_number)]
"""A group by name; in a file 1 may stand for '1'."""

_CONFIG = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Options(BaseModel):
    """Hyper-parameters of a part that belong together.

    Where they are written flat, ``spare(scale=median)``, each finds its place; the first one may stand for all,
    ``spare(weighting=ranking)``.
    """

    model_config = _CONFIG

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)


class Part(BaseModel, ABC):
    """A part of a chain: hyper-parameters are its fields, and data come in the call."""

    model_config = _CONFIG

    info: ClassVar[MethodInfo]
    default_family: ClassVar[Family]

    def __init__(self, **values: Any) -> None:
        known = self.options()
        if unknown := [key for key in values if key not in known and key not in type(self).model_fields]:
            has = f"Method {self.info.name!r} has: {', '.join(known) or 'no hyper-parameters'}"
            raise unknown_settings(unknown, known, fix=has, what="hyper-parameter")
        try:
            super().__init__(
                **self._placed({k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()})
            )
        except ValidationError as error:
            raise impossible_values(error, type(self)) from None

    @classmethod
    def options(cls) -> dict[str, FieldInfo]:
        """The hyper-parameters by name; of those that belong together, each by its own."""
        inner = {k: f for options in cls.nested().values() for k, f in options.model_fields.items()}
        return {**cls.model_fields, **inner}

    @classmethod
    def nested(cls) -> dict[str, type[Options]]:
        """The fields that hold hyper-parameters that belong together."""
        return {
            name: field.annotation
            for name, field in cls.model_fields.items()
            if isinstance(field.annotation, type) and issubclass(field.annotation, Options)
        }

    @classmethod
    def _placed(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Put hyper-parameters that are written flat where they belong."""
        placed = {k: v for k, v in values.items() if k in cls.model_fields}
        for name, options in cls.nested().items():
            given = placed.get(name, {})
            if isinstance(given, Options):
                continue
            own = dict(given) if isinstance(given, Mapping) else {next(iter(options.model_fields)): given}
            own |= {k: v for k, v in values.items() if k in options.model_fields and k not in cls.model_fields}
            if own:
                placed[name] = own
        return placed

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The fields and their values, JSON-able."""
        return self.model_dump(mode="json")

    @property
    def key(self) -> str:
        """Content hash of method and hyper-parameters."""
        return hash_json([type(self).__module__, type(self).__qualname__, self.hyperparameters])

    def cost(self, groups: Sequence[str]) -> float:
        """Return the trained networks for these groups with these hyper-parameters, in multiples of ERM."""
        return self.info.cost(len(groups))

    def check(self, lab: Lab) -> None:
        """Refuse what the part cannot work with, before anything is trained.

        Raises
        ------
        SettingsError, TrainingError
        """
        name, low, high = self.info.name, self.info.min_groups, self.info.max_groups
        found = len(lab.groups)
        if found < low or (high is not None and found > high):
            wanted = f"at least {low}" if high is None else f"{low} to {high}"
            listed = f" ({', '.join(lab.groups)})" if found else "; the attribute is missing everywhere"
            raise SettingsError(
                f"Method {name!r} needs {wanted} groups, but {lab.train.rule.name!r} has {found}{listed}.",
                fix="choose another --group or other --bins, or --method erm",
            )
        if lab.target.name not in self.info.targets:
            raise SettingsError(
                f"Method {name!r} cannot be trained for target {lab.target.name!r}.",
                fix=f"its targets are {', '.join(self.info.targets)}; `everygroup list methods` shows those of others",
            )
        if self.info.needs in NEEDS and lab.settings.freeze == "trunk":
            raise SettingsError(
                f"Method {name!r} changes the {self.info.needs} of the trunk, which freeze=trunk holds.",
                fix="leave out freeze, as the preset finetune does",
            )
        if self.info.needs in ("vectors", "linear head") and len(lab.train.sample_shape) != 1:
            raise SettingsError(
                f"Method {name!r} takes vectors; these samples are images.",
                fix="make vectors of them with `everygroup embed`, and fit those",
            )
        if self.info.needs == "images" and len(lab.train.sample_shape) != 3:
            raise SettingsError(
                f"Method {name!r} takes images; these samples are vectors or volumes.", fix="choose another --method"
            )
        if self.info.two_classes and lab.target.n_outputs != 2:
            raise SettingsError(
                f"Method {name!r} is for two classes; there are {lab.target.n_outputs}.",
                fix="choose another --method, or make two classes of the labels with --map",
            )
        if self.info.needs_group_at_test and lab.places is None:
            raise SettingsError(
                f"Method {name!r} has to be told a patient's group, and those of training cannot be told "
                f"from those of {lab.train.rule.name!r}.",
                fix="choose a method that needs no group at prediction, or coarser groups for training",
            )
        if self.info.every_group:
            lab.refuse_empty_groups()

    def check_network(self, network: nn.Module) -> None:
        """Refuse a backbone the part cannot work with; `network` has untrained weights.

        Raises
        ------
        SettingsError
            If the backbone lacks what `info.needs` names.
        """
        kind, what = NEEDS.get(self.info.needs, (nn.Module, ""))
        if not any(isinstance(m, kind) for m in network.modules()):
            raise SettingsError(
                f"Method {self.info.name!r} needs a backbone with {what}.",
                fix="choose --backbone resnet18 or small_cnn",
            )
        if self.info.needs == "linear head" and getattr(network, "linear", None) is None:
            raise SettingsError(f"Method {self.info.name!r} is for linear heads.", fix="choose --backbone linear")
        if self.info.needs == "hidden layer" and getattr(getattr(network, "spec", None), "backbone", "") == "linear":
            raise SettingsError(
                f"Method {self.info.name!r} needs a backbone with a hidden layer.", fix="choose --backbone mlp"
            )

    def fit(
        self,
        train: Any,
        validation: Any,
        *,
        settings: TrainSettings | None = None,
        store: Store | None = None,
    ) -> RoutedModel:
        """Fit this part alone; see `everygroup.methods.Chain.fit`."""
        return run((self,), Lab(train, validation, settings or TrainSettings.make(), store or Store()))


class Before(Part):
    """Acts before anything is trained: on samples, on how they are drawn, on groups."""

    default_family: ClassVar[Family] = "pre-processing"
    changes_what_is_seen: ClassVar[bool] = True
    """Whether groups or images may be others afterwards, so that what follows can only then be checked."""

    def groups_after(self, groups: Sequence[str]) -> Sequence[str]:
        """Return as many groups as what follows will see, to count networks by."""
        return groups

    @abstractmethod
    def prepare(self, lab: Lab) -> Lab:
        """Return the lab that what follows will see, such as ``lab.seen_through(transform)`` or ``lab.drawn(p)``."""


class Learn(Part):
    """How one network learns. The base class is empirical risk minimisation."""

    default_family: ClassVar[Family] = "in-processing"
    answers: ClassVar[Literal["pooled", "by group", "by group or blind"]] = "pooled"
    """Who answers: one network for everybody; one a group, where no group is known the mean of their probabilities; or
    there the network that validation saw when the epoch was chosen."""

    def learner(self, lab: Lab) -> Learner:
        """Build the learner; `lab.network()` first, so that it starts from the weights that ERM starts from."""
        return Learner(lab.network())

    def draws(self, lab: Lab) -> np.ndarray | None:
        """Return relative probabilities of being drawn into a batch, (n_train,), if the method draws at its own."""
        return None

    def model(self, lab: Lab) -> RoutedModel:
        """Train the network and say who answers."""
        where = lab.known if self.info.every_group else None
        name = self.info.name
        trained = lab.train_network(self, name, where=where, draws=self.draws(lab))
        if self.answers == "pooled":
            return lab.one_model(name, trained.answering(None))
        parts = {g: trained.answering(i) for i, g in enumerate(lab.groups)}
        blind = self.answers == "by group or blind"
        if blind:
            parts["pooled"] = trained.answering(None)
        return lab.model(name, parts, {g: g for g in lab.groups}, pooled="pooled" if blind else None)


class ByGroup(Part):
    """Trains several networks and routes every patient to one of them."""

    default_family: ClassVar[Family] = "group-specific"

    @abstractmethod
    def model(self, lab: Lab) -> RoutedModel:
        """Train the networks and say who answers."""


class After(Part):
    """Works on a fitted model."""

    default_family: ClassVar[Family] = "post-processing"
    one_network: ClassVar[bool] = False
    """Whether it needs a model whose one plain network answers for everybody."""

    @abstractmethod
    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Return the model that answers in its place."""


def check(parts: Sequence[Part], lab: Lab) -> None:
    """Refuse what parts cannot work with, down to the first that changes what the others see.

    Raises
    ------
    SettingsError, TrainingError
    """
    with torch.random.fork_rng(devices=[]):
        network = build_network(lab.spec())
    finetune.check(network, lab.settings)
    for part in parts:
        part.check(lab)
        part.check_network(network)
        if isinstance(part, Before) and part.changes_what_is_seen:
            return


def run(parts: Sequence[Part], lab: Lab) -> RoutedModel:
    """Check and run parts in order; without one that learns, ERM stands in its place."""
    check(parts, lab)
    model: RoutedModel | None = None
    for place, part in enumerate(parts, start=1):
        if isinstance(part, After):
            model = part.refine(model or _erm(lab), lab.merged_from or lab)
        elif isinstance(part, Before):
            lab = part.prepare(lab)
            if part.changes_what_is_seen:
                check(parts[place:], lab)
        else:
            assert isinstance(part, Learn | ByGroup)
            model = part.model(lab)
    model = model or _erm(lab)
    name = " + ".join(part.info.name for part in parts)
    return replace(model, method=name, info={**model.info, "hyperparameters": described(parts)})


def _erm(lab: Lab) -> RoutedModel:
    return lab.one_model("erm", lab.erm())


def described(parts: Sequence[Part]) -> dict[str, Any]:
    """Return the hyper-parameters of one part; of several, those of each by its name."""
    if len(parts) == 1:
        return parts[0].hyperparameters
    return {part.info.name: part.hyperparameters for part in parts}


REGISTERED: dict[str, type[Part]] = {}
P = TypeVar("P", bound=Part)


def method(
    title: str,
    paper: str,
    *,
    name: str = "",
    groups: tuple[int, int | None] = (1, None),
    cost: float | Callable[[int], float] = 1,
    family: Family | None = None,
    targets: tuple[str, ...] = ("classes",),
    needs: str = "",
    needs_group_at_test: bool = False,
    every_group: bool = False,
    two_classes: bool = False,
    blind: bool = False,
    branch: str = "",
) -> Callable[[type[P]], type[P]]:
    """Enter a part under the name of its file; see `MethodInfo` for what the arguments mean.

    Parameters
    ----------
    name : str
        Another name than the file's.
    groups : (int, int or None)
        Smallest and largest number of groups.
    """

    def enter(cls: type[P]) -> type[P]:
        counted = cost if callable(cost) else lambda n: cost
        called = name or Path(inspect.getfile(cls)).stem
        cls.info = MethodInfo(
            called,
            title,
            paper,
            family or cls.default_family,
            *groups,
            needs_group_at_test,
            counted,
            targets,
            needs,
            every_group,
            two_classes,
            blind,
            branch,
            _idea(cls),
        )
        REGISTERED[called] = cls
        return cls

    return enter


def _idea(cls: type) -> str:
    """Return what stands behind the name in the first line of the file's docstring."""
    module = inspect.getmodule(cls)
    first = ((module and module.__doc__) or "").strip().split("\n\n")[0].replace("\n", " ")
    return first.partition(": ")[2].rstrip(".") or first.rstrip(".")
