"""Published data sets by name."""

from __future__ import annotations

import difflib
import fnmatch
from typing import TypeVar

from everygroup.datasets.published._adapter import Adapter
from everygroup.errors import SettingsError

ADAPTERS: dict[str, Adapter] = {}
A = TypeVar("A", bound=type[Adapter])


def register(adapter: A) -> A:
    """Enter an adapter class under its `info.name`; use as a decorator."""
    ADAPTERS[adapter.info.name] = adapter()
    return adapter


def list_datasets(pattern: str = "*") -> list[str]:
    """Return the names that match a wildcard pattern, in order."""
    return sorted(name for name in ADAPTERS if fnmatch.fnmatch(name, pattern))


def adapter_of(name: str) -> Adapter:
    """Return the adapter of a data set.

    Raises
    ------
    SettingsError
        For an unknown name, with the nearest one.
    """
    if name not in ADAPTERS:
        near = difflib.get_close_matches(name, ADAPTERS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise SettingsError(f"No data set is called {name!r}.", fix=f"{hint}See everygroup list datasets")
    return ADAPTERS[name]
