"""Evaluate any function of rows overall and for every group."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import PredictionsError
from everygroup.metrics._inputs import FloatArray, IntArray, group_codes, score_codes
from everygroup.metrics.measured import Measured


def measure_rows(
    value: Callable[[IntArray], float | tuple[float, int]], n: int, sensitive_features: ArrayLike | None
) -> Measured:
    """Evaluate `value(rows)` over all n rows and over those of every group; it may also say how much was undefined.

    Raises
    ------
    PredictionsError
        For sensitive features of another length.
    """
    parts: list[tuple[Hashable, IntArray]] = []
    n_missing = 0
    if sensitive_features is not None:
        group, names = group_codes(sensitive_features)
        if group.size != n:
            raise PredictionsError(
                f"sensitive_features has {group.size} values but there are {n} samples.", fix="give one per sample"
            )
        parts = [(name, np.flatnonzero(group == g)) for g, name in enumerate(names)]
        n_missing = int((group < 0).sum())

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
        n_missing=n_missing,
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
