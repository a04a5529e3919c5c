"""Everything a person reads while the program works goes through here, to standard error."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from everygroup.errors import EverygroupError

console = Console(stderr=True, highlight=False)

_warnings: list[str] = []
_open: list[list[Detail]] = []


@dataclass(frozen=True)
class Detail:
    """How something of a file was read.

    Attributes
    ----------
    file : its name.
    text : the whole sentence, how it was found and how to say otherwise; empty where nothing was guessed.
    short : the few words that a summary holds, such as 'label y_true'; may be empty.
    """

    file: str
    text: str
    short: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.text}"


def say(message: str) -> None:
    """Print one plain line; text from data is never read as markup."""
    console.print(message, markup=False, soft_wrap=True)


def detail(file: str, text: str, short: str = "") -> None:
    """Say how something of a file was read; within `gathering` it is kept, so that a summary can stand for it."""
    found = Detail(file, text, short)
    if _open:
        if found not in _open[-1]:
            _open[-1].append(found)
    elif text:
        say(str(found))


@contextmanager
def gathering() -> Iterator[list[Detail]]:
    """Keep what `detail` says instead of printing it; where reading fails it is printed, for it may tell why."""
    found: list[Detail] = []
    _open.append(found)
    try:
        yield found
    except EverygroupError:
        for one in found:
            if one.text:
                say(str(one))
        raise
    finally:
        _open.pop()


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
def told(what: str, *, every: float = 10.0) -> Iterator[Callable[[str], None]]:
    """Say every ten seconds what long work is at, with a terminal or without; yields `at(text)`, which says it then.

    Work that takes less says nothing.
    """
    over, now, started = threading.Event(), [""], time.monotonic()

    def beat() -> None:
        while not over.wait(every):
            say(f"{what}: {now[0]} ({time.monotonic() - started:.0f} s)")

    def at(text: str) -> None:
        now[0] = text

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield at
    finally:
        over.set()
        thread.join()


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
