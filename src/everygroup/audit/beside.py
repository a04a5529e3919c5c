"""What may stand beside the audited rows in files of their own: embeddings, and rows to calibrate on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from everygroup.audit.chosen import Both
from everygroup.audit.flags import Flag
from everygroup.audit.kinds import Table
from everygroup.audit.leaks import leak_flags
from everygroup.console import detail
from everygroup.errors import PredictionsError
from everygroup.predictions import Predictions
from everygroup.predictions.audit_options import AuditOptions
from everygroup.predictions.features import read_features
from everygroup.predictions.metadata import Joined
from everygroup.predictions.reading import read_classes
from everygroup.predictions.splits import has_role
from everygroup.predictions.table_reading import NO_CLUSTER, TableReading

ROW = "row of the table"
"""Column that says where in its table a row stands."""


def numbered(rows: Predictions) -> Predictions:
    """Return rows with where they stand, which parts of them then keep."""
    return rows.with_columns({ROW: np.arange(len(rows))})


def beside(
    how: AuditOptions, rows: Both, table: Table, source: Joined, asked: TableReading
) -> tuple[dict[str, Any], list[Flag]]:
    """What is given to the audit of the rows from the files that are named, and what to heed about them.

    Parameters
    ----------
    how, asked : the options; rows : those that are audited, a part of `table.rows`, which were read from `source`.

    Raises
    ------
    PredictionsError, TableError
        For files that do not fit the rows.
    """
    found: dict[str, Any] = {}
    heed: list[Flag] = []
    if isinstance(rows, Predictions) and how.embeddings is not None:
        features = read_features(
            how.embeddings, id_column=table.columns.get("sample id"), taken=source.columns, spelling=asked.spelling
        )
        position = rows.table[ROW].to_numpy(np.int64)
        found["embeddings"] = features.of(rows, position, len(table.rows), source.name)
    if isinstance(rows, Predictions) and how.calibration is not None:
        found["calibration"], heed = calibration_of(Path(how.calibration), rows, asked)
    return found, heed


def calibration_of(path: Path, rows: Predictions, asked: TableReading) -> tuple[Predictions, list[Flag]]:
    """Rows of the same model to calibrate on, from a file, and what to heed about them.

    Raises
    ------
    PredictionsError
        If there are no scores, or the file lacks an attribute.
    """
    source = asked.open_baseline(path)
    if asked.metadata is not None and set(asked.attributes) - set(source.columns):
        source = asked.open(path)
    unit = asked.cluster if asked.cluster in (*source.columns, NO_CLUSTER) else None
    reading = asked.but(classes=rows.classes, positive=None, beside=(), cluster=unit)
    found = read_classes(source, reading)[0]
    if not (rows.has_scores and found.has_scores):
        whose = source.name if rows.has_scores else "the audited table"
        raise PredictionsError(
            f"--calibration needs scores in both tables, and {whose} has none.", fix="name them with --y-score"
        )
    role = {name: has_role(found.table["split"], name) for name in ("validation", "train")}
    if role["validation"].any() and not role["validation"].all():
        found, chosen = found.where(role["validation"]), int(role["validation"].sum())
        detail(source.name, f"its {chosen:,} validation rows calibrate.", f"{chosen:,} validation rows calibrate")
        role["train"] = np.zeros(chosen, dtype=bool)
    heed = leak_flags(rows, found, f"{source.name}, which calibrates the prediction sets,")
    if (n := int(role["train"].sum())) > 0:
        text = (
            f"{source.name}: {n:,} of {len(found):,} rows to calibrate on are training samples, of which the model "
            "is too sure: the coverage of its prediction sets will seem too low."
        )
        heed.append(Flag("caution", text))
    return found, heed
