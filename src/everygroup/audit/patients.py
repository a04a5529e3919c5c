"""What to heed about the patients of a table: a column that looks like them but is not used, and values that change."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from everygroup.audit.flags import Flag
from everygroup.predictions.metadata import Joined
from everygroup.predictions.table_reading import NO_CLUSTER, TableReading
from everygroup.tables.identifiers import changing, patient_column, stable_columns


def patient_flags(source: Joined, asked: TableReading, columns: Mapping[str, str]) -> list[Flag]:
    """Return what is to be heeded about patients.

    Parameters
    ----------
    source, asked : the table and how it was read.
    columns : the columns that were found, by what they hold ('patient', 'label', 'scores' and so on).
    """
    if patient := columns.get("patient"):
        table = source.read({patient, *stable_columns(source.sample)}, texts=[patient])
        known = (table[patient].astype(str).str.strip() != "").to_numpy(dtype=bool)
        table = table[known].reset_index(drop=True)
        stable = [c for c in stable_columns(table) if c != patient]
        return [Flag("caution", text) for text in changing(table, table[patient].astype(str).to_numpy(), stable)]
    if asked.cluster == NO_CLUSTER:
        return []
    taken = {part.strip() for found in columns.values() for part in str(found).split(",")} | asked.named
    telling = [c for c in source.columns if c in source.sample and _may_tell(source.sample[c])]
    found = patient_column(source.read(telling, texts=telling), taken)
    if found is None:
        return []
    said = str(found)
    text = (
        f"{said[0].upper()}{said[1:]}: rows of one patient are not independent, so that intervals are too narrow and "
        f"p-values too small; name it with --cluster {found.name}, or say --cluster {NO_CLUSTER}."
    )
    return [Flag("caution", text)]


def _may_tell(sample: pd.Series) -> bool:
    """Whether a column may be the patient, or an attribute of one: no scores, nothing constant."""
    fractions = sample.astype(str).str.fullmatch(r"[+-]?\d*[.,]\d+(?:[eE][+-]?\d+)?")
    return len(sample.unique()) > 1 and 2 * int(fractions.sum()) <= len(sample)
