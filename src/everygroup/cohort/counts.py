"""Counts behind a cohort's fingerprint: cells, shares of labels, patients, byte-identical images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from everygroup.cohort.cohort import Cohort
from everygroup.cohort.crossed import MISSING
from everygroup.cohort.split import Split
from everygroup.statistics import wilson_interval


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
            rows.append((group, label, len(y), positive, rate))
    table = pd.DataFrame(rows, columns=["group", "label", "n", "n_positive", "rate"])
    low, high = wilson_interval(table["n_positive"], table["n"])
    return table.assign(low=low, high=high)


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
