"""Counts behind a cohort's fingerprint: cells, shares of labels, patients, byte-identical images."""

from __future__ import annotations

import pandas as pd

from everygroup.cohort.cohort import Cohort
from everygroup.cohort.crossed import MISSING
from everygroup.cohort.split import Split
from everygroup.statistics import wilson_interval


def cells(cohort: Cohort, part: str) -> pd.DataFrame:
    """Return n of every (label, group) cell, with the samples of no group as group 'missing'."""
    outcome = cohort.outcome
    counts = {group: outcome.counts(cohort.group == g) for g, group in [*enumerate(cohort.groups), (-1, MISSING)]}
    rows = [(part, label, group, int(n[k])) for k, label in enumerate(outcome.names) for group, n in counts.items()]
    return pd.DataFrame(rows, columns=["part", "label", "group", "n"])


def prevalence(cohort: Cohort) -> pd.DataFrame:
    """Return the share of each label in each group, with n and a Wilson interval."""
    rows = []
    for g, group in [*enumerate(cohort.groups), (-1, MISSING)]:
        own = cohort.group == g
        known, positive = cohort.outcome.n_known(own), cohort.outcome.counts(own)
        for label, n, k in zip(cohort.outcome.names, known.tolist(), positive.tolist(), strict=True):
            rows.append((group, label, n, k, k / n if n else float("nan")))
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
    table = pd.DataFrame(
        {"image": cohort.image_hashes, "unit": cohort.units, "y": cohort.outcome.same, "id": cohort.ids}
    )
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
