"""Evaluate any function of rows overall and in every group, compare groups, and check the numbers that go in."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import PredictionsError
from everygroup.metrics._inputs import FloatArray, IntArray, group_codes, score_codes
from everygroup.metrics.families import Family, RankFamily, SumFamily
from everygroup.metrics.measured import Measured

Undefined = int | Callable[[Any], int] | None
"""How many values behind a metric are undefined, or a function that counts them; see `measure_family`."""


def numbers(word: str, values: ArrayLike, *, length: int | None = None, undefined: bool = False) -> FloatArray:
    """One finite number per sample, of a given count; with `undefined` also NaN.

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
    bad = np.isinf(array) if undefined else ~np.isfinite(array)
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


def measure_rows(value: Callable[[IntArray], float], n: int, sensitive_features: ArrayLike | None) -> Measured:
    """Evaluate `value(rows)` over all n rows, also those without a group, and over the rows of every group."""
    group, names = groups_of(sensitive_features, n)
    parts = [np.flatnonzero(group == g) for g in range(len(names))]
    values, overall = np.array([value(rows) for rows in parts]), value(np.arange(n))
    sizes, missing = (
        [rows.size for rows in parts],
        0 if sensitive_features is None else n - sum(rows.size for rows in parts),
    )
    undefined = int(np.isnan(values if parts else overall).sum())
    return Measured.of(overall, names, values, sizes, n=n, n_missing=missing, n_undefined=undefined)


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


def class_names(y_true: ArrayLike, classes: Sequence[Hashable] | None, n_classes: int) -> list[Hashable]:
    """Names of the columns of scores: given, numbers where labels are, else the sorted labels."""
    if classes is not None:
        return list(classes)
    true = np.asarray(y_true)
    return list(range(n_classes)) if np.issubdtype(true.dtype, np.number) else sorted(set(true.tolist()))


def class_position(positive: Hashable, y_true: ArrayLike, classes: Sequence[Hashable] | None, n_classes: int) -> int:
    """Column of the scores that belongs to the class `positive`.

    Raises
    ------
    PredictionsError
        For an unknown class.
    """
    names = class_names(y_true, classes, n_classes)
    if positive not in names:
        raise PredictionsError(f"Unknown class {positive!r}.", fix=f"classes: {names}")
    return names.index(positive)


def measure_family(
    family: Family,
    metric: str,
    n: int,
    sensitive_features: ArrayLike | None,
    *,
    undefined: Undefined = None,
) -> Measured:
    """Evaluate one metric of a family of n rows over all of them and over those of every group.

    Of a gap the value is that between all groups, and that of a group is the gap between it and all others together.

    Parameters
    ----------
    undefined : what to count as undefined: a number, or a function of the sums (G, J) of the groups (of all rows
        without groups), of a `RankFamily` of the rows of each; the undefined values by default.

    Raises
    ------
    PredictionsError
        For sensitive features of another length.
    """
    group, names = groups_of(sensitive_features, n)
    parts = [np.flatnonzero(group == g) for g in range(len(names))]
    sums = np.zeros((0, 0))
    if isinstance(family, SumFamily):
        whole = _sums(family, np.arange(n))
        sums = np.stack([_sums(family, rows) for rows in parts]) if parts else whole[None]
        if metric in family.gaps:
            value = float(family.gap_values(sums)[metric])
            together = sums.sum(axis=0)
            apart = np.stack([sums, together - sums], axis=1) if len(parts) > 1 else sums[:, None]
            values = family.gap_values(apart)[metric]
            missed = int(np.isnan(value))
        else:
            value, values = float(family.values(whole)[metric]), family.values(sums)[metric]
            missed = int(np.isnan(values).sum())
    elif isinstance(family, RankFamily):
        value = _ranked(family, metric, np.arange(n))
        values = np.array([_ranked(family, metric, rows) for rows in parts])
        missed = int(np.isnan(values if parts else value).sum())
    if callable(undefined):
        missed = sum(map(undefined, parts or [np.arange(n)])) if isinstance(family, RankFamily) else undefined(sums)
    elif undefined is not None:
        missed = undefined
    sizes = [rows.size for rows in parts]
    missing = 0 if sensitive_features is None else n - sum(sizes)
    return Measured.of(value, names, values if names else [], sizes, n=n, n_missing=missing, n_undefined=missed)


def _sums(family: SumFamily, rows: IntArray) -> FloatArray:
    return np.asarray(family.take(rows).sum(axis=0), dtype=np.float64).reshape(-1)


def _ranked(family: RankFamily, metric: str, rows: IntArray) -> float:
    evaluate = family.bind(rows, np.arange(rows.size), rows.size)
    return float(evaluate(np.ones((rows.size, 1), dtype=np.float32))[metric][0])
