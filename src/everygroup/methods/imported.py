"""Methods in files of one's own: imported by path, known by content, the same in every process of a benchmark."""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from everygroup.console import say
from everygroup.errors import SettingsError
from everygroup.files import hash_file, hash_json
from everygroup.methods.base import Method
from everygroup.methods.registry import METHODS

_PREFIX = "everygroup_imported_"
_done: dict[str, tuple[str, dict[str, type[Method]]]] = {}  # module -> hash of its content, and its methods


def import_files(paths: Iterable[str | Path]) -> tuple[tuple[str, str], ...]:
    """Import Python files, in order, so that the methods they register can be used by name. This runs their code.

    Returns
    -------
    tuple of (absolute path, hash of the content)

    Raises
    ------
    SettingsError
        If a file is missing, fails, registers no method, or one whose name is taken.
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


def code_hash(method: type[Method]) -> str:
    """Return the hash of the imported files that a method's class comes from; empty for the package's own methods."""
    found = [_done[cls.__module__][0] for cls in method.__mro__ if cls.__module__ in _done]
    return hash_json(found) if found else ""


def _import(path: Path) -> tuple[str, str]:
    path = path.expanduser().resolve()
    if not path.is_file():
        raise SettingsError(f"There is no file {path} to import.", fix="give the path of a Python file")
    content = hash_file(path)
    # The content in the name reaches the store's keys of networks trained with an objective of the file.
    name = f"{_PREFIX}{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}_{content[:12]}"
    if name not in _done:
        say(f"Importing {path}, which runs its code.")
        before = dict(METHODS)
        try:
            _run(path, name)
            _done[name] = (content, _made(path, before))
        except SettingsError:
            METHODS.clear()
            METHODS.update(before)
            sys.modules.pop(name, None)
            raise
    sys.modules[name].__file__ = str(path)  # the same content may lie elsewhere too
    METHODS.update(_done[name][1])  # a file edited to and fro registers anew
    return str(path), content


def _run(path: Path, name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SettingsError(f"{path} is no Python file.", fix="give a file whose name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        rows = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        row = error.lineno if isinstance(error, SyntaxError) else rows[-1] if rows else None
        at = f", line {row}" if row else ""
        said = error.msg if isinstance(error, SyntaxError) else error
        raise SettingsError(
            f"Importing {path} failed{at}: {type(error).__name__}: {said}.",
            fix="correct the file; what it imports itself must be installed",
        ) from error


def _made(path: Path, before: dict[str, type[Method]]) -> dict[str, type[Method]]:
    made = {name: cls for name, cls in METHODS.items() if before.get(name) is not cls}
    if not made:
        raise SettingsError(f"{path} registers no method.", fix="put @register above its class, as in add-a-method")
    for name in made:
        if name in before and _file_of(before[name]) != path:  # the same file, edited or imported by hand, may
            raise SettingsError(f"{path} registers {name!r}, but there is such a method.", fix="give it another name")
    return made


def _file_of(method: type[Method]) -> Path | None:
    module: ModuleType | None = sys.modules.get(method.__module__)
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file else None
