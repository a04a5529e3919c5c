"""What in a cohort could mislead, in plain words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from everygroup.check.missing import about_missing
from everygroup.check.spellings import about_spellings
from everygroup.cohort._build import BY_IMAGE
from everygroup.cohort.cohort import Cohort
from everygroup.cohort.crossed import MISSING
from everygroup.cohort.groups import as_category
from everygroup.errors import CohortError
from everygroup.tables.identifiers import PatientColumn, changing, patient_column, stable_columns, twins


def suspicions(cohort: Cohort, missing: pd.DataFrame, values: list[str], twins: dict[str, int]) -> list[str]:
    """Return what could mislead and does not depend on the split, in plain words."""
    found = [*_about_groups(cohort, missing), *about_spellings(cohort), *values]
    if twins["sets"]:
        found.append(
            f"{twins['images']} images are byte-identical to another one. Sets of such images: {twins['sets']}; across "
            f"patients or lesions: {twins['across_units']}; with different labels: {twins['conflicting_labels']}."
        )
    if twins["across_parts"]:
        found.append(f"{twins['across_parts']} sets of identical images lie in several parts of the split: a leak.")
    return [*found, *forgotten_unit(cohort), *doubtful_units(cohort), *changing_patients(cohort)]


def forgotten_unit(cohort: Cohort) -> list[str]:
    """Return a warning where the split goes by image although a column looks like the patient or lesion."""
    found = _unused_patient(cohort)
    return [] if found is None else [f"{_torn(found)}; give --split-by {found.name}, or --split-by {BY_IMAGE}."]


def refuse_forgotten_unit(cohort: Cohort) -> None:
    """Refuse to train where a patient may lie in training and test: a column looks like one, and nobody named it.

    Raises
    ------
    CohortError
    """
    if (found := _unused_patient(cohort)) is not None:
        raise CohortError(
            f"{_torn(found)}, a leak.",
            fix=f"give --split-by {found.name}; if images are independent all the same, say --split-by {BY_IMAGE}",
        )


def _torn(found: PatientColumn) -> str:
    said = str(found)
    return f"{said[0].upper()}{said[1:]}: the split goes by image, and one patient may lie in training and in test"


def _unused_patient(cohort: Cohort) -> PatientColumn | None:
    if cohort.split_by is not None:
        return None
    return patient_column(cohort.table, taken=[*cohort.label_columns, *cohort.sensitive])


def doubtful_units(cohort: Cohort) -> list[str]:
    """Return warnings about patients who may lie in training and in test although the split goes by patient.

    Rows without a patient count as patients of their own, and so do two spellings of one.
    """
    if cohort.split_by in (None, BY_IMAGE) or cohort.split_by not in cohort.table:
        return []
    found = []
    named = cohort.table[cohort.split_by].map(as_category)
    if n := int(named.isna().sum()):
        found.append(
            f"{n} of {len(cohort)} rows have no {cohort.split_by!r}: each counts as a patient of its own, and may lie "
            "in training while another image of the same patient lies in test."
        )
    return found + twins(named.dropna().unique(), cohort.split_by)


def changing_patients(cohort: Cohort) -> list[str]:
    """Return a warning for each attribute that should not change in a patient's life and does, such as sex."""
    if np.array_equal(cohort.units, cohort.ids):
        return []
    columns = stable_columns(cohort.table.drop(columns=list(cohort.label_columns), errors="ignore"))
    return changing(cohort.table[columns].map(as_category), cohort.units, columns)


def _about_groups(cohort: Cohort, missing: pd.DataFrame) -> list[str]:
    found = []
    n_none = int((cohort.group < 0).sum())
    if n_none:
        in_none = " or lies in none of the sets" if missing["n_outside"].any() else ""
        found.append(
            f"{n_none} of {len(cohort)} samples ({n_none / len(cohort):.1%}) belong to no group, because "
            f"{' or '.join(cohort.sensitive)} is missing{in_none}; they are left out of gaps."
        )
    if n_unknown := int((cohort.outcome.strata < 0).sum()):
        found.append(f"{n_unknown} of {len(cohort)} samples have no label; they are not in the counts by label.")
    if len(cohort.classes) == 1 and cohort.target == "classes":
        found.append(f"All labels are {cohort.classes[0]!r}: there is nothing to diagnose.")
    if len(cohort.groups) < 2:
        found.append("There are fewer than two groups: nothing to compare.")
    return [*found, *cohort.rule.remarks(cohort.table), *about_missing(cohort, missing)]


def small_cells(table: pd.DataFrame, part: str, least: int, purpose: str) -> list[str]:
    """Return a warning that names the cells of a part with fewer samples than needed."""
    here = table[(table["part"] == part) & (table["group"] != MISSING) & (table["n"] < least)]
    if here.empty:
        return []
    shown = ", ".join(f"{r.label} & {r.group} ({r.n})" for r in here.sort_values("n").head(8).itertuples())
    cells_where = ("cell" if len(here) == 1 else "cells") + ("" if part == "all" else f" of the {part} part")
    return [
        f"{len(here)} {cells_where} with fewer than {least} samples, too few to {purpose}: "
        f"{shown}{', ...' if len(here) > 8 else '.'}"
    ]
