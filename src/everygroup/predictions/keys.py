"""Keys to join two tables by: unique in the second, and what stands in both agrees on the joined rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.errors import PredictionsError
from everygroup.predictions._coding import categories, coded
from everygroup.predictions.columns import ID_NAMES, UNIT_NAMES, as_numbers, columns_are, normal
from everygroup.tables import Source


@dataclass(frozen=True)
class Key:
    """A way to join: a column of each table, and which rows of the second belong to those of the first.

    Attributes
    ----------
    ours, theirs : the columns.
    partner : (n,) row of the metadata, -1 where there is none.
    spelt : how ids were made equal; empty where they are so as they stand.
    differ : shared columns that disagree on the joined rows, with the share of rows in which they do.
    row_numbers : whether both columns only number the rows.
    apart : whether they do so from different starts, or in tables of different length.
    """

    ours: str
    theirs: str
    partner: NDArray[np.int64]
    spelt: str
    differ: dict[str, float]
    row_numbers: bool
    apart: bool = False

    @property
    def found(self) -> int:
        """Number of rows with a partner."""
        return int((self.partner >= 0).sum())

    @property
    def refuted(self) -> list[str]:
        """Shared columns that agree no better than those of any two rows would."""
        return [c for c, share in self.differ.items() if share > _TOO_MANY]

    @property
    def columns(self) -> str:
        """Both columns, for messages."""
        return repr(self.theirs) if self.ours == self.theirs else f"{self.theirs!r} = {self.ours!r}"


_TOO_MANY = 0.5
"""Share of disagreeing rows, relative to what rows joined at random would have, from which a key is no key."""


def keys_of(first: Source, second: Source, pairs: list[tuple[str, str]]) -> list[Key]:
    """The pairs of columns that can be joined by, up to the first that leaves nothing to wish for."""
    keys: list[Key] = []
    problems = []
    for ours, theirs in pairs:
        try:
            keys.append(_key(first, second, ours, theirs))
        except PredictionsError as error:
            problems.append(error)
            continue
        if not keys[-1].refuted and not keys[-1].row_numbers and keys[-1].found == len(keys[-1].partner):
            break
    if not keys:
        raise problems[0]
    return keys


def best(first: Source, second: Source, keys: list[Key], *, named: bool) -> Key:
    """The key that nothing contradicts, that is more than a row number, and that finds most rows."""
    good = [k for k in keys if not k.refuted and (named or not k.apart)]
    if not good or (named and keys[0].refuted):
        worst = keys[0]
        others = [k.columns for k in good if k is not worst]
        fix = (
            f"join by {others[0]} (--id-column {good[0].ours} --metadata-id {good[0].theirs})"
            if others
            else "name the right columns with --id-column and --metadata-id"
        )
        numbers = "both only number the rows" if worst.row_numbers else ""
        numbers += ", from different starts or in tables of different length" if worst.apart else ""
        differ = [
            f"{c!r}, which stands in both tables, differs in {worst.differ[c]:.0%} of the joined rows"
            for c in worst.refuted[:1]
        ]
        why = ", and ".join(filter(None, [numbers, *differ]))
        raise PredictionsError(f"{first.name} and {second.name} cannot be joined by {worst.columns}: {why}.", fix=fix)
    if named:
        return keys[0]
    # of keys that find (nearly) as many rows the likeliest name counts
    most = max(k.found for k in good)
    return next(
        (k for k in good if not k.row_numbers and k.found >= 0.9 * most),
        next(k for k in good if k.found >= 0.9 * most),
    )


def pairs_of(first: Source, second: Source, metadata_id: str | None, id: str | None) -> list[tuple[str, str]]:
    """Pairs of columns to join by, the likeliest first: of the same name, named like ids, or with ids in them."""
    if metadata_id is not None:
        if id is not None:
            return [(id, metadata_id)]
        theirs = [metadata_id]
    elif id is not None and id in second.columns:
        return [(id, id)]
    else:
        theirs = _id_like(second)
    ours = [id] if id is not None else _id_like(first)
    same = [(c, c) for c in theirs if c in first.columns and id is None]
    other = [(a, b) for b in theirs for a in ours if a != b and a in first.columns]
    if not same and not other:
        poor = first if not ours else second
        raise PredictionsError(
            f"{poor.name} has no column named like an id to join by.",
            fix=f"name it with {'--id-column' if poor is first else '--metadata-id'}; {columns_are(poor.columns)}",
        )
    return same + other[:_MOST_PAIRS]


_MOST_PAIRS = 12


def _id_like(source: Source) -> list[str]:
    """Columns that may identify a row: by name first, then those whose first values are all different texts."""
    names = {normal(c): c for c in reversed(source.columns)}
    found = [names[n] for n in (*ID_NAMES, *UNIT_NAMES) if n in names]
    for column in source.columns:
        values = source.sample[column].astype(str)
        decimals = values.str.fullmatch(r"[+-]?\d*[.,]\d+%?").mean() > 0.5
        if column not in found and values.is_unique and len(values) > 1 and not decimals:
            found.append(column)
    return found


SPELLINGS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("without leading zeros (007 is 7)", lambda k: k.lstrip("0") or "0" if k.isdigit() else k),
    ("in small letters and without blanks", lambda k: "".join(k.casefold().split())),
    (
        "without folders and the ending of the file name",
        lambda k: re.sub(r"\.[A-Za-z][A-Za-z0-9]{1,4}$", "", re.split(r"[\\/]", k)[-1]),
    ),
)


def _key(first: Source, second: Source, ours: str, theirs: str) -> Key:
    """Join by two columns, or say why that cannot be.

    Raises
    ------
    PredictionsError
        For ids that stand twice in the metadata, or of which none is in the other table.
    """
    code, keys = _keys(second, theirs)
    count = np.bincount(code[code >= 0], minlength=len(keys))
    if (count > 1).any():
        double = keys[int((count > 1).argmax())]
        raise PredictionsError(
            f"{second.name}: the id {double!r} stands in several rows of {theirs!r}.",
            fix="keep one row an id in the metadata, or name another column with --metadata-id",
        )
    row = np.full(len(keys), -1)
    row[code[code >= 0]] = np.flatnonzero(code >= 0)
    own_code, own_keys = _keys(first, ours)

    def partners(spelt: Callable[[str], str]) -> NDArray[np.int64] | None:
        theirs_by = {spelt(k): int(r) for k, r in zip(keys, row, strict=True)}
        if len(theirs_by) < len(keys) or len({spelt(k) for k in own_keys}) < len(own_keys):
            return None  # two ids would become one
        found = np.array([*(theirs_by.get(spelt(k), -1) for k in own_keys), -1], dtype=np.int64)
        return found[own_code]

    partner, how, ambiguous = partners(str), "", ""
    assert partner is not None
    for told, spelt in SPELLINGS:
        if (partner >= 0).all():
            break
        other = partners(spelt)
        if other is None:
            if not ambiguous and not (partner >= 0).any() and {spelt(k) for k in keys} & {spelt(k) for k in own_keys}:
                ambiguous = f" They would be equal {told}, but different ids would then be one."
        elif (other >= 0).sum() > (partner >= 0).sum():
            partner, how = other, told
    if (partner < 0).all():
        raise PredictionsError(
            f"No id of {first.name} ({ours!r}: {_first(own_keys)}) is in {second.name} ({theirs!r}: {_first(keys)})."
            f"{ambiguous}",
            fix="write ids in one way, or name the matching columns with --id-column and --metadata-id",
        )
    numbers = numbers_rows(first, ours) and numbers_rows(second, theirs)
    apart = numbers and (len(own_code) != len(code) or not (partner == np.arange(len(partner))).all())
    return Key(ours, theirs, partner, how, _differing(first, second, partner, {ours, theirs}), numbers, apart)


def _keys(source: Source, column: str) -> tuple[NDArray[np.int64], list[str]]:
    """(n,) codes and different ids of a column, -1 where it is empty; 7.0 is 7."""
    codes, distinct = coded(source.read([column], texts=[column])[column])
    texts = [
        re.sub(r"\.0+$", "", t) if re.fullmatch(r"-?\d+\.0+", t) else t for t in (str(v).strip() for v in distinct)
    ]
    names = sorted(set(texts) - {""})
    position = {name: i for i, name in enumerate(names)} | {"": -1}
    return np.array([*(position[t] for t in texts), -1], dtype=np.int64)[codes], names


def numbers_rows(source: Source, column: str) -> bool:
    """Whether a column only numbers the rows, from 0 or 1."""
    values = pd.to_numeric(source.read([column], texts=[column])[column].astype(str), errors="coerce").to_numpy(float)
    return bool(values.size > 1 and values[0] in (0, 1) and (np.diff(values) == 1).all())


def _differing(first: Source, second: Source, partner: NDArray[np.int64], key: set[str]) -> dict[str, float]:
    """By shared column, the share of the joined rows that differ, relative to rows joined at random (1: no better)."""
    shared = [c for c in second.columns if c in first.columns and c not in key]
    shared = [c for c in shared if not numbers_rows(first, c) and not numbers_rows(second, c)]
    found, differ = np.flatnonzero(partner >= 0), {}
    if not shared or not found.size:
        return {}
    a, b = first.read(shared, labels=shared), second.read(shared, labels=shared)
    for column in shared:
        code_a, names_a = categories(a[column])
        code_b, names_b = categories(b[column])
        if not set(names_a) & set(names_b):
            continue  # another coding
        place = {k: i for i, k in enumerate(names_a)}
        lookup = np.array([*(place.get(k, len(names_a) + i) for i, k in enumerate(names_b)), -1])
        left, right = code_a[found], lookup[code_b[partner[found]]]
        both = (left >= 0) & (right >= 0)
        if not both.any():
            continue
        left, right = left[both], right[both]
        values_a, values_b = (as_numbers(pd.Series([*names_a, *names_b], dtype=object))[v] for v in (left, right))
        if np.ptp(values_a) > 0 and np.ptp(values_b) > 0:  # 45.2 and 45 do not contradict each other
            close = float(np.corrcoef(values_a, values_b)[0, 1])
            if close < 0.9:
                differ[column] = 1.0 - max(close, 0.0)
            continue
        size = int(max(left.max(), right.max())) + 1
        agree = float(np.bincount(left, minlength=size) @ np.bincount(right, minlength=size)) / left.size**2
        share = float((left != right).mean())
        if agree < 1 - 1e-9 and share > 0:
            differ[column] = min(1.0, share / (1 - agree))
    return differ


def _first(keys: list[str]) -> str:
    return next(map(repr, keys), "empty")
