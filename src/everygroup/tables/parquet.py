"""Parquet files: the types they record are kept, and their texts are read like those of any other table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from everygroup.errors import TableError
from everygroup.tables.delimited import header
from everygroup.tables.missing import Spelling
from everygroup.tables.problems import Problems
from everygroup.tables.source import SAMPLE_ROWS, Source


@dataclass(frozen=True)
class Parquet(Source):
    """A parquet file."""

    def line(self, row: int) -> int:
        """The row itself, counted from 1: there is no header."""
        return row + 1

    def cells(self, columns: Sequence[str], *, floats: Collection[str], plain: Collection[str]) -> pd.DataFrame:
        """Read some columns; see `Source.cells`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(self.path, columns=list(columns))
            texts = [f.name for f in table.schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
            return table.to_pandas(
                categories=[c for c in texts if c not in plain and c not in floats], ignore_metadata=True
            )
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error


def open_parquet(path: Path, spelling: Spelling) -> Parquet:
    """Look at a parquet file.

    Raises
    ------
    TableError
        If pyarrow is not installed, or the file cannot be read or names a column twice.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise TableError(
            f"Reading {path.name} needs pyarrow.", fix="pip install 'everygroup[parquet]', or save the table as CSV"
        ) from None
    try:
        file = pq.ParquetFile(path)
        columns = tuple(file.schema_arrow.names)
        problems = Problems(path.name)
        header(columns, problems, 1)
        problems.raise_if_any()
        batch = next(file.iter_batches(batch_size=SAMPLE_ROWS), None)
        sample = file.schema_arrow.empty_table() if batch is None else pa.Table.from_batches([batch])
        frame = sample.to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    return Parquet(path, columns, frame.astype(object).where(frame.notna(), "").astype(str), spelling)


def _unreadable(path: Path, error: Exception) -> TableError:
    return TableError(f"Cannot read {path.name}: {error}", fix="give an intact parquet file")
