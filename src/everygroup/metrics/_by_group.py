"""Evaluate any statistic of rows overall and in every group, and check the numbers that go in."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import PredictionsError
from everygroup.metrics._inputs import FloatArray, IntArray, group_codes
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.measured import Measured


def numbers(word: str, values: ArrayLike, *, length: int | None = None) -> FloatArray:
    """One finite number per sample, of a given count.

    Raises
    ------
    PredictionsError
        For values that are not numbers, not one-dimensional, of another length, NaN or infinite: names the position.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PredictionsError(
            f"{word} holds values that are not numbers.", fix="give one number per sample"
        ) from error
    if array.ndim != 1:
        raise PredictionsError(f"{word} has shape {array.shape}.", fix="give one number per sample")
    if length is not None and array.size != length:
        raise PredictionsError(f"{word} has {array.size} values for {length} samples.", fix="give one per sample")
    if not array.size:
        raise PredictionsError(f"{word} is empty.", fix="give at least one sample")
    bad = ~np.isfinite(array)
    if bad.any():
        at = int(bad.argmax())
        raise PredictionsError(f"Position {at} of {word} is {array[at]}.", fix="leave such samples out of all arrays")
    return array


def groups_of(sensitive_features: ArrayLike | None, n: int) -> tuple[IntArray, list[Hashable]]:
    """Group index (-1 missing) and names; no groups without sensitive features."""
    if sensitive_features is None:
        return np.full(n, -1, dtype=np.int64), []
    group, names = group_codes(sensitive_features)
    if group.size != n:
        raise PredictionsError(
            f"sensitive_features has {group.size} values for {n} samples.", fix="give one group per sample"
        )
    return group, names


def by_group(statistic: Callable[[Any], float], n: int, sensitive_features: ArrayLike | None) -> Measured:
    """A statistic of row indices over all n rows, and over the rows of every group.

    Samples without a group count in the overall value only. `n_undefined` counts the NaN among the shown values.
    """
    group, names = groups_of(sensitive_features, n)
    overall = float(statistic(np.arange(n)))
    rows = {name: np.flatnonzero(group == g) for g, name in enumerate(names)}
    values = {name: float(statistic(inside)) for name, inside in rows.items()}
    return Measured(
        value=overall,
        per_group=values,
        n_per_group={name: int(inside.size) for name, inside in rows.items()},
        n=n,
        n_missing=int((group < 0).sum()) if sensitive_features is not None else 0,
        n_undefined=int(np.isnan(list(values.values()) or [overall]).sum()),
    )


def between_groups(
    distance: Callable[[FloatArray, FloatArray], float], values: FloatArray, sensitive_features: ArrayLike
) -> Measured:
    """Largest distance between the values of any two groups; `per_group` is that of a group to all other groups.

    NaN with fewer than two groups.
    """
    group, names = groups_of(sensitive_features, values.size)
    parts = [values[group == g] for g in range(len(names))]
    pairs = [distance(a, b) for a, b in combinations(parts, 2)]
    known = values[group >= 0], group[group >= 0]
    rest = {
        name: distance(parts[g], known[0][known[1] != g]) if len(names) > 1 else float("nan")
        for g, name in enumerate(names)
    }
    return Measured(
        value=float(max(pairs)) if pairs else float("nan"),
        per_group=rest,
        n_per_group={name: int(parts[g].size) for g, name in enumerate(names)},
        n=values.size,
        n_missing=int((group < 0).sum()),
        n_undefined=0 if pairs else 1,
    )


def ks_distance(a: FloatArray, b: FloatArray) -> float:
    """Kolmogorov-Smirnov distance: the largest difference of the two distribution functions."""
    a, b = np.sort(a), np.sort(b)
    at = np.concatenate([a, b])
    steps = np.searchsorted(a, at, side="right") / a.size - np.searchsorted(b, at, side="right") / b.size
    return float(np.abs(steps).max())


def wasserstein_distance(a: FloatArray, b: FloatArray) -> float:
    """Wasserstein-1 distance: the area between the two distribution functions, in the unit of the values."""
    a, b = np.sort(a), np.sort(b)
    at = np.sort(np.concatenate([a, b]))
    left = at[:-1]
    steps = np.searchsorted(a, left, side="right") / a.size - np.searchsorted(b, left, side="right") / b.size
    return float((np.abs(steps) * np.diff(at)).sum())


def record(
    name: str,
    title: str,
    function: Callable[..., Measured],
    *,
    kind: Literal["performance", "gap"] = "performance",
    low: float = 0.0,
    high: float = 1.0,
    optimum: float | None = None,
    two_sided: bool = False,
    null: Literal["label", "none"] = "none",
    source: str = "standard",
) -> MetricInfo:
    """Registry record of a metric that needs values of its own, not class answers; a gap's optimum is 0."""
    best = optimum if optimum is not None else (0.0 if kind == "gap" else high)
    better = None if two_sided else best > low
    return MetricInfo(name, title, kind, low, high, best, better, "values", null, source, function)
