"""Chains of parts: written in one line, checked as a whole, fitted in order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from everygroup.errors import SettingsError
from everygroup.methods.info import MethodInfo
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, Before, ByGroup, Learn, Part, check, described, run
from everygroup.methods.registry import method_class
from everygroup.methods.store import Store
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings, parse_assignments

Written = "str | Part | Mapping[str, Any] | Sequence[Any]"
_ORDER = {Before: 0, Learn: 1, ByGroup: 1, After: 2}
_OPEN, _CLOSE, _QUOTES = "([{", ")]}", "\"'"


@dataclass(frozen=True)
class Chain:
    """A method: parts that act before, one that learns (ERM if there is none), parts that act after.

    Raises
    ------
    SettingsError
        For an order or a combination that makes no sense, with the reason.
    """

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise SettingsError("A chain has no parts.", fix="name a method, such as erm")
        learning = [p.info.name for p in self.parts if isinstance(p, Learn | ByGroup)]
        if len(learning) > 1:
            raise SettingsError(
                f"{' and '.join(map(repr, learning))} both train the networks: a chain has one that does.",
                fix="leave out all but one of them",
            )
        places = [_place(part) for part in self.parts]
        if places != sorted(places):
            wrong = next(i for i in range(1, len(places)) if places[i] < places[i - 1])
            this, that = self.parts[wrong].info, self.parts[wrong - 1].info
            raise SettingsError(
                f"{this.name!r} ({this.family}) stands behind {that.name!r} ({that.family}) and would do nothing.",
                fix=f"write it in front: {this.name} + {that.name}",
            )
        for part in self.parts:
            if isinstance(part, After) and part.one_network and (several := self._of_several_networks()):
                raise SettingsError(
                    f"{part.info.name!r} changes the one network that answers for everybody, but {several!r} makes "
                    "several.",
                    fix="put it behind a method of one network, such as erm or group_dro",
                )

    def _of_several_networks(self) -> str:
        """Name the part that makes several networks; empty if none is known to."""
        makers = [p for p in self.parts if isinstance(p, ByGroup) or (isinstance(p, Learn) and p.answers != "pooled")]
        return makers[0].info.name if makers else ""

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)

    def __str__(self) -> str:
        return " + ".join(_written(part) for part in self.parts)

    @property
    def name(self) -> str:
        """The parts' names, such as 'combat + adversarial'."""
        return " + ".join(part.info.name for part in self.parts)

    @property
    def infos(self) -> list[MethodInfo]:
        """What is said of each part."""
        return [part.info for part in self.parts]

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Those of a single part; of several, those of each by its name."""
        return described(self.parts)

    def cost(self, groups: Sequence[str]) -> float:
        """Return the trained networks in multiples of ERM: those of the part that learns, and what others add."""
        learning, further = 1.0, 0.0
        for part in self.parts:
            if isinstance(part, Learn | ByGroup):
                learning = part.cost(groups)
            else:
                further += max(0.0, part.cost(groups) - 1)
            if isinstance(part, Before):
                groups = part.groups_after(groups)
        return learning + further

    def check(self, lab: Lab) -> None:
        """Refuse cohorts or a backbone that a part cannot work with, as far as that is known before anything is done.

        Raises
        ------
        SettingsError, TrainingError
        """
        check(self.parts, lab)

    def fit(
        self,
        train: Any,
        validation: Any,
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
            If the cohort or the hyper-parameters do not fit a part.
        """
        return run(self.parts, Lab(train, validation, settings or TrainSettings.make(), store or Store()))


def create_method(written: Any, hyperparameters: Mapping[str, Any] | None = None) -> Chain:
    """Build a method.

    Parameters
    ----------
    written : str, Part, mapping or sequence
        'spare'; 'combat(batch=site) + adversarial(lam=0.3)'; a part; {name: options}; or a list of these.
    hyperparameters : mapping, optional
        More of them: each goes to the one part that has it, or to a part by its name ({'adversarial': {'lam': 0.3}}).

    Raises
    ------
    SettingsError
        For an unknown name or hyper-parameter, an impossible value or chain.
    """
    if isinstance(written, Chain):
        return written
    drafts = list(_drafts(written))
    for key, value in (hyperparameters or {}).items():
        _owner(key, value, drafts)
    return Chain(tuple(draft if isinstance(draft, Part) else method_class(draft[0])(**draft[1]) for draft in drafts))


def as_text(written: Any) -> str:
    """Return a method as it is written in one line, from any form that `create_method` takes.

    Raises
    ------
    SettingsError
        As `create_method`.
    """
    return written if isinstance(written, str) else str(create_method(written))


def parse(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Read 'a(x=1) + b' into names and options.

    Raises
    ------
    SettingsError
        If it cannot be read.
    """
    found = []
    for piece in _split(text, "+"):
        name, bracket, rest = piece.strip().partition("(")
        if not name.strip() or (bracket and not rest.endswith(")")):
            raise SettingsError(
                f"Cannot read {piece.strip()!r} in {text!r}.", fix="write name(key=value, ...) + name, in quotes"
            )
        found.append((name.strip(), parse_assignments([p.strip() for p in _split(rest[:-1], ",") if p.strip()])))
    return found


def _split(text: str, at: str) -> list[str]:
    """Split where a sign stands outside brackets and quotes."""
    pieces, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in _QUOTES:
            quote = sign
        depth += (not quote and sign in _OPEN) - (not quote and sign in _CLOSE)
        if sign == at and not depth and not quote:
            pieces.append("")
        else:
            pieces[-1] += sign
    return pieces


def _drafts(written: Any) -> Iterator[Part | tuple[str, dict[str, Any]]]:
    if isinstance(written, Part):
        yield written
    elif isinstance(written, str):
        yield from parse(written)
    elif isinstance(written, Mapping):
        for name, options in written.items():
            yield str(name), dict(options or {})
    else:
        for piece in written:
            yield from _drafts(piece)


def _owner(key: str, value: Any, drafts: list[Any]) -> None:
    """Put a hyper-parameter into the draft of the part it belongs to."""
    named = [d for d in drafts if not isinstance(d, Part)]
    if len(named) > 1 and isinstance(value, Mapping) and (mine := [d for d in named if d[0] == key]):
        mine[0][1].update(value)
        return
    has = [d for d in named if key in method_class(d[0]).options()]
    if len(has) > 1:
        owners = " and ".join(repr(name) for name, _ in has)
        raise SettingsError(
            f"{key!r} is a hyper-parameter of {owners}.",
            fix=f"write it with its part, as in {has[0][0]}({key}={value})",
        )
    (has or named)[0][1][key] = value


def _place(part: Part) -> int:
    return next(place for kind, place in _ORDER.items() if isinstance(part, kind))


def _written(part: Part) -> str:
    """Write a part with what differs from its defaults, flat."""
    usual = type(part)().hyperparameters
    changed: dict[str, Any] = {}
    for name, value in part.hyperparameters.items():
        if isinstance(value, dict) and isinstance(usual[name], dict) and name in type(part).nested():
            changed |= {name if i == 0 else key: v for i, (key, v) in enumerate(value.items()) if v != usual[name][key]}
        elif value != usual[name]:
            changed[name] = value
    return part.info.name + (f"({', '.join(f'{k}={_flow(v)}' for k, v in changed.items())})" if changed else "")


def _flow(value: Any) -> str:
    """Write a value as YAML reads it in one line."""
    return json.dumps(value) if isinstance(value, list | dict | bool) or value is None else str(value)
