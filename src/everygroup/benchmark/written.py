"""Methods as a person writes them, alone or in chains: all that runs have to know of them before they are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from everygroup.methods import Chain, create_method
from everygroup.methods.chain import parse
from everygroup.methods.imported import code_hash
from everygroup.methods.registry import method_class


def build_methods(main: str, hyperparameters: Mapping[str, Any] | None, compare: Sequence[str]) -> dict[str, Chain]:
    """Build a method and those it is compared with, by how they are written; in the order of training, the main last.

    Those have their defaults, but treat groups too small for a network (`small_groups`) as the main one does.
    """
    given = dict(hyperparameters or {})
    shared = {key: value for key, value in given.items() if key == "small_groups"}
    others = {name: {k: v for k, v in shared.items() if k in options_of(name)} for name in compare if name != main}
    return {name: create_method(name, options) for name, options in {**others, main: given}.items()}


def options_of(written: str) -> dict[str, Any]:
    """Return the hyper-parameters of a method, of all parts of a chain, and their defaults."""
    parts = [method_class(name) for name, _ in parse(written)]
    return {name: field.default for part in parts for name, field in part.options().items()}


def infos_of(written: str) -> list[dict[str, Any]]:
    """Return what is said of a method, or of each part of a chain; JSON-able."""
    return [info.to_dict() for info in create_method(written).infos]


def code_of(written: str) -> str:
    """Return the hash of the imported files that a method comes from; empty for the package's own methods."""
    return code_hash(create_method(written))


def measures_distances(written: str) -> bool:
    """Whether a method measures boundary distances of its training samples."""
    return "search_preset" in options_of(written)
