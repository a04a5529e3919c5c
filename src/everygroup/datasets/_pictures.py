"""Which picture each row of a table leads to: one of its own, unless the table itself says that rows share one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from everygroup.console import say, warn
from everygroup.errors import CohortError
from everygroup.imaging import ImageSource
from everygroup.imaging.arrays import file_of
from everygroup.imaging.names import Match

_SHOWN = 5
_PAIRS_SHOWN = 10


@dataclass(frozen=True)
class Pictures:
    """What the names of a column lead to, row by row.

    Attributes
    ----------
    table : Path
        Where the names stand, for messages.
    source : ImageSource
    names, matches : tuples of length n
    rows : tuple of int
        Row of each name in the table's file (the header is row 1).
    """

    table: Path
    source: ImageSource
    names: tuple[str, ...]
    rows: tuple[int, ...]
    matches: tuple[Match, ...]

    @classmethod
    def of(cls, table: Path, column: pd.Series, source: ImageSource, rows: Sequence[int] | None = None) -> Pictures:
        """Look for the picture of every value of a column; rows are 2, 3, ... where they are not given."""
        names = tuple("" if pd.isna(v) else str(v).strip() for v in column)
        row = tuple(range(2, len(names) + 2) if rows is None else rows)
        return cls(table, source, names, row, tuple(Match(None) if not n else source.match(n) for n in names))

    def check(self, wanted: np.ndarray, *, may_lack: bool, option: str = "--image-column") -> None:
        """Tell all that is wrong with the pictures of the wanted rows, and how those that are right were found.

        Rows that are not wanted count as well where they call a picture by a name of its own: nobody else's picture
        stands in for one that is not there.

        Parameters
        ----------
        wanted : ndarray of int
            Positions of the rows that will be read.
        may_lack : bool
            Whether rows, but not all of them, may be without a picture.
        option : str
            What names the column.

        Raises
        ------
        CohortError
            For rows without a picture, rows whose name fits several, and rows that share one under different names.
        """
        lacking = [k for k in wanted if self.matches[k].member is None and not self.matches[k].rivals]
        several = [k for k in wanted if self.matches[k].rivals]
        problems = [
            self._lack(lacking, len(wanted), option)
            if lacking and (not may_lack or len(lacking) == len(wanted))
            else None,
            self._fit_several(several) if several else None,
            self._shared(wanted),
        ]
        if told := [p for p in problems if p is not None]:
            raise CohortError(
                f"{self.table}: " + "\n".join(text for text, _ in told), fix="; ".join(fix for _, fix in told)
            )
        self._say_how(wanted)

    def count_unused(self, wanted: np.ndarray) -> None:
        """Warn of images without row."""
        members = self.source.members()
        named = {file_of(member) for k in wanted if (member := self.matches[k].member) is not None}
        if unused := len(set(members) - named):
            warn(
                f"{unused} of {len(members)} images in {self.source.path.name} have no row in {self.table.name}; "
                "not used."
            )

    def _lack(self, lacking: Sequence[int], n: int, option: str) -> tuple[str, str]:
        shown = ", ".join(f"{self.names[k]!r} (row {self.rows[k]})" for k in lacking[:_SHOWN])
        members = self.source.members()
        example = f" Images there are called like {members[0]!r}." if members and not self.source.hides_names else ""
        return (
            f"{len(lacking)} of {n} samples have no image in {self.source.path.name}: "
            f"{shown}{', ...' if len(lacking) > _SHOWN else '.'}{example}",
            f"add the images, name the right column with {option}, or leave these rows out with "
            + ("--on-bad-image skip" if option == "--image-column" else "blank cells and --drop-unlabelled"),
        )

    def _fit_several(self, several: Sequence[int]) -> tuple[str, str]:
        lines = [
            f"  row {self.rows[k]}, {self.names[k]!r}"
            + ("" if self.source.hides_names else f": {', '.join(self.matches[k].rivals[:3])}")
            for k in several[:_PAIRS_SHOWN]
        ]
        return (
            _capped(
                f"{len(several)} rows have a name that fits several images in {self.source.path.name}:", lines, several
            ),
            "name the file with its folder in the table, or remove the copies",
        )

    def _shared(self, wanted: np.ndarray) -> tuple[str, str] | None:
        """Find rows that call one picture by different names: the picture is that of one of them at most."""
        by_picture: dict[object, list[int]] = defaultdict(list)
        for k, found in enumerate(self.matches):
            if found.picture is not None:
                by_picture[found.picture].append(k)
        asked = set(map(int, wanted))
        shared = [
            rows
            for rows in by_picture.values()
            if len({self.names[k] for k in rows}) > 1 and not asked.isdisjoint(rows)
        ]
        if not shared:
            return None
        lines = []
        for rows in shared[:_PAIRS_SHOWN]:
            first = {self.names[k]: k for k in reversed(rows)}  # one row a name
            called = " and ".join(f"row {self.rows[k]} ({self.names[k]!r})" for k in sorted(first.values())[:3])
            more = f" and {len(first) - 3} more" if len(first) > 3 else ""
            file = "one file" if self.source.hides_names else f"the one file {self.matches[rows[0]].member}"
            lines.append(f"  {called}{more} lead to {file}")
        return (
            _capped(
                f"{sum(map(len, shared))} rows have different names that lead to the same {len(shared)} "
                f"{'image' if len(shared) == 1 else 'images'} in {self.source.path.name}:",
                lines,
                shared,
            ),
            "add the images that are not there, correct the names, or remove the rows that have no image; rows that "
            "do mean one image call it by the same name, and --id-column names a column that tells them apart",
        )

    def _say_how(self, wanted: np.ndarray) -> None:
        kinds: dict[str, list[int]] = defaultdict(list)
        for k in wanted:
            if self.matches[k].how:
                kinds[self.matches[k].how].append(k)
        said = [
            f"{len(rows)} {how}"
            + ("" if self.source.hides_names else f" ({self.names[rows[0]]!r} is {self.matches[rows[0]].member})")
            for how, rows in kinds.items()
        ]
        if said:
            say(f"Images found otherwise than as the table writes them: {', '.join(said)}.")
        n_shared = len(wanted) - len({self.names[k] for k in wanted})
        if n_shared:
            say(f"{n_shared} rows share the image of another row, as the table says: they name it alike.")


def _capped(head: str, lines: Sequence[str], everything: Sequence[object]) -> str:
    more = len(everything) - len(lines)
    return "\n".join([head, *lines, *([f"  ... and {more} more"] if more else [])])
