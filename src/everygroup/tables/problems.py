"""All problems of a file in one message: collected while it is read, told at once, with row, column and fix."""

from __future__ import annotations

from dataclasses import dataclass, field

from everygroup.errors import EverygroupError, TableError

SHOWN = 20


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a file.

    Attributes
    ----------
    what : a sentence without its full stop.
    row : the line, as a text editor counts; None where it is not one row's.
    column : its name, "" where it is not one column's.
    fix : what can be done about it.
    """

    what: str
    row: int | None = None
    column: str = ""
    fix: str = ""

    @property
    def place(self) -> str:
        """Where it is, as ``row 5, column 'age'``; "" where it is the whole file."""
        row = "" if self.row is None else f"row {self.row}"
        column = f"column {self.column!r}" if self.column else ""
        return ", ".join(part for part in (row, column) if part)


@dataclass
class Problems:
    """What is wrong with one file.

    Attributes
    ----------
    file : its name, for the message.
    found : the problems, in the order in which they were seen.
    """

    file: str
    found: list[Problem] = field(default_factory=list)

    def add(self, what: str, *, row: int | None = None, column: str = "", fix: str = "") -> None:
        """Note a problem; see `Problem`."""
        self.found.append(Problem(what, row, column, fix))

    def __bool__(self) -> bool:
        return bool(self.found)

    def raise_if_any(self, error: type[EverygroupError] = TableError) -> None:
        """Raise one error that tells of all problems, the first 20 in words and the others by their number."""
        if not self.found:
            return
        fixes = "; ".join(dict.fromkeys(p.fix for p in self.found if p.fix))
        if len(self.found) == 1:
            only = self.found[0]
            raise error(f"{', '.join(filter(None, (self.file, only.place)))}: {only.what}.", fix=fixes)
        lines = [f"  {f'{p.place}: ' if p.place else ''}{p.what}" for p in self.found[:SHOWN]]
        if len(self.found) > SHOWN:
            lines.append(f"  and {len(self.found) - SHOWN:,} more")
        raise error("\n".join([f"{self.file} has {len(self.found):,} problems:", *lines]), fix=fixes)
