"""A table on disk, not yet read: its columns, its first rows, and how its cells become texts and numbers."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.console import say
from everygroup.errors import TableError
from everygroup.tables.kinds import without_unit
from everygroup.tables.missing import Spelling, Told
from everygroup.tables.numbers import Mark, is_either, is_infinite, looks_numeric, mark_of, marks, values
from everygroup.tables.problems import Problems

SAMPLE_ROWS = 1000
_EACH = 5  # wrong cells of one column that are told one by one
_PLAIN = re.compile(r"-?\d+(\.\d+)?")
_Sentence = Callable[[int], str]


@dataclass(frozen=True)
class Source(ABC):
    """A table on disk, not yet read.

    Attributes
    ----------
    path : the file.
    columns : its column names.
    sample : the first rows, every cell as it is written.
    spelling : which words are missing values, and which spellings mean one thing.
    """

    path: Path
    columns: tuple[str, ...]
    sample: pd.DataFrame
    spelling: Spelling

    @property
    def name(self) -> str:
        """Name of the file, for messages."""
        return self.path.name

    @property
    def default_mark(self) -> Mark | None:
        """The decimal mark where no cell of the file proves one; None where it cannot be known."""
        return Mark.POINT

    def place(self, row: int) -> str:
        """File and row for messages, as a text editor counts: blank lines and line breaks within quotes count, too."""
        return f"{self.name}, row {self.line(row)}"

    @abstractmethod
    def line(self, row: int) -> int:
        """Line of the file in which a row (from 0, without the header) begins, counted from 1."""

    @abstractmethod
    def cells(self, columns: Sequence[str], *, floats: Collection[str], plain: Collection[str]) -> pd.DataFrame:
        """Read some columns as they are written: categories, or plain texts for those in `plain`.

        Columns in `floats` may come as floats, where each of their cells is a number without doubt.
        """

    def spelled(self, spelling: Spelling) -> Self:
        """Return the same table, its words to be understood in another way."""
        return replace(self, spelling=spelling)

    def read(
        self,
        columns: Collection[str],
        *,
        numbers: Collection[str] = (),
        texts: Collection[str] = (),
        labels: Collection[str] = (),
        cut: Collection[str] = (),
        known: Mapping[str, Collection[str]] | None = None,
    ) -> pd.DataFrame:
        """Read some columns; what counts as missing comes as '' (NaN among numbers), and is said.

        Parameters
        ----------
        columns : their names; they come as categories, which few different texts in many rows are kept as best.
        numbers : those that are wanted as floats, NaN where missing.
        texts : ids and patients, which are never missing because of their spelling; they come as plain texts.
        labels : labels and answers, in which words such as 'None' stay; see `settle_labels`.
        cut : columns that are cut at numbers: those come as plain texts (1234.5 for 1.234,5), others as they are.
        known : by column, texts that are values whatever they read like.

        Raises
        ------
        TableError
            For texts among numbers, infinite numbers and a decimal mark that may be either, all in one message.
        """
        wanted = [c for c in self.columns if c in set(columns)]
        table = self.cells(wanted, floats=set(numbers), plain=set(texts))
        if not len(table):
            raise TableError(f"{self.name}: has no rows below its header.", fix="give a table with a header and rows")
        told, problems = Told(self.name), Problems(self.name)
        for column in wanted:
            if column in numbers:
                table[column] = self._numbers(table[column], column, told, problems)
            elif not is_text(table[column]):
                continue
            elif column in texts:
                table[column] = self.spelling.id(column, table[column], told)
            elif column in labels:
                table[column] = self.spelling.label(column, table[column], told)
            else:
                table[column] = self.spelling.column(column, table[column], told, known=(known or {}).get(column, ()))
                if column in cut:
                    table[column] = self._plain(table[column], column, problems)
        problems.raise_if_any()
        told.say()
        return table

    def mark(self, texts: Sequence[str], column: str = "", problems: Problems | None = None) -> Mark | None:
        """Decide the decimal mark of some cells: by themselves, else by the file.

        None where it may be either, which is then one of the problems of the column.
        """
        if self.spelling.decimal:
            return Mark(self.spelling.decimal)
        mark = mark_of(texts, self._marks if any(map(is_either, texts)) else set(), self.default_mark)
        if mark is None and problems is not None:
            example = next(t for t in texts if is_either(t))
            whole, decimal = example.replace(".", "").replace(",", ""), example.replace(",", ".")
            problems.add(f"{example} may be {whole} or {decimal}", column=column, fix=_WHICH_MARK)
        return mark

    @cached_property
    def _marks(self) -> set[Mark]:
        """Decimal marks that the columns of numbers prove: by the first rows, else by all."""
        found = self._marks_in(self.sample)
        if found or len(self.sample) < SAMPLE_ROWS:
            return found
        return self._marks_in(self.cells(self.columns, floats=(), plain=()))

    def _marks_in(self, table: pd.DataFrame) -> set[Mark]:
        found: set[Mark] = set()
        for column in table.columns:
            if is_text(table[column]):
                texts = [str(t) for t in table[column].unique() if not self.spelling.reads_missing(str(t))]
                found |= marks(texts) if looks_numeric(texts) else set()
        return found

    def _numbers(self, column: pd.Series, name: str, told: Told, problems: Problems) -> NDArray[np.float64]:
        if not is_text(column):
            array = pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan)
            self._tell(problems, name, np.isinf(array), lambda row: f"{array[row]:g} is infinite")
            return array
        spelled = self.spelling.column(name, column, told)
        codes, distinct = pd.factorize(spelled.astype(object))
        texts = ["" if t is None or t != t else str(t) for t in distinct]
        given = [t for t in texts if t]
        mark = self.mark(given, name, problems)
        if mark is None:
            return np.full(len(column), np.nan)
        if mark is Mark.COMMA and any("," in t or "." in t for t in given):
            say(f"{self.name}: the numbers in {name!r} have a decimal comma.")
        number = values(texts, mark)
        infinite = np.array([is_infinite(t) for t in texts], dtype=bool)
        wrong = np.isnan(number) & np.array([bool(t) for t in texts], dtype=bool)
        if wrong.any() and wrong.sum() == len(given) and len(given) > 1 and not infinite.any():
            problems.add(
                f"none of its {len(given)} different texts is a number ({', '.join(map(repr, given[:3]))})",
                column=name,
                fix="write the numbers alone, and the unit into the column's name"
                if looks_numeric(without_unit(given))
                else "name another column; its numbers are wanted here",
            )
        else:
            self._tell(
                problems,
                name,
                wrong[codes] & (codes >= 0),
                lambda row: (
                    f"{texts[codes[row]]!r} is {'infinite' if infinite[codes[row]] else 'no number'}"
                    f"{_other_mark(texts[codes[row]], mark)}"
                ),
            )
        return np.append(number, np.nan)[codes]

    def _plain(self, column: pd.Series, name: str, problems: Problems) -> pd.Series:
        """Write the numbers of a column as Python does."""
        texts = [t for t in column.astype(object).dropna().unique() if looks_numeric([t])]
        mark = self.mark(texts, name, problems)
        if mark is None:
            return column
        if mark is Mark.COMMA and any("," in t or "." in t for t in texts):
            say(f"{self.name}: the numbers in {name!r} have a decimal comma.")
        pairs = zip(texts, values(texts, mark), strict=True)
        # '1.045' looks plain and is 1045 where the column's decimal mark is a comma
        plain = {t: f"{v:.15g}" for t, v in pairs if not np.isnan(v) and not (_PLAIN.fullmatch(t) and float(t) == v)}
        if not plain:
            return column
        written = column.astype(object).map(lambda text: plain.get(text, text))
        return written.astype("category" if isinstance(column.dtype, pd.CategoricalDtype) else str)

    def _tell(self, problems: Problems, column: str, wrong: NDArray[np.bool_], what: _Sentence) -> None:
        rows = np.flatnonzero(wrong)
        for row in rows[:_EACH]:
            problems.add(
                what(int(row)), row=self.line(int(row)), column=column, fix="give a number, or leave the cell empty"
            )
        if len(rows) > _EACH:
            problems.add(f"{len(rows) - _EACH:,} more cells of this column are no numbers either", column=column)


_WHICH_MARK = "say what stands before the decimals: --decimal , or --decimal ."


def _other_mark(text: str, mark: Mark) -> str:
    other = Mark.COMMA if mark is Mark.POINT else Mark.POINT
    if np.isnan(values([text], other)[0]):
        return ""
    return f" beside numbers with a decimal {'point' if mark is Mark.POINT else 'comma'}"


def is_text(column: pd.Series) -> bool:
    """Whether a column holds texts, or categories that are texts."""
    values = column.dtype.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
    if pd.api.types.is_object_dtype(values.dtype):  # parquet may hold lists, too
        return pd.api.types.infer_dtype(values, skipna=True) in ("string", "empty")
    return bool(pd.api.types.is_string_dtype(values.dtype))
