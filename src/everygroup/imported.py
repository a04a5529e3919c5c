"""Python files of one's own: run once, known by content, the same in every process of a benchmark."""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType

from everygroup.console import say
from everygroup.errors import SettingsError
from everygroup.files import hash_file

_PREFIX = "everygroup_imported_"


def import_file(path: str | Path) -> tuple[ModuleType, Path, str]:
    """Run a Python file, unless the same content was run before.

    Returns
    -------
    the module, the absolute path, and the hash of the content

    Raises
    ------
    SettingsError
        If the file is missing or fails: with the line.
    """
    path = Path(path).expanduser().resolve()
    if not path.is_file():
        raise SettingsError(f"There is no file {path} to import.", fix="give the path of a Python file")
    content = hash_file(path)
    # The content in the name reaches the store's keys of networks trained with an objective of the file.
    name = f"{_PREFIX}{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}_{content[:12]}"
    if name not in sys.modules:
        say(f"Importing {path}, which runs its code.")
        _run(path, name)
    module = sys.modules[name]
    module.__file__ = str(path)  # the same content may lie elsewhere too
    return module, path, content


def forget(module: ModuleType) -> None:
    """Let a file that cannot be used be run again."""
    sys.modules.pop(module.__name__, None)


def _run(path: Path, name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SettingsError(f"{path} is no Python file.", fix="give a file whose name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        forget(module)
        rows = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        row = error.lineno if isinstance(error, SyntaxError) else rows[-1] if rows else None
        at = f", line {row}" if row else ""
        said = error.msg if isinstance(error, SyntaxError) else error
        raise SettingsError(
            f"Importing {path} failed{at}: {type(error).__name__}: {said}.",
            fix="correct the file; what it imports itself must be installed",
        ) from error
