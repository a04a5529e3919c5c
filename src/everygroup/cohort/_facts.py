"""Counts and suspicions behind a cohort's fingerprint: small pure functions on tables and arrays."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from everygroup.cohort._missing import about_missing
from everygroup.cohort.groups import as_category

if TYPE_CHECKING:
    from everygroup.cohort.cohort import Cohort
    from everygroup.cohort.split import Split

MISSING = "missing"
_Z = 1.959963984540054
_UNIT_NAME = re.compile(r"(patient|lesion|subject|person|case)[ _]?(id)?$", re.IGNORECASE)


def wilson(positive: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a rate (Wilson 1927); NaN where n is 0."""
    if n == 0:
        return float("nan"), float("nan")
    rate = positive / n
    centre = (rate + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(rate * (1 - rate) / n + _Z**2 / (4 * n * n))
    # At 0 and 1 the interval ends there exactly; rounding must not say otherwise.
    return (0.0 if positive == 0 else float(centre - half)), (1.0 if positive == n else float(centre + half))


def cells(cohort: Cohort, part: str) -> pd.DataFrame:
    """Return n of every (label, group) cell, with the samples of no group as group 'missing'."""
    groups = [*cohort.groups, MISSING]
    index = np.where(cohort.group < 0, len(cohort.groups), cohort.group)
    counts = np.zeros((len(cohort.classes), len(groups)), dtype=np.int64)
    known = cohort.y >= 0
    np.add.at(counts, (cohort.y[known], index[known]), 1)
    rows = [
        (part, label, group, int(counts[k, g]))
        for k, label in enumerate(cohort.classes)
        for g, group in enumerate(groups)
    ]
    return pd.DataFrame(rows, columns=["part", "label", "group", "n"])


def prevalence(cohort: Cohort) -> pd.DataFrame:
    """Return the share of each label in each group, with n and a Wilson interval."""
    rows = []
    for g, group in [*enumerate(cohort.groups), (-1, MISSING)]:
        y = cohort.y[(cohort.group == g) & (cohort.y >= 0)]
        for k, label in enumerate(cohort.classes):
            positive = int((y == k).sum())
            rate = positive / len(y) if len(y) else float("nan")
            rows.append((group, label, len(y), positive, rate, *wilson(positive, len(y))))
    return pd.DataFrame(rows, columns=["group", "label", "n", "n_positive", "rate", "low", "high"])


def units(cohort: Cohort, split: Split | None) -> pd.DataFrame:
    """Return images and patients (or lesions) per part."""
    parts = [("all", cohort)]
    if split is not None:
        parts += [("train", split.train), ("validation", split.validation), ("test", split.test)]
    rows = []
    for name, part in parts:
        counts = pd.Series(part.units).value_counts()
        rows.append((name, len(part), len(counts), int(counts.max()) if len(counts) else 0))
    return pd.DataFrame(rows, columns=["part", "n", "n_units", "most_per_unit"])


def duplicates(cohort: Cohort, split: Split | None) -> dict[str, int]:
    """Count sets of byte-identical images, and those that span units, labels or parts."""
    table = pd.DataFrame({"image": cohort.image_hashes, "unit": cohort.units, "y": cohort.y, "id": cohort.ids})
    table = table[table["image"].duplicated(keep=False)]
    if split is not None:
        table = table.merge(split.table[["id", "part"]], on="id", how="left")
    distinct = table.groupby("image").nunique()
    return {
        "sets": len(distinct),
        "images": len(table),
        "across_units": int((distinct["unit"] > 1).sum()),
        "conflicting_labels": int((distinct["y"] > 1).sum()),
        "across_parts": int((distinct["part"] > 1).sum()) if split is not None else 0,
    }


def suspicions(cohort: Cohort, missing: pd.DataFrame, values: list[str], twins: dict[str, int]) -> list[str]:
    """Return what could mislead and does not depend on the split, in plain words."""
    found = [*_about_groups(cohort, missing), *values]
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
    return [*found, *outside_sets(cohort), *about_missing(cohort, missing)]


def outside_sets(cohort: Cohort) -> list[str]:
    """Return a warning for each attribute with values in none of its category sets, and what may be a typing error."""
    found = []
    for attribute, rule in cohort.rule.bins.items():
        known = {member for _, members in rule.sets for member in members}
        texts = pd.Series([as_category(v) for v in cohort.table[attribute]], dtype=object).dropna()
        outside = texts[~texts.isin(known)].value_counts() if known else pd.Series(dtype=int)
        if outside.empty:
            continue
        shown = ", ".join(f"{value!r} ({n})" for value, n in outside.head(6).items())
        said = (
            f"{outside.sum()} values of {attribute!r} lie in none of the sets given with --bins: "
            f"{shown}{', ...' if len(outside) > 6 else '.'}"
        )
        for member in sorted(known - set(texts)):
            if near := difflib.get_close_matches(member, outside.index, n=1):
                said += f" {member!r} is no value of {attribute!r}; did you mean {near[0]!r}?"
        found.append(said)
    return found


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
