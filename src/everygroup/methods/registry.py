"""Methods by name: a method is found by the name of its file, and imported when it is asked for."""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import pkgutil
from functools import cache

import everygroup.methods.after
import everygroup.methods.before
import everygroup.methods.by_group
import everygroup.methods.learn
from everygroup.errors import SettingsError
from everygroup.methods.parts import REGISTERED, Part

ROOMS = (everygroup.methods.before, everygroup.methods.learn, everygroup.methods.by_group, everygroup.methods.after)


@cache
def _files() -> dict[str, str]:
    """The package's own methods: name -> module; files that begin with an underscore are no methods."""
    found = {}
    for room in ROOMS:
        for file in pkgutil.iter_modules(room.__path__):
            if not file.name.startswith("_"):
                inside = f".{file.name}" if file.ispkg else ""
                found[file.name] = f"{room.__name__}.{file.name}{inside}"
    return found


def list_methods(pattern: str = "*") -> list[str]:
    """Return the names that match a wildcard pattern: the package's own, then those of imported files."""
    names = [*sorted(_files()), *(name for name in REGISTERED if name not in _files())]
    return [name for name in names if fnmatch.fnmatch(name, pattern)]


def method_class(name: str) -> type[Part]:
    """Return a method's class.

    Raises
    ------
    SettingsError
        For an unknown name, with the nearest one.
    """
    if name not in REGISTERED and name in _files():
        importlib.import_module(_files()[name])
    if name not in REGISTERED:
        if "," in name:
            fix = "name one method at a time and repeat the option: --compare erm --compare group_model"
            raise SettingsError(f"Unknown method {name!r}.", fix=fix)
        known = list_methods()
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        own = "one of your own: --import its file, or name it under imports: in a recipe"
        raise SettingsError(f"Unknown method {name!r}.", fix=f"{hint}The methods are: {', '.join(known)}; {own}")
    return REGISTERED[name]


def class_named(name: str) -> type[Part]:
    """Return the method whose class has this name: that of its file without underscores, whatever its capitals.

    Raises
    ------
    AttributeError
    """
    for file in _files():
        if file.replace("_", "") == name.lower():
            return method_class(file)
    raise AttributeError(f"everygroup.methods has no {name!r}")
