"""Counts and suspicions behind a cohort's fingerprint: small pure functions on tables and arrays."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from everygroup.cohort.groups import as_category

if TYPE_CHECKING:
    from everygroup.cohort.cohort import Cohort
    from everygroup.cohort.split import Split

MISSING = "missing"
_Z = 1.959963984540054
_UNKNOWN_CODES = frozenset({"-1", "unk", "not known", "undetermined", "?", "9999", "999", "-9", "x"})
_UNIT_NAME = re.compile(r"(patient|lesion|subject|person|case)[ _]?(id)?$", re.IGNORECASE)
_AGE_NAME = re.compile(r"(^|[^a-z])age([^a-z]|$)", re.IGNORECASE)


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


def missing_values(cohort: Cohort) -> pd.DataFrame:
    """Return, per sensitive attribute, how many values are missing or fall in no bin, and whether labels differ in it.

    The test is Pearson's chi-square of missingness by label; the effect size is Cramér's V.
    """
    rows = []
    for attribute in cohort.sensitive:
        missing = np.array([as_category(v) is None for v in cohort.table[attribute]], dtype=bool)
        binned = np.array([v is None for v in cohort.rule.values(cohort.table, attribute)], dtype=bool)
        p, v = _missing_by_label(missing[cohort.y >= 0], cohort.y[cohort.y >= 0])
        n = int(missing.sum())
        rows.append((attribute, len(cohort), n, n / max(1, len(cohort)), int((binned & ~missing).sum()), p, v))
    return pd.DataFrame(rows, columns=["attribute", "n", "n_missing", "share", "n_outside", "p_label", "cramers_v"])


def _missing_by_label(missing: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    from scipy.special import chdtrc

    k = int(y.max(initial=-1)) + 1
    table = np.stack([np.bincount(y[~missing], minlength=k), np.bincount(y[missing], minlength=k)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or (table.sum(axis=1) == 0).any():
        return float("nan"), float("nan")
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    chi2 = float(((table - expected) ** 2 / expected).sum())
    return float(chdtrc(table.shape[1] - 1, chi2)), float(np.sqrt(chi2 / table.sum()))


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


def suspicions(cohort: Cohort, missing: pd.DataFrame, twins: dict[str, int]) -> list[str]:
    """Return what could mislead and does not depend on the split, in plain words."""
    found = [*_about_groups(cohort, missing), *_about_values(cohort)]
    if twins["sets"]:
        found.append(
            f"{twins['images']} images are byte-identical to another one. Sets of such images: {twins['sets']}; across "
            f"patients or lesions: {twins['across_units']}; with different labels: {twins['conflicting_labels']}."
        )
    if twins["across_parts"]:
        found.append(f"{twins['across_parts']} sets of identical images lie in several parts of the split: a leak.")
    named = [str(c) for c in cohort.table.columns if _UNIT_NAME.search(str(c)) and str(c) != cohort.label]
    if named and np.array_equal(cohort.units, cohort.ids):
        named = [c for c in named if cohort.table[c].duplicated().any()]
        if named:
            found.append(
                f"Column {named[0]!r} looks like a patient or lesion with several images, but the split goes by image; "
                f"give --split-by {named[0]}."
            )
    return found


def _about_groups(cohort: Cohort, missing: pd.DataFrame) -> list[str]:
    found = []
    n_none = int((cohort.group < 0).sum())
    if n_none:
        found.append(
            f"{n_none} of {len(cohort)} samples ({n_none / len(cohort):.1%}) belong to no group, because "
            f"{' or '.join(cohort.sensitive)} is missing; they are left out of gaps."
        )
    if n_unknown := int((cohort.y < 0).sum()):
        found.append(f"{n_unknown} of {len(cohort)} samples have no label; they are not in the counts by label.")
    if len(cohort.groups) < 2:
        found.append("There are fewer than two groups: nothing to compare.")
    for row in missing.to_dict(orient="records"):
        attribute = str(row["attribute"])
        if row["n_outside"]:
            found.append(f"{row['n_outside']} values of {attribute!r} lie in none of the sets given with --bins.")
        if row["p_label"] < 0.001 and row["cramers_v"] >= 0.1:
            empty = np.array([as_category(v) is None for v in cohort.table[attribute]], dtype=bool)
            n, k = (
                np.bincount(cohort.y[rows & (cohort.y >= 0)], minlength=len(cohort.classes))
                for rows in (np.ones(len(empty), dtype=bool), empty)
            )
            share = np.divide(k, n, out=np.full(len(n), np.nan), where=n > 0)
            most, least = int(np.nanargmax(share)), int(np.nanargmin(share))
            found.append(
                f"{attribute!r} is missing in {k[most]} of {n[most]} {cohort.classes[most]} but in {k[least]} of "
                f"{n[least]} {cohort.classes[least]} (chi-square p < 0.001, Cramér's V {row['cramers_v']:.2f}): being "
                "missing tells about the label, so do not fill it in, and expect those left to differ from the rest."
            )
    return found


def _about_values(cohort: Cohort) -> list[str]:
    found = []
    for attribute in cohort.sensitive:
        texts = [as_category(v) for v in cohort.table[attribute]]
        codes = pd.Series([t for t in texts if t is not None and t.lower() in _UNKNOWN_CODES], dtype=object)
        for code, n in codes.value_counts().items():
            found.append(f"{attribute!r} is {code!r} in {n} rows, which looks like a code for 'not known': empty it.")
    for column in cohort.table.columns:
        if _AGE_NAME.search(str(column)) and str(column) != cohort.label:
            found += _about_ages(str(column), cohort.table[column])
    return found


def _about_ages(column: str, values: pd.Series[Any]) -> list[str]:
    known = values[[as_category(v) is not None for v in values]]
    ages = pd.to_numeric(known, errors="coerce")
    if ages.isna().any():  # ranges such as '40-49' are categories; only '058Y' is a number in disguise
        odd = known[ages.isna()].astype(str)
        coded = odd[odd.str.fullmatch(r"\d{1,3}[YMWDymwd]")]
        return (
            [f"{column!r} holds ages like {coded.iloc[0]!r} ({len(coded)} rows): make them years."]
            if len(coded)
            else []
        )
    found = []
    for what, wrong in (("0 or less", ages <= 0), ("above 110", ages > 110)):
        if wrong.any():
            found.append(f"{column!r} is {what} in {int(wrong.sum())} rows: implausible or a placeholder.")
    ones, twos = int((ages == 1).sum()), int((ages == 2).sum())
    if ones >= 5 and ones > 3 * twos:
        found.append(f"{column!r} is 1 in {ones} rows but 2 in {twos}: 1 is probably a placeholder.")
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
        f"{shown}{', ...' if len(here) > 8 else ''}."
    ]
