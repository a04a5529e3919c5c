"""Methods by name."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping
from typing import Any, TypeVar

from everygroup.errors import SettingsError
from everygroup.methods.base import Method

METHODS: dict[str, type[Method]] = {}
M = TypeVar("M", bound=type[Method])


def register(method: M) -> M:
    """Enter a method class under its `info.name`; use as a decorator."""
    METHODS[method.info.name] = method
    return method


def list_methods(pattern: str = "*") -> list[str]:
    """Return the names that match a wildcard pattern."""
    return [name for name in METHODS if fnmatch.fnmatch(name, pattern)]


def method_class(name: str) -> type[Method]:
    """Return a method's class.

    Raises
    ------
    SettingsError
        For an unknown name, with the nearest one.
    """
    if name not in METHODS:
        if "," in name:
            fix = "name one method at a time and repeat the option: --compare erm --compare group_model"
            raise SettingsError(f"Unknown method {name!r}.", fix=fix)
        near = difflib.get_close_matches(name, METHODS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        own = "one of your own: --import its file, or name it under imports: in a recipe"
        raise SettingsError(f"Unknown method {name!r}.", fix=f"{hint}The methods are: {', '.join(METHODS)}; {own}")
    return METHODS[name]


def create_method(name: str, hyperparameters: Mapping[str, Any] | None = None) -> Method:
    """Build a method from its name and hyper-parameters.

    Raises
    ------
    SettingsError
        For an unknown name or hyper-parameter.
    """
    cls, values = method_class(name), dict(hyperparameters or {})
    known = cls.defaults()
    if unknown := [k for k in values if k not in known]:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        listed = ", ".join(known) or "none"
        raise SettingsError(f"Method {name!r} has no hyper-parameter {unknown[0]!r}.", fix=f"{hint}It has: {listed}")
    return cls(**values)
