"""A whole table as a data frame with types: whole numbers, numbers, yes and no, texts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from everygroup.console import say
from everygroup.tables.missing import Spelling, Told, settle_labels
from everygroup.tables.numbers import Mark, values
from everygroup.tables.opening import open_table
from everygroup.tables.problems import Problems
from everygroup.tables.source import Source, is_text

ID_NAMES = (
    "image_id",
    "img_id",
    "id",
    "image",
    "file",
    "filename",
    "file_name",
    "filepath",
    "path",
    "isic_id",
    "md5hash",
    "image index",
    "imageid",
    "dicom_id",
    "ddi_file",
    "name",
)
_WHOLE = re.compile(r"[+-]?(0|[1-9]\d{0,17})")
_CODE = re.compile(r"0\d+")  # 007 is a code, and no number
_BOOLEAN = {"true": True, "false": False}


def read_table(
    path: Path | str,
    *,
    text_columns: Iterable[str] = (),
    numbers: Collection[str] = (),
    cut: Collection[str] = (),
    label: str | None = None,
    classes: Iterable[str] = (),
    known: Mapping[str, Collection[str]] | None = None,
    spelling: Spelling | None = None,
) -> pd.DataFrame:
    """Read a table of any kind; see `open_table`.

    Parameters
    ----------
    path : the file.
    text_columns : ids, besides the columns that are named like one: '007' keeps its zeros, 'NA' is an id.
    numbers : columns that hold nothing else; any other text is a problem.
    cut : columns that are cut at numbers, where a decimal mark that may be either is an error.
    label : a column in which words for missing are not dropped without being asked for; see `settle_labels`.
    classes : names that are classes whatever they read like.
    known : by column, texts that are values whatever they read like.
    spelling : which words are missing values, and which spellings mean one thing.

    Returns
    -------
    DataFrame
        Integers where a column holds nothing else, floats, booleans, else texts; NaN where missing.

    Raises
    ------
    TableError
        If the file cannot be read or is no table, with all its problems.
    """
    source = open_table(path, spelling)
    wanted = set(text_columns)
    texts = [c for c in source.columns if c in wanted or c.lower() in ID_NAMES]
    labels = [label] if label in source.columns and label not in texts else []
    table = source.read(
        source.columns,
        numbers=[c for c in numbers if c in source.columns],
        texts=texts,
        labels=labels,
        cut=[c for c in cut if c not in texts],
        known=known,
    )
    problems = Problems(str(path))
    settle_labels(table, labels, classes, source.spelling, problems)
    problems.raise_if_any()
    return pd.DataFrame({c: _typed(source, table[c], c, is_text=c in texts) for c in table.columns}, copy=False)


def apply_spelling(
    table: pd.DataFrame, spelling: Spelling, name: str, *, ids: Collection[str] = (), label: str | None = None
) -> pd.DataFrame:
    """Return a table that was read elsewhere (from DICOM files), its texts understood like those of any other.

    Parameters
    ----------
    name : of the file or folder, for what is said.
    ids : columns that are never missing because of their spelling.
    label : as in `read_table`.
    """
    told, problems = Told(name), Problems(name)
    changed = {}
    for column in (c for c in table.columns if c not in ids and is_text(table[c])):
        spell = spelling.label if column == label else spelling.column
        changed[column] = spell(column, table[column], told).replace("", np.nan)
    table = table.assign(**changed)
    settle_labels(table, [c for c in changed if c == label], (), spelling, problems)
    problems.raise_if_any()
    told.say()
    return table


def _typed(source: Source, column: pd.Series, name: str, *, is_text: bool) -> pd.Series:
    """Give a column of texts the type that all its cells have; parquet's own types stay."""
    if column.dtype.kind in "iufbM":
        return column
    codes, distinct = pd.factorize(column.astype(object))
    texts = ["" if t is None or t != t else str(t) for t in distinct]
    given = [t for t in texts if t]
    if not is_text and given:
        if all(_WHOLE.fullmatch(t) for t in given):
            return _taken([np.nan if not t else int(t) for t in texts], codes, column)
        if all(t.casefold() in _BOOLEAN for t in given):
            return _taken([_BOOLEAN.get(t.casefold(), np.nan) for t in texts], codes, column)
        if not any(_CODE.fullmatch(t) for t in given):
            mark = source.mark(given)
            number = values(texts, mark or Mark.POINT)
            if mark is not None and not np.isnan(number[[bool(t) for t in texts]]).any():
                if mark is Mark.COMMA:
                    say(f"{source.name}: the numbers in {name!r} have a decimal comma.")
                return _taken(number.tolist(), codes, column)
    missing = pd.Series([t or np.nan for t in texts] + [np.nan], dtype=object)
    return pd.Series(missing.to_numpy()[codes], index=column.index, dtype=str)


def _taken(distinct: list[object], codes: np.ndarray, column: pd.Series) -> pd.Series:
    return pd.Series(pd.Series([*distinct, np.nan] if (codes < 0).any() else distinct).to_numpy()[codes], column.index)
