"""What in a cohort could mislead, in plain words."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from everygroup.cohort.cohort import Cohort
from everygroup.cohort.counts import MISSING
from everygroup.cohort.missing import about_missing
from everygroup.cohort.spellings import about_spellings

_UNIT_NAME = re.compile(r"(patient|lesion|subject|person|case)[ _]?(id)?$", re.IGNORECASE)


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
    return [*found, *forgotten_unit(cohort)]


def forgotten_unit(cohort: Cohort) -> list[str]:
    """Return a warning where the split goes by image although a column looks like the patient or lesion."""
    if not np.array_equal(cohort.units, cohort.ids):
        return []
    named = [str(c) for c in cohort.table.columns if _UNIT_NAME.search(str(c)) and str(c) != cohort.label]
    named = [c for c in named if cohort.table[c].dropna().duplicated().any()]
    return [
        f"Column {c!r} looks like a patient or lesion with several images, but the split goes by image; "
        f"give --split-by {c}."
        for c in named[:1]
    ]


def _about_groups(cohort: Cohort, missing: pd.DataFrame) -> list[str]:
    found = []
    n_none = int((cohort.group < 0).sum())
    if n_none:
        in_none = " or lies in none of the sets" if missing["n_outside"].any() else ""
        found.append(
            f"{n_none} of {len(cohort)} samples ({n_none / len(cohort):.1%}) belong to no group, because "
            f"{' or '.join(cohort.sensitive)} is missing{in_none}; they are left out of gaps."
        )
    if n_unknown := int((cohort.y < 0).sum()):
        found.append(f"{n_unknown} of {len(cohort)} samples have no label; they are not in the counts by label.")
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
