"""Chains beside each other, known by what tells them apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from everygroup.errors import SettingsError
from everygroup.methods.chain import Chain, create_method
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Part, run
from everygroup.models import RoutedModel

REFERENCE = "erm"


class Portfolio:
    """Chains that are fitted in the same lab, ERM (which is not named) first.

    Parameters
    ----------
    written : sequence
        As `everygroup.methods.create_method` takes them.

    Raises
    ------
    SettingsError
        If one stands there twice.
    """

    def __init__(self, written: Sequence[Any]) -> None:
        chains = [create_method(text) for text in written]
        names = labels(chains)
        if twice := sorted({name for name in names if names.count(name) > 1 or name == REFERENCE}):
            fix = "name each candidate once, without erm, which is always one"
            raise SettingsError(f"candidates holds {twice[0]!r} more than once.", fix=fix)
        self.chains = dict(zip(names, chains, strict=True))

    def __iter__(self) -> Iterator[Part]:
        for chain in self.chains.values():
            yield from chain

    def cost(self, groups: Sequence[str]) -> float:
        """Return the most networks that may be trained: those of all chains, and ERM; shared ones count for each."""
        return sum(chain.cost(groups) for chain in self.chains.values()) + 1

    def check(self, lab: Lab) -> None:
        """Refuse cohorts that a chain cannot be trained on."""
        for chain in self.chains.values():
            chain.check(lab)

    def fit(self, lab: Lab) -> Mapping[str, RoutedModel]:
        """Train them all."""
        models = {REFERENCE: lab.one_model(REFERENCE, lab.erm())}
        return models | {name: run(chain.parts, lab) for name, chain in self.chains.items()}


def labels(chains: Sequence[Chain]) -> list[str]:
    """Name chains by their parts, and of those with the same parts (ERM is always one) by the options that differ."""
    everything = [create_method(REFERENCE), *chains]
    options = [{(part.info.name, k): v for part in chain for k, v in _flat(part)} for chain in everything]
    names = []
    for chain, own in zip(everything, options, strict=True):
        alike = [o for c, o in zip(everything, options, strict=True) if c.name == chain.name]
        apart = [key for key in own if any(other[key] != own[key] for other in alike)]
        names.append(" ".join([chain.name, *(f"{key[1]}={_short(own[key])}" for key in apart)]))
    return names[1:]


def _flat(part: Part) -> Iterator[tuple[str, Any]]:
    for name, value in part.hyperparameters.items():
        yield from value.items() if name in part.nested() else [(name, value)]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
