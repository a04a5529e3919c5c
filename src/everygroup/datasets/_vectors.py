"""Read a table whose samples are vectors: features of any network, in a file, joined by id."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from everygroup.cohort import Cohort
from everygroup.console import say, warn
from everygroup.datasets._samples import Request, checked_rows, limited_rows, read_rows, with_attributes
from everygroup.datasets._table import check_ids, id_candidates
from everygroup.errors import CohortError
from everygroup.files import hash_file
from everygroup.predictions.features import Features, file_and_name, read_features


def read_vectors(request: Request) -> Cohort:
    """Read the table, find every row's features by its id, and build the cohort.

    Raises
    ------
    CohortError, PredictionsError
        For rows without features, ids that are not unique, and files that hold no features.
    """
    file, array = file_and_name(str(request.embeddings))
    if not file.exists():
        raise CohortError(f"No file {file}.", fix="check the path given to --embeddings")
    path, table = read_rows(request)
    if request.groups is not None:
        table = with_attributes(table, request.group)
    position, n_unlabelled = checked_rows(path, table, request)
    features = read_features(str(request.embeddings), id_column=request.id_column)
    if features.ids is None:
        raise CohortError(f"{file.name} has no ids.", fix="save them too: np.savez(FILE, features=x, ids=ids)")
    id_column = request.id_column or _id_column(path, table, features)
    check_ids(path, table[id_column], id_column)
    ids = table[id_column].astype(str).str.strip().to_numpy(dtype=object)
    partner = features.partners(ids)
    position = limited_rows(position, request.sample_limit)
    if len(lost := position[partner[position] < 0]):
        listed = ", ".join(f"{ids[p]!r} (row {p + 2})" for p in lost[:5])
        raise CohortError(
            f"{path}: {len(lost)} of {len(position)} rows have no features in {file.name}: {listed}"
            f"{', ...' if len(lost) > 5 else ''}; an id there is {str(features.ids[0])!r}.",
            fix="add their features, remove these rows, or name the column of the ids with --id-column",
        )
    if unused := len(features.ids) - len(np.unique(partner[partner >= 0])):
        warn(f"{unused} of {len(features.ids)} samples in {file.name} are in no row of {path.name}.")
    told = f"{file.name}#{array}" if array else file.name
    say(f"{len(position)} samples of {features.values.shape[1]} features from {told}.")
    return Cohort.from_table(
        features.values[partner[position]].astype(np.float32),
        table.iloc[position].reset_index(drop=True),
        label=request.answers or None,
        group=request.group,
        bins=request.bins,
        id_column=id_column,
        split_by=request.split_by,
        classes=request.classes,
        groups=request.groups,
        provenance={
            "name": path.parent.resolve().name if path.name == "metadata.csv" else path.stem,
            "source": {"table": path.name, "embeddings": told, "embeddings_hash": hash_file(file)},
            "left_out": {"unlabelled": n_unlabelled},
            "sample_limit": request.sample_limit,
        },
        allow_unlabelled=request.allow_unlabelled,
        label_codes=request.label_codes,
        target=request.target,
        normal=request.normal,
    )


def _id_column(path: Path, table: pd.DataFrame, features: Features) -> str:
    """Return the column, among those named like an id, whose values name the most samples."""
    candidates = id_candidates(table)
    found = {c: int((features.partners(table[c].astype(str).to_numpy(dtype=object)) >= 0).sum()) for c in candidates}
    best = max(found, key=lambda c: found[c], default=None)
    if best is None or not found[best]:
        raise CohortError(
            f"{path}: no column named like an id names a sample in the file of features.",
            fix="name the column of the ids with --id-column",
        )
    say(f"Column {best!r} identifies the samples.")
    return best
