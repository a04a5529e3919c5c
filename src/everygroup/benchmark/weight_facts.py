"""What a job's sample weights amount to, in three small tables: the weights themselves are too many to keep."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort import Cohort
from everygroup.files import atomic_path
from everygroup.spare import weight_summary
from everygroup.statistics import mann_whitney

FILES = ("weight_summary.csv", "weight_sources.csv", "weight_tests.csv")
_QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
_MOST = 12  # values of a column that are shown one by one
_BINS = 6


def write_weight_facts(weights: pd.DataFrame, train: Cohort, folder: Path) -> None:
    """Write weight_summary.csv, weight_sources.csv and weight_tests.csv of a method that weights samples."""
    tables = (weight_summary(weights), weight_sources(weights, fine_groups(train)), weight_tests(weights))
    for name, table in zip(FILES, tables, strict=True):
        with atomic_path(folder / name) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")


def fine_groups(cohort: Cohort) -> tuple[str, np.ndarray] | None:
    """Return the finer groups behind a cohort's groups: the values of the one numeric column that was binned.

    Up to twelve values stand for themselves; more are put into six bins of equal width (15 years for ages to 90).
    """
    if len(cohort.rule.attributes) != 1 or cohort.rule.attributes[0] not in cohort.table:
        return None
    column = cohort.rule.attributes[0]
    values = pd.to_numeric(cohort.table[column], errors="coerce")
    if values.notna().sum() == 0 or values.nunique() <= len(cohort.groups):
        return None
    if values.nunique() <= _MOST:
        names = values.map(lambda v: "" if pd.isna(v) else f"{v:g}")
    else:
        low = math.floor(values.min())
        width = max(1, math.ceil((values.max() - low) / _BINS))
        first = np.maximum(np.ceil((values - low) / width), 1)  # both ends of the first bin belong to it
        names = first.map(lambda b: "" if pd.isna(b) else f"{low + (b - 1) * width:g}-{low + b * width:g}")
    return column, names.to_numpy(dtype=object)


def weight_sources(weights: pd.DataFrame, fine: tuple[str, np.ndarray] | None = None) -> pd.DataFrame:
    """Summarise weights by target group and source group, and by finer groups where there are any.

    Parameters
    ----------
    weights : DataFrame
        As SPARE writes it: the training samples in order, once for each target group.
    fine : (column, names), optional
        A finer group of every training sample.

    Returns
    -------
    DataFrame
        Columns target_group, level ('group' or the column), source_group, own, n, mean, p05, p25, median, p75, p95.
    """
    rows: list[dict[str, Any]] = []
    for target, part in weights.groupby("target_group", sort=False):
        levels = {"group": part["source_group"].to_numpy(dtype=object)}
        if fine is not None and len(fine[1]) == len(part):
            levels[fine[0]] = fine[1]
        weight, own = part["weight"].to_numpy(dtype=np.float64), (part["source_group"] == target).to_numpy()
        for level, names in levels.items():
            for name in sorted(set(names), key=_natural):
                mask = names == name
                found = dict(zip(_QUANTILES, np.quantile(weight[mask], list(_QUANTILES.values())), strict=True))
                rows.append(
                    {
                        "target_group": target,
                        "level": level,
                        "source_group": name or "missing",
                        "own": bool(own[mask].mean() > 0.5),
                        "n": int(mask.sum()),
                        "mean": float(weight[mask].mean()),
                        **found,
                    }
                )
    return pd.DataFrame(rows)


def weight_tests(weights: pd.DataFrame) -> pd.DataFrame:
    """Compare the out-of-group weights of every two group models by Mann-Whitney and Cliff's delta.

    With thousands of samples p is small for differences that do not matter: the effect size tells.

    Returns
    -------
    DataFrame
        Columns target_a, target_b, n_a, n_b, u, cliffs_delta (positive: a's are larger), size, p.
    """
    outside = {
        target: part.loc[part["source_group"] != target, "weight"].to_numpy()
        for target, part in weights.groupby("target_group", sort=False)
    }
    rows = []
    for a, b in combinations(outside, 2):
        test = mann_whitney(outside[a], outside[b])
        rows.append(
            {
                **{"target_a": a, "target_b": b, "n_a": test.n[0], "n_b": test.n[1]},
                **{"u": test.u, "cliffs_delta": test.delta, "size": test.size, "p": test.p},
            }
        )
    columns = ["target_a", "target_b", "n_a", "n_b", "u", "cliffs_delta", "size", "p"]
    return pd.DataFrame(rows, columns=columns)


def _natural(name: object) -> tuple[bool, float, str]:
    text = str(name)
    first = text.split("-")[0]
    return (not first.isdigit(), float(first) if first.isdigit() else 0.0, text)
