"""Methods as a person writes them: all that runs have to know of a method before it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from everygroup.methods import Method, create_method, method_class
from everygroup.methods.imported import code_hash


def build_methods(main: str, hyperparameters: Mapping[str, Any] | None, compare: Sequence[str]) -> dict[str, Method]:
    """Build a method and those it is compared with, by how they are written; in the order of training, the main last.

    Those have their defaults, but treat groups too small for a network (`small_groups`) as the main one does.
    """
    given = dict(hyperparameters or {})
    shared = {key: value for key, value in given.items() if key == "small_groups"}
    others = {name: {k: v for k, v in shared.items() if k in options_of(name)} for name in compare if name != main}
    return {name: create_method(name, options) for name, options in {**others, main: given}.items()}


def options_of(written: str) -> dict[str, Any]:
    """Return the hyper-parameters of a method and their defaults."""
    return method_class(written).defaults()


def info_of(written: str) -> dict[str, Any]:
    """Return what the registry says of a method; JSON-able."""
    return method_class(written).info.to_dict()


def code_of(written: str) -> str:
    """Return the hash of the imported files that a method comes from; empty for the package's own methods."""
    return code_hash(method_class(written))


def networks_of(method: Method, groups: Sequence[str]) -> float:
    """Return how many networks a method trains for these groups, in multiples of ERM."""
    return method.cost(groups) if groups else method.info.cost(0)


def measures_distances(written: str) -> bool:
    """Whether a method measures boundary distances of its training samples."""
    return "search_preset" in options_of(written)
