"""Values of any kind as codes and few distinct texts, without a Python loop over rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.cohort.groups import as_category, natural_key
from everygroup.errors import PredictionsError

Index = NDArray[np.int64]

_MIXED = frozenset({"mixed", "mixed-integer", "bytes", "complex"})


def one_column(word: str, values: Any, n: int | None = None) -> Any:
    """Return values as one column (array, Series or Categorical) of n entries.

    Raises
    ------
    PredictionsError
        If they are ragged, of another shape or of another length.
    """
    if not isinstance(values, (np.ndarray, pd.Series, pd.Index, pd.api.extensions.ExtensionArray)):
        try:
            listed = values if isinstance(values, (list, tuple)) or hasattr(values, "__array__") else list(values)
            array = np.asarray(listed)
            # numpy would turn [1, None, 'a'] into texts of one width and [40, 'x'] into '40': keep what was given
            values = np.asarray(listed, dtype=object) if array.dtype.kind in "USO" else array
        except (TypeError, ValueError) as error:
            raise PredictionsError(f"{word} is no column of values ({error}).", fix="give one value a sample") from None
    shape = tuple(values.shape)
    if len(shape) != 1 or (n is not None and shape != (n,)):
        count = "" if n is None else f" but there are {n} samples"
        raise PredictionsError(f"{word} has shape {shape}{count}.", fix="give one value a sample")
    return values


def coded(values: Any) -> tuple[Index, list[Any]]:
    """Return (n,) codes and the distinct values; -1 where there is no value."""
    if isinstance(values, (pd.Series, pd.Index)):
        values = values.array
    if isinstance(values, pd.Categorical):
        used = values.remove_unused_categories()
        return used.codes.astype(np.int64), used.categories.tolist()
    if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) in _MIXED:
        values = _as_texts(values)  # 1, 1.0 and True would be one value to a hash table
    try:
        codes, distinct = pd.factorize(values)
    except TypeError:  # lists and the like cannot be hashed at all
        codes, distinct = pd.factorize(_as_texts(values))
    return codes.astype(np.int64), list(distinct.tolist())


def _as_texts(values: Iterable[Any]) -> NDArray[Any]:
    return np.asarray([None if as_category(v) is None else str(v) for v in values], dtype=object)


def spread(texts: Sequence[str], codes: Index) -> pd.Series:
    """Return the text of every code as a column; '' for -1."""
    array = pd.Series([*texts, ""], dtype=str).array
    return pd.Series(array.take(np.where(codes < 0, len(texts), codes)))


def categories(values: Any) -> tuple[Index, list[str]]:
    """Return (n,) codes and the categories ('3' for 3.0), -1 where the value is missing; see `as_category`."""
    codes, distinct = coded(values)
    texts = [as_category(v) for v in distinct]
    names = sorted({t for t in texts if t is not None})
    position = {name: i for i, name in enumerate(names)}
    lookup = np.array([*(-1 if t is None else position[t] for t in texts), -1], dtype=np.int64)
    return lookup[codes], names


def text_column(word: str, values: Any, n: int) -> pd.Series:
    """Return values as a column of texts, '' for what is missing."""
    if isinstance(values, str):
        return spread([values], np.zeros(n, dtype=np.int64))
    values = one_column(word, values, None)
    if len(values) != n:
        raise PredictionsError(f"{n} samples but {len(values)} values of {word}.", fix="give one value a sample")
    plain = _plain_texts(values)
    if plain is not None:
        return plain
    codes, distinct = coded(values)
    return spread([str(v) for v in distinct], codes)


def _plain_texts(values: Any) -> pd.Series | None:
    """Return whole numbers and texts as a column at once: ids are all different, and coding them would be slow."""
    if not isinstance(values.dtype, np.dtype) and not pd.api.types.is_string_dtype(values.dtype):
        return None
    kind = values.dtype.kind
    if kind in "iu":
        return pd.Series(values).reset_index(drop=True).astype(str)
    if kind == "U" or (kind == "O" and pd.api.types.infer_dtype(values, skipna=True) == "string"):
        return pd.Series(np.asarray(values, dtype=object), dtype=str).fillna("")
    return None


def category_column(word: str, values: Any, n: int) -> pd.Series:
    """Return values as a column of categories, '' for what is missing."""
    codes, names = categories(one_column(word, values, n))
    return spread(names, codes)


def unit_column(ids: pd.Series, units: ArrayLike | None) -> pd.Series:
    """Return the patient or lesion of every sample; one that is missing is a unit of its own, as in a cohort."""
    column = ids
    if units is not None:
        values = one_column("units", units)
        if len(values) != len(ids):
            raise PredictionsError(f"{len(ids)} samples but {len(values)} values of units.", fix="one value a sample")
        plain = _plain_texts(values)
        if plain is None:
            codes, distinct = coded(values)
            plain = spread(["" if as_category(v) is None else str(v) for v in distinct], codes)
        elif values.dtype.kind not in "iu":
            plain = plain.mask(plain.str.strip() == "", "")
        column = plain
    unknown = (column == "").to_numpy(dtype=bool)
    if not unknown.any():
        return column
    rows = np.flatnonzero(unknown)
    names = [f"no unit: {i or f'row {row + 1}'}" for row, i in zip(rows.tolist(), ids.iloc[rows], strict=True)]
    filled = column.to_numpy(dtype=object, copy=True)
    filled[rows] = names
    return pd.Series(filled, dtype=str)


def positions(column: pd.Series, names: Sequence[str]) -> Index:
    """Return the position of every text in `names`, -1 where it is none of them."""
    codes, distinct = coded(column)
    position = {name: i for i, name in enumerate(names)}
    return np.array([*(position.get(v, -1) for v in distinct), -1], dtype=np.int64)[codes]


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return class names in order: as numbers where all are (-1 before 1), else naturally (2 before 10)."""
    found = list(names)
    try:
        return tuple(sorted(found, key=float))
    except ValueError:
        return tuple(sorted(found, key=natural_key))


def group_order(name: str) -> tuple[Any, ...]:
    """Sort key of group names: bins by their lower end ('<=40', '(40,60]', '>60'), everything else naturally."""
    if name.startswith(("<=", "(", ">")):
        try:
            lower = float(name.strip("<=>(]").split(",")[0])
        except ValueError:
            lower = np.nan
        if np.isfinite(lower):
            return ({"<": 0, "(": 1, ">": 2}[name[0]], lower, ())
    return (3, 0.0, natural_key(name))


def attribute_of(column: pd.Series) -> tuple[tuple[str, ...], Index]:
    """Names, in order, and index (n,) of a column of groups; -1 where it is ''."""
    codes, distinct = coded(column)
    names = tuple(sorted((v for v in distinct if v), key=group_order))
    position = {v: i for i, v in enumerate(names)}
    return names, np.array([*(position.get(v, -1) for v in distinct), -1], dtype=np.int64)[codes]
