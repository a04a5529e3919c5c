"""Methods and metrics in files of one's own, under the names that they have there."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from everygroup.errors import SettingsError
from everygroup.files import hash_json
from everygroup.imported import forget, import_file
from everygroup.methods.chain import Chain
from everygroup.methods.parts import REGISTERED, Part
from everygroup.methods.registry import list_methods, method_class
from everygroup.metrics.own import adopt

_done: dict[str, tuple[str, dict[str, type[Part]]]] = {}  # module -> hash of its content, and its methods


def import_files(paths: Iterable[str | Path]) -> tuple[tuple[str, str], ...]:
    """Import Python files, in order, so that their methods and metrics can be used by name. This runs their code.

    Returns
    -------
    tuple of (absolute path, hash of the content)

    Raises
    ------
    SettingsError
        If a file is missing, fails, has neither method nor metric, or one whose name is taken.
    """
    return tuple(_import(Path(path)) for path in paths)


def import_again(files: Iterable[tuple[str, str]]) -> None:
    """Import what `import_files` imported, in another process.

    Raises
    ------
    SettingsError
        Also if a file has changed since: its jobs are identified by what it was.
    """
    for path, known in files:
        if _import(Path(path))[1] != known:
            raise SettingsError(f"{path} has changed since the benchmark was started.", fix="start it again")


def code_hash(method: Chain | type[Part]) -> str:
    """Return the hash of the imported files that the classes of a part or chain come from; empty for our own."""
    classes = [type(part) for part in method] if isinstance(method, Chain) else [method]
    found = [_done[c.__module__][0] for cls in classes for c in cls.__mro__ if c.__module__ in _done]
    return hash_json(found) if found else ""


def _import(path: Path) -> tuple[str, str]:
    before = {name: method_class(name) for name in list_methods()}  # all, so that what is new is the file's
    try:
        module, path, content = import_file(path)
    except SettingsError:
        _restore(before)
        raise
    try:
        if module.__name__ not in _done:
            _done[module.__name__] = content, _made(module, path, before)
        methods = _done[module.__name__][1]
        if not adopt(module) and not methods:
            raise SettingsError(
                f"{path} registers no method and defines no metric.",
                fix="put @method above its class, as in add-a-method, or write a function of (y_true, y_pred)",
            )
    except SettingsError:
        _restore(before)
        _done.pop(module.__name__, None)
        forget(module)
        raise
    REGISTERED.update(methods)  # a file edited to and fro registers anew
    return str(path), content


def _restore(before: dict[str, type[Part]]) -> None:
    REGISTERED.clear()
    REGISTERED.update(before)


def _made(module: ModuleType, path: Path, before: dict[str, type[Part]]) -> dict[str, type[Part]]:
    """The methods that a file registered, now or when its metrics were asked for."""
    made = {
        name: cls
        for name, cls in REGISTERED.items()
        if before.get(name) is not cls or cls.__module__ == module.__name__
    }
    for name in made:
        if name in before and _file_of(before[name]) != path:  # the same file, edited or imported by hand, may
            raise SettingsError(f"{path} registers {name!r}, but there is such a method.", fix="give it another name")
    return made


def _file_of(method: type[Part]) -> Path | None:
    module: ModuleType | None = sys.modules.get(method.__module__)
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file else None
