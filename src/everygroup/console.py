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

HEARTBEAT = 30.0  # seconds between two lines of long work that nobody watches

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


def time_left(seconds: float, done: float, total: float) -> str:
    """Say how long the rest will take at the pace so far: '40 s left', '12 min left'; '' while nothing is done."""
    if done <= 0:
        return ""
    left = seconds * max(0.0, total - done) / done
    return f"{left:.0f} s left" if left <= 90 else f"{left / 60:.0f} min left"


@contextmanager
def beating(line: Callable[[float], str], *, every: float | None = None, out: Console | None = None) -> Iterator[None]:
    """Print `line(seconds since the start)` every `HEARTBEAT` seconds, also while the work itself reports nothing.

    Work that takes less says nothing. `out` is another console than the program's.
    """
    over, started = threading.Event(), time.monotonic()

    def beat() -> None:
        while not over.wait(HEARTBEAT if every is None else every):
            (out or console).print(line(time.monotonic() - started), markup=False, soft_wrap=True)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def told(what: str, *, every: float | None = None) -> Iterator[Callable[[str], None]]:
    """Say every `HEARTBEAT` seconds what long work is at, on a terminal too; yields `at(text)`, which sets it."""
    now = [""]

    def at(text: str) -> None:
        now[0] = text

    with beating(lambda seconds: f"{what}: {now[0]} ({seconds:.0f} s)", every=every):
        yield at


@contextmanager
def progress(total: int, description: str, *, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; yields `advance(n)`. Without a terminal and in CI, a line every `HEARTBEAT` seconds.

    `done` of the total was done before, by an earlier run: it says nothing about the pace.
    """
    if is_quiet():
        count = [0]

        def advance(n: int) -> None:
            count[0] += n

        def line(seconds: float) -> str:
            left = time_left(seconds, count[0], total - done)
            return f"{description}: {done + count[0]:,} of {total:,}" + (f", {left}" if left else "")

        with beating(line):
            yield advance
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=total, completed=done)
        yield lambda n: bar.advance(task, n)
