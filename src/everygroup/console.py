"""Everything a person reads while the program works goes through here, to standard error."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console(stderr=True, highlight=False)

_warnings: list[str] = []


def say(message: str) -> None:
    """Print one plain line; text from data is never read as markup."""
    console.print(message, markup=False, soft_wrap=True)


def warn(message: str) -> None:
    """Print a warning once and remember it, so that a report can repeat it."""
    if message not in _warnings:
        _warnings.append(message)
        console.print(f"! {message}", markup=False, style="yellow", soft_wrap=True)


def recorded_warnings() -> list[str]:
    """Return the warnings given since the start or the last `clear_warnings`."""
    return list(_warnings)


def clear_warnings() -> None:
    """Forget the recorded warnings (at the start of a run)."""
    _warnings.clear()


def is_quiet() -> bool:
    """Tell whether progress bars would only clutter the output (no terminal, or CI)."""
    return bool(os.environ.get("CI")) or not console.is_terminal


@contextmanager
def progress(total: int, description: str) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; yields `advance(n)`. Silent without a terminal and in CI."""
    if is_quiet():
        yield lambda n: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda n: bar.advance(task, n)
