"""Features of samples from a file (a network's embeddings), laid beside the rows of a table by id."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.console import detail, warn
from everygroup.errors import EverygroupError, PredictionsError
from everygroup.imaging.arrays import open_hdf5
from everygroup.predictions.columns import ID_NAMES, columns_are, listed, named_like
from everygroup.predictions.keys import SPELLINGS, numbers_rows
from everygroup.predictions.predictions import Predictions
from everygroup.tables import Source, Spelling, open_table
from everygroup.tables.numbers import looks_numeric

ARRAYS = (".npy", ".npz", ".hdf5", ".h5")
_IDS, _FEATURES = "ids", ("features", "embeddings", "x")
_BESIDE = (".ids.txt", ".ids.csv", ".csv", ".txt")
_HOW_TO = "np.savez(FILE, ids=np.array(ids, dtype=str), features=features)"


@dataclass(frozen=True)
class Features:
    """Features of m samples.

    Attributes
    ----------
    name : of the file.
    values : (m, d) floats, all of them finite.
    ids : (m,) texts, each once; None where the file has none.
    """

    name: str
    values: NDArray[np.float64]
    ids: NDArray[Any] | None = None

    def of(self, rows: Predictions, position: NDArray[np.int64], n: int, table: str) -> NDArray[np.float64]:
        """Return the features (len(rows), d) of some rows: by id, or by row where the file has no ids.

        Parameters
        ----------
        rows : samples of a table of n rows; position : where in it they stand; table : its name.

        Raises
        ------
        PredictionsError
            If a sample has none, or there are no ids on one side and another number of rows.
        """
        if self.ids is None:
            if len(self.values) != n:
                raise PredictionsError(
                    f"{self.name} has no ids and {len(self.values):,} rows, but {table} has {n:,}.",
                    fix=f"give ids, as in {_HOW_TO}, or the features of every row of {table} in its order",
                )
            told = f"without ids: its {n:,} rows are taken in the order of {table}"
            detail(self.name, f"{told}.", told)
            return self.values[position]
        if not rows.has_ids:
            raise PredictionsError(
                f"{self.name} has ids, and no column identifies the rows of {table}.",
                fix="name that column with --id-column",
            )
        partner = self.partners(rows.ids)
        lost = np.flatnonzero(partner < 0)
        if lost.size:
            raise PredictionsError(
                f"{self.name}: {lost.size:,} of the {len(rows):,} audited samples have no features, the first is "
                f"{rows.ids[lost[0]]!r} (ids there: {listed([str(v) for v in self.ids[:3]])}, ...).",
                fix="add them, or write the ids as in the table of predictions",
            )
        return self.values[partner]

    def partners(self, ids: NDArray[Any]) -> NDArray[np.int64]:
        """(n,) row of every id, -1 where there is none; spelt otherwise only where no two ids become one."""
        assert self.ids is not None
        found, how = pd.Index(self.ids.astype(str)).get_indexer(pd.Index(ids.astype(str))), ""
        for told, spelt in SPELLINGS:
            if (found >= 0).all():
                break
            theirs, ours = ([spelt(str(v)) for v in side] for side in (self.ids, ids))
            if len(set(theirs)) == len(theirs) and len(set(ours)) == len(set(ids)):
                other = pd.Index(theirs).get_indexer(pd.Index(ours))
                if (other >= 0).sum() > (found >= 0).sum():
                    found, how = other, told
        if how:
            warn(f"{self.name}: its ids and those of the predictions are equal only {how}; they are joined so.")
        return found.astype(np.int64)


def read_features(
    path: Path | str, *, id_column: str | None = None, taken: Collection[str] = (), spelling: Spelling | None = None
) -> Features:
    """Read features of samples.

    Parameters
    ----------
    path : .npy of (m, d) numbers, with their ids in NAME.ids.txt, NAME.txt or NAME.csv beside it; .npz or HDF5 with
        `features` (or `embeddings`, `x`, the only matrix, or NAME of FILE#NAME), and `ids` beside them; or a table
        (CSV, parquet, xlsx) with a column of ids and a column for every feature, of parquet also one of lists. Pickled
        arrays are refused: reading them could run code.
    id_column : the column of ids in a table, if it has one of that name; else one that is named like ids.
    taken : columns that are no features, such as the label and the attributes of the table of predictions.
    spelling : of the table.

    Raises
    ------
    PredictionsError, TableError
        For a file that cannot be read, holds no matrix of finite numbers, or names an id twice.
    """
    path, array = file_and_name(path)
    ids, values = _arrays(path, array) if path.suffix.lower() in ARRAYS else _columns(path, id_column, taken, spelling)
    if values.ndim != 2 or values.dtype.kind not in "fiub" or not values.size:
        raise PredictionsError(
            f"{path.name}: the features have shape {values.shape} and type {values.dtype}.",
            fix="give one row a sample and one column a feature, such as a network's pooled last layer",
        )
    values = values.astype(np.float64)
    if ids is not None and ids.shape == (len(values),):
        ids = np.array([str(v).strip() for v in ids.tolist()], dtype=object)
    if wrong := list(_faults(values, ids)):
        raise PredictionsError(
            f"{path.name}: {'; '.join(wrong)}.", fix="mend these samples or leave them out, and give one id a row"
        )
    return Features(path.name, values, ids)


def _faults(values: NDArray[np.float64], ids: NDArray[Any] | None) -> Iterator[str]:
    """Say everything that is wrong with features and their ids; samples are counted from 1."""
    finite = np.isfinite(values)
    if not (whole := finite.all(axis=1)).all():
        at = int(whole.argmin())
        told = "missing" if np.isnan(values[at]).any() else "infinite"
        yield (
            f"{int((~whole).sum()):,} rows hold values that are missing or infinite, the first is row {at + 1} of the "
            f"samples (value {int(finite[at].argmin()) + 1} is {told})"
        )
    large = finite & (np.abs(np.where(finite, values, 0)) > np.finfo(np.float32).max)
    if large.any():
        at, column = (int(i[0]) for i in np.nonzero(large))
        yield (
            f"{int(large.any(axis=1).sum()):,} rows hold values too large for 32 bits, the first is row {at + 1} "
            f"({values[at, column]:.3g})"
        )
    if ids is None:
        return
    if ids.shape != (len(values),):
        yield f"{len(values)} rows of features, but ids of shape {ids.shape}"
        return
    if (empty := np.array([v in ("", "nan", "None") for v in ids])).any():
        yield f"{int(empty.sum()):,} rows have no id, the first is row {int(empty.argmax()) + 1}"
    if (double := pd.Index(ids).duplicated() & ~empty).any():
        yield (
            f"the id {ids[double.argmax()]!r} stands in several rows ({int(double.sum()):,} rows repeat one, the first "
            f"is row {int(double.argmax()) + 1})"
        )


def file_and_name(path: Path | str) -> tuple[Path, str]:
    """Split FILE#NAME, one array of a file of several; the name is "" where none is given."""
    file, mark, name = str(path).rpartition("#")
    return (Path(file), name) if mark and not Path(path).exists() else (Path(path), "")


def _held(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file by name."""
    if path.suffix.lower() in (".hdf5", ".h5"):
        if not path.exists():
            raise FileNotFoundError
        with open_hdf5(path) as held:
            arrays = {str(name): np.asarray(held[name][()]) for name in held if hasattr(held[name], "shape")}
        return {k: np.array([t.decode() for t in v]) if v.dtype.kind in "SO" else v for k, v in arrays.items()}
    with path.open("rb") as stream:
        found = np.load(stream, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            return {name: found[name] for name in found.files}
    beside = [file for ending in _BESIDE if (file := path.with_name(path.stem + ending)).exists()]
    return {_FEATURES[0]: found} | ({_IDS: _ids_of(beside[0])} if beside else {})


def _ids_of(path: Path) -> NDArray[Any]:
    """Return the ids in a file beside an .npy: one a line, or the column of a table that is named like ids."""
    if path.suffix == ".txt":
        return np.array(path.read_text(encoding="utf-8").splitlines(), dtype=str)
    source = open_table(path)
    column = named_like(source.columns, ID_NAMES, set()) or source.columns[0]
    return source.read([column], texts=[column])[column].astype(str).to_numpy(dtype=object)


def _arrays(path: Path, name: str) -> tuple[NDArray[Any] | None, NDArray[Any]]:
    try:
        held = _held(path)
    except FileNotFoundError:
        raise PredictionsError(f"No file {path}: there is no such file.", fix="check the path") from None
    except ValueError as error:
        pickled = "pickle" in str(error).lower()
        raise PredictionsError(
            f"{path.name}: {'holds pickled objects, which could run code when read' if pickled else error}.",
            fix=f"save numbers and texts alone: {_HOW_TO}",
        ) from None
    except EverygroupError:
        raise
    except Exception as error:  # zipfile and numpy raise many kinds
        raise PredictionsError(f"{path.name}: cannot be read ({error}).", fix=f"write it with {_HOW_TO}") from None
    matrices = [name for name, array in held.items() if array.ndim == 2 and array.dtype.kind in "fiu"]
    if name and name not in matrices:
        raise PredictionsError(f"{path.name} holds no matrix {name!r}.", fix=f"name one of {listed(matrices)}")
    called = [n for n in _FEATURES if n in held]
    candidates = [n for n in called if n in matrices] or matrices
    if not name and len(candidates) > 1:
        raise PredictionsError(
            f"{path.name} holds several matrices that may be the features: {listed(candidates)}.",
            fix=f"name one, as in {path.name}#{candidates[0]}",
        )
    name = name or "".join(candidates or called[:1])
    if not name:
        raise PredictionsError(
            f"{path.name} holds {listed(list(held)) or 'nothing'}, and no matrix called {_FEATURES[0]!r}.",
            fix=f"write it with {_HOW_TO}",
        )
    return held.get(_IDS), held[name]


def _list_column(path: Path, id_column: str | None) -> tuple[NDArray[Any] | None, NDArray[Any]] | None:
    """Return ids and vectors of a parquet file that has one column of lists; None where it has none."""
    from pyarrow import parquet, types

    try:
        schema = parquet.read_schema(path)
    except Exception:  # not to be read: the table's reader says why
        return None
    lists = [f.name for f in schema if types.is_list(f.type) or types.is_fixed_size_list(f.type)]
    if len(lists) != 1:
        return None
    table = parquet.read_table(path)
    id = id_column if id_column in schema.names else named_like(schema.names, ID_NAMES, set())
    rows = table[lists[0]].to_pylist()
    lengths = {len(row) for row in rows if row is not None}
    if len(lengths) != 1 or any(row is None for row in rows):
        raise PredictionsError(
            f"{path.name}: the lists in column {lists[0]!r} are of {len(lengths)} lengths, or missing.",
            fix="give one vector of the same length a row",
        )
    values = np.array(rows, dtype=np.float64)
    return (np.array(table[id].to_pylist(), dtype=object) if id else None), values


def _columns(
    path: Path, id_column: str | None, taken: Collection[str], spelling: Spelling | None
) -> tuple[NDArray[Any] | None, NDArray[Any]]:
    if path.suffix.lower() == ".parquet" and (found := _list_column(path, id_column)) is not None:
        return found
    source: Source = open_table(path, spelling)
    id = id_column if id_column in source.columns else named_like(source.columns, ID_NAMES, set())
    numeric = [c for c in source.columns if c != id and _is_numeric(source, c)]
    order = [c for c in numeric if numbers_rows(source, c)]
    features = [c for c in numeric if c not in order and c not in taken]
    if not features:
        raise PredictionsError(
            f"{source.name}: no column of numbers is left for the features.",
            fix=f"give a column for every feature; {columns_are(source.columns)}",
        )
    left = [c for c in source.columns if c != id and c not in features]
    told = f"{len(features)} features" + (f", none of them {listed(left)}" if left else "")
    detail(source.name, f"{told}; ids: {repr(id) if id else 'none'}; features: {listed(features)}.", told)
    table = source.read([*features, *([id] if id else [])], numbers=features, texts=[id] if id else [])
    return (table[id].astype(str).to_numpy(dtype=object) if id else None), table[features].to_numpy(np.float64)


def _is_numeric(source: Source, column: str) -> bool:
    texts = [str(t) for t in source.sample[column].unique()]
    return looks_numeric([t for t in texts if not source.spelling.reads_missing(t)])
