"""Texts that a spreadsheet would run as formulas are written with an apostrophe in front, and read back without."""

from __future__ import annotations

import re

import pandas as pd

_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")


def guard(text: str) -> str:
    """Return the text with an apostrophe in front if it starts a formula; plain numbers such as -1 are left alone.

    A text that already looks guarded gets one more, so that `unguard` gives back exactly what was written.
    """
    bare = text.lstrip("'")
    return f"'{text}" if _FORMULA.match(bare) and not _NUMBER.match(text) else text


def unguard(text: str) -> str:
    """Undo `guard`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text.lstrip("'")) else text


def guarded(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its texts and its column names guarded; numbers are untouched."""
    changed = {}
    for name in table.columns:
        column = table[name]
        if not (pd.api.types.is_string_dtype(column.dtype) or column.dtype == object):
            continue
        risky = column.str.match(r"'*[=+\-@\t\r]").fillna(False).to_numpy(dtype=bool)
        if risky.any():
            texts = column.to_numpy(dtype=object, copy=True)
            texts[risky] = [guard(t) for t in texts[risky]]
            changed[name] = pd.Series(texts, index=table.index, dtype=str)
    return table.assign(**changed).rename(columns=lambda name: guard(str(name)))
