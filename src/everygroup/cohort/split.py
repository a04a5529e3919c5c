"""Split a cohort by patient or lesion, stratified by cell, with no leak between the parts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd

from everygroup.cohort.cohort import Cohort
from everygroup.console import warn
from everygroup.errors import CohortError
from everygroup.files import atomic_path, hash_array, hash_json

PARTS = ("train", "validation", "test")
_MAX_FOLDS = 20


@dataclass(frozen=True)
class Split:
    """Three cohorts that share no patient (or lesion) and no identical image.

    Attributes
    ----------
    train, validation, test : Cohort
        The parts.
    table : DataFrame
        One row a sample: id, unit, part.
    hash : str
        Content hash of the table.
    """

    train: Cohort
    validation: Cohort
    test: Cohort
    table: pd.DataFrame
    hash: str

    def save(self, path: Path | str) -> None:
        """Write id, unit and part as CSV, atomically."""
        with atomic_path(path) as temporary:
            self.table.to_csv(temporary, index=False)


def split_cohort(cohort: Cohort, fractions: Sequence[float] = (0.6, 0.2, 0.2), *, seed: int = 0) -> Split:
    """Split by unit, stratified by label x group as far as whole units allow.

    The strata of findings and of masks are the patterns of what is there, those of a number its fifths.

    Units that hold byte-identical images are kept together, with a warning.

    Raises
    ------
    CohortError
        If the fractions do not add up to 1 or there are too few units.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    folds_per_part = _folds_per_part(fractions)
    n_folds = sum(folds_per_part)
    unit = linked_units(cohort)
    n_units = int(unit.max()) + 1 if len(unit) else 0
    if n_units < n_folds:
        raise CohortError(
            f"Only {n_units} patients (or lesions) to split into {n_folds} equal shares.",
            fix="use a larger cohort, or another --split-by column",
        )
    outcome = cohort.outcome
    cell = (cohort.group + 1) * (outcome.n_strata + 1) + outcome.strata + 1
    by_image = n_units == len(cohort)
    splitter = (StratifiedKFold if by_image else StratifiedGroupKFold)(n_folds, shuffle=True, random_state=seed)
    # Cells smaller than the number of folds cannot be spread evenly; the fingerprint names them.
    if int(np.bincount(cell).max()) < n_folds:
        cell = np.zeros_like(cell)
    fold = np.empty(len(cohort), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for k, (_, members) in enumerate(splitter.split(np.zeros(len(cohort)), cell, groups=unit)):
            fold[members] = k
    part = np.repeat(np.arange(len(PARTS)), folds_per_part)[fold]
    return split_from_parts(cohort, np.asarray(PARTS)[part])


def split_from_parts(cohort: Cohort, part: np.ndarray) -> Split:
    """Build a split from each sample's part ('train', 'validation' or 'test'), refusing any leak.

    Raises
    ------
    CohortError
        If a unit has images in two parts or a part is empty.
    """
    part = np.asarray(part).astype(str)
    if unknown := sorted(set(part) - set(PARTS)):
        raise CohortError(f"Unknown parts in the split: {', '.join(unknown)}.", fix=f"use {', '.join(PARTS)}")
    seen = pd.DataFrame({"unit": cohort.units, "part": part}).drop_duplicates()
    leaking = seen.loc[seen["unit"].duplicated(), "unit"]
    if len(leaking):
        raise CohortError(
            f"{len(leaking)} patients or lesions have images in more than one part, for example {leaking.iloc[0]!r}.",
            fix="split by patient or lesion: --split-by COLUMN",
        )
    parts = [cohort.where(part == name) for name in PARTS]
    if empty := [name for name, members in zip(PARTS, parts, strict=True) if not len(members)]:
        raise CohortError(f"The {empty[0]} part of the split is empty.", fix="use a larger cohort")
    table = pd.DataFrame({"id": cohort.ids, "unit": cohort.units, "part": part})
    digest = hash_json([hash_array(table[c].to_numpy()) for c in table.columns])
    return Split(parts[0], parts[1], parts[2], table=table, hash=digest)


def linked_units(cohort: Cohort) -> np.ndarray:
    """Return an index per sample that is equal for samples of one unit, or of units sharing identical images."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    unit = pd.factorize(cohort.units)[0]
    image = pd.factorize(cohort.image_hashes)[0]
    if len(image) == 0 or image.max() + 1 == len(image):
        return np.asarray(unit, dtype=np.int64)
    n_units, n_images = int(unit.max()) + 1, int(image.max()) + 1
    edges = coo_matrix((np.ones(len(unit)), (unit, n_units + image)), shape=(n_units + n_images,) * 2)
    _, component = connected_components(edges, directed=False)
    linked = pd.factorize(component[unit])[0]
    if linked.max() + 1 < n_units:
        warn(
            f"{len(image) - n_images} images are byte-identical to another one; patients or lesions that share them "
            "are kept in one part of the split."
        )
    return np.asarray(linked, dtype=np.int64)


def _folds_per_part(fractions: Sequence[float]) -> tuple[int, ...]:
    """Express the fractions as whole numbers of equal folds: (.6, .2, .2) -> (3, 1, 1)."""
    if (
        len(fractions) != len(PARTS)
        or any(f <= 0 for f in fractions)
        or not math.isclose(sum(fractions), 1, abs_tol=1e-6)
    ):
        raise CohortError(
            f"The split {tuple(fractions)} is not three positive shares adding up to 1.", fix="use 0.6,0.2,0.2"
        )
    exact = [Fraction(f).limit_denominator(_MAX_FOLDS) for f in fractions]
    n_folds = math.lcm(*(f.denominator for f in exact))
    if n_folds > _MAX_FOLDS or sum(exact) != 1:
        raise CohortError(f"The split {tuple(fractions)} needs too many folds.", fix="use multiples of 0.05")
    return tuple(int(f * n_folds) for f in exact)
