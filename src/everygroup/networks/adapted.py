"""Kinds of networks that answer and are no plain backbone. One file, one kind, one name; rebuilt from its spec."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Self, TypeVar

import torch
from torch import nn

from everygroup.errors import SettingsError
from everygroup.networks.classifier import Classifier
from everygroup.networks.spec import NetworkSpec

ADAPTERS: dict[str, type[Adapted]] = {}
A = TypeVar("A", bound="type[Adapted]")


class Adapted(nn.Module, ABC):
    """A backbone with something added that answers.

    The constructor takes the backbone, with the initial weights that ERM has under the same seed, and JSON-able
    options, which are kept in `options` and saved beside the weights.

    Attributes
    ----------
    name : str
        Registry name.
    takes_group : bool
        Whether `forward` takes the group index (N,), -1 where missing, as its second argument.
    """

    name: ClassVar[str]
    takes_group: bool = False

    def __init__(self, base: Classifier, **options: Any) -> None:
        super().__init__()
        self.base = base
        self.options = options

    @abstractmethod
    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K) of images in [0, 1]."""

    def answering(self, group: int | None) -> Classifier | Adapted:
        """Return the network that answers for one group, or where the group is unknown (None), free of `group`."""
        return self.base

    @property
    def spec(self) -> NetworkSpec:
        """How to build it again."""
        return replace(self.base.spec, adapter={"name": self.name, **self.options})

    def but(self, **options: Any) -> Self:
        """Return a copy with other options and the same weights."""
        import copy

        other = type(self)(copy.deepcopy(self.base), **{**self.options, **options})
        other.load_state_dict(self.state_dict())
        return other.eval()


def register_adapter(cls: A) -> A:
    """Enter a kind of adapted network under its `name`; use as a decorator."""
    ADAPTERS[cls.name] = cls
    return cls


def adapt(base: Classifier, record: dict[str, Any]) -> Adapted:
    """Build an adapted network from the `adapter` of its spec.

    Raises
    ------
    SettingsError
        For an unknown kind.
    """
    options = dict(record)
    name = options.pop("name")
    if name not in ADAPTERS:
        raise SettingsError(f"Unknown kind of network {name!r}.", fix=f"this version knows {', '.join(ADAPTERS)}")
    return ADAPTERS[name](base, **options)


def logits_of(network: nn.Module, x: torch.Tensor, group: torch.Tensor | None) -> torch.Tensor:
    """Return logits, passing the group to networks that take it."""
    logits: torch.Tensor = network(x, group) if getattr(network, "takes_group", False) else network(x)
    return logits
