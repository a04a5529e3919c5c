"""Evaluate any function of rows overall and in every group, compare groups, and check the numbers that go in."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import PredictionsError
from everygroup.metrics._inputs import FloatArray, IntArray, group_codes, score_codes
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


def measure_rows(
    value: Callable[[IntArray], float | tuple[float, int]], n: int, sensitive_features: ArrayLike | None
) -> Measured:
    """Evaluate `value(rows)` over all n rows and over those of every group; it may also say how much was undefined.

    Samples without a group count in the overall value only.

    Raises
    ------
    PredictionsError
        For sensitive features of another length.
    """
    group, names = groups_of(sensitive_features, n)
    parts = [(name, np.flatnonzero(group == g)) for g, name in enumerate(names)]

    def one(rows: IntArray) -> tuple[float, int]:
        answer = value(rows)
        return answer if isinstance(answer, tuple) else (answer, int(np.isnan(answer)))

    overall, undefined = one(np.arange(n))
    answers = {name: one(rows) for name, rows in parts}
    return Measured(
        value=float(overall),
        per_group={name: float(v) for name, (v, _) in answers.items()},
        n_per_group={name: int(rows.size) for name, rows in parts},
        n=n,
        n_missing=int((group < 0).sum()) if sensitive_features is not None else 0,
        n_undefined=sum(u for _, u in answers.values()) if parts else undefined,
    )


def probability_codes(
    y_true: ArrayLike, y_score: ArrayLike, classes: Sequence[Hashable] | None
) -> tuple[IntArray, FloatArray]:
    """Like `score_codes`, for metrics that need probabilities.

    Raises
    ------
    PredictionsError
        Naming the first row with a score outside [0, 1].
    """
    index, score = score_codes(y_true, y_score, classes)
    outside = ((score < 0) | (score > 1)).any(axis=1)
    if outside.any():
        raise PredictionsError(
            f"Position {int(outside.argmax())} of y_score is not in [0, 1].",
            fix="give probabilities (softmax of the logits)",
        )
    return index, score


def class_position(positive: Hashable, y_true: ArrayLike, classes: Sequence[Hashable] | None, n_classes: int) -> int:
    """Column of the scores that belongs to the class `positive`.

    Raises
    ------
    PredictionsError
        For an unknown class.
    """
    true = np.asarray(y_true)
    if classes is not None:
        names = list(classes)
    elif np.issubdtype(true.dtype, np.number):
        names = list(range(n_classes))
    else:
        names = sorted(set(true.tolist()))
    if positive not in names:
        raise PredictionsError(f"Unknown class {positive!r}.", fix=f"classes: {names}")
    return names.index(positive)


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
