"""Gaps of one job's predictions, each beside the gaps that shuffled groups give."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from everygroup.metrics import OneVsRest, average_rate, confusion_counts, lineage_gap, one_vs_rest
from everygroup.predictions import Predictions
from everygroup.statistics import majority, permutation_p, permutation_units, permuted_blocks

N_PERMUTATIONS = 200
COLUMNS = ("part", "metric", "value", "chance", "chance_high", "p", "n_permutations", "n", "groups")
_RATES = {"macro_precision": "precision", "macro_recall": "recall", "macro_f1": "f1"}
Gap = Callable[[OneVsRest], np.ndarray]


def _spread(counts: OneVsRest, *, rate: str) -> np.ndarray:
    by_group = average_rate(counts, rate)
    return np.asarray(by_group.max(axis=-1) - by_group.min(axis=-1))


GAPS: dict[str, Gap] = {
    **{metric: partial(_spread, rate=rate) for metric, rate in _RATES.items()},
    "eopp0_lab": partial(lineage_gap, name="eopp0"),
    "eopp1_lab": partial(lineage_gap, name="eopp1"),
    "eodds_lab": partial(lineage_gap, name="eodds"),
}
"""Gaps of one-vs-rest counts (..., G, K): largest minus smallest group, and the criteria of the SPARE tables."""


def gap_rows(predictions: Predictions, *, n_permutations: int = N_PERMUTATIONS, seed: int = 0) -> pd.DataFrame:
    """Measure the gaps of every part, and what they are by chance.

    Patients (or lesions), not samples, exchange their groups. EOpp and EOdds condition on the true class, so there the
    exchange is between patients of one class; elsewhere it is free.

    Returns
    -------
    DataFrame
        Columns part, metric, value, chance (mean under the null), chance_high (its 95th percentile), p,
        n_permutations, n (of the smallest group), groups. A group with an undefined rate makes the gap undefined.
    """
    rows: list[dict[str, Any]] = []
    for part in dict.fromkeys(predictions.table["split"]):
        here = predictions.of_split(part)
        known = (here.group >= 0) & (here.y_true >= 0)
        rows += [
            {"part": part, **row}
            for row in _measured(
                here.y_true[known],
                here.y_pred[known],
                here.group[known],
                np.asarray(here.units)[known],
                (len(here.groups), len(here.classes)),
                n_permutations,
                seed,
            )
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _measured(
    y_true: np.ndarray,
    y_pred: np.ndarray,
    group: np.ndarray,
    units: np.ndarray,
    shape: tuple[int, int],
    n_permutations: int,
    seed: int,
) -> list[dict[str, Any]]:
    n_groups, k = shape
    counts = one_vs_rest(confusion_counts(y_true, y_pred, n_classes=k, group=group, n_groups=n_groups))
    sizes = np.bincount(group, minlength=n_groups)
    # groups without any test sample can be neither compared nor shuffled
    there = sizes > 0
    null: dict[str, np.ndarray] = {}
    if there.sum() > 1:
        index = (np.cumsum(there) - 1)[group]
        free = _shuffled(y_true, y_pred, index, units, (int(there.sum()), k), False, n_permutations, seed)
        within = _shuffled(y_true, y_pred, index, units, (int(there.sum()), k), True, n_permutations, seed)
        null = {name: np.asarray(gap(free if name in _RATES else within)) for name, gap in GAPS.items()}
    rows = []
    for name, gap in GAPS.items():
        value = float(gap(counts)) if there.all() and n_groups > 1 else float("nan")
        by_chance = null.get(name, np.empty(0))
        by_chance = by_chance[np.isfinite(by_chance)]
        defined = bool(by_chance.size) and np.isfinite(value)
        rows.append(
            {
                "metric": name,
                "value": value,
                "chance": float(by_chance.mean()) if defined else float("nan"),
                "chance_high": float(np.percentile(by_chance, 95)) if defined else float("nan"),
                "p": float(permutation_p(value, by_chance)) if defined else float("nan"),
                "n_permutations": int(by_chance.size) if defined else 0,
                "n": int(sizes.min()) if sizes.size else 0,
                "groups": n_groups,
            }
        )
    return rows


def _shuffled(
    y_true: np.ndarray,
    y_pred: np.ndarray,
    group: np.ndarray,
    units: np.ndarray,
    shape: tuple[int, int],
    within_class: bool,
    n_permutations: int,
    seed: int,
) -> OneVsRest:
    """Return one-vs-rest counts (R, G, K) under shuffled groups."""
    n_groups, k = shape
    cluster = np.unique(units.astype(str), return_inverse=True)[1].reshape(-1).astype(np.int64)
    unit = permutation_units(cluster, group.astype(np.int64))
    labels = majority(unit, group.astype(np.int64), n_groups)
    strata = majority(unit, y_true.astype(np.int64), k) if within_class else np.zeros(labels.size, dtype=np.int64)
    right = y_true == y_pred
    parts = []
    for block in permuted_blocks(labels, strata, n_permutations, seed=seed, n_rows=len(group)):
        spread = block[unit].T.astype(np.int64)  # (r, n)
        base = (np.arange(len(spread))[:, None] * n_groups + spread) * k
        size = len(spread) * n_groups * k
        parts.append(
            [
                np.bincount(cells.reshape(-1), minlength=size).reshape(-1, n_groups, k).astype(np.float64)
                for cells in (base[:, right] + y_true[right], base + y_true, base + y_pred)
            ]
        )
    return OneVsRest(*(np.concatenate(counted) for counted in zip(*parts, strict=True)))
