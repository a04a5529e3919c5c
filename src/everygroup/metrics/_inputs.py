"""Bring labels, scores and sensitive features of any kind to index arrays."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import PredictionsError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def is_missing(value: Any) -> bool:
    """A missing sensitive feature: None, NaN, the empty string or the index -1."""
    if value is None or value is pd.NA:
        return True
    if isinstance(value, (float, np.floating)):
        return bool(np.isnan(value)) or value == -1
    return bool(value == "" or (isinstance(value, (int, np.integer)) and value == -1))


def group_codes(sensitive_features: ArrayLike) -> tuple[IntArray, list[Hashable]]:
    """Index (-1 where missing) and names, sorted, of a one-dimensional sensitive feature."""
    values = np.asarray(sensitive_features, dtype=object)
    if values.ndim != 1:
        raise PredictionsError(
            f"sensitive_features has {values.ndim} dimensions.",
            fix="give one value per sample; audit several attributes one after the other",
        )
    items = [v.item() if isinstance(v, np.generic) else v for v in values]
    known = {v for v in items if not is_missing(v)}
    names: list[Hashable] = sorted(known, key=lambda v: (isinstance(v, str), v))
    position = {v: i for i, v in enumerate(names)}
    return np.array([position.get(v, -1) for v in items], dtype=np.int64), names


def combined_codes(sensitive_features: Any) -> tuple[IntArray, list[Hashable]]:
    """Like `group_codes`, and the intersections of several columns: a table, a mapping of columns or (n, m) values.

    A row that misses one of the columns is missing.
    """
    if isinstance(sensitive_features, Mapping):
        sensitive_features = pd.DataFrame(dict(sensitive_features))
    values = np.asarray(sensitive_features, dtype=object)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 2:
        return group_codes(values)
    columns = [group_codes(values[:, j]) for j in range(values.shape[1])]
    codes = np.stack([c for c, _ in columns], axis=1)
    known = (codes >= 0).all(axis=1)
    found, at = np.unique(codes[known], axis=0, return_inverse=True)
    index = np.full(len(values), -1, dtype=np.int64)
    index[known] = at.reshape(-1)
    return index, [tuple(names[i] for (_, names), i in zip(columns, row, strict=True)) for row in found.tolist()]


def class_codes(
    y_true: ArrayLike, y_pred: ArrayLike, classes: Sequence[Hashable] | None = None
) -> tuple[IntArray, IntArray, list[Hashable]]:
    """Index both label arrays over one fixed class list (the sorted union when not given).

    Raises
    ------
    PredictionsError
        For arrays of different length, or labels outside `classes`.
    """
    true, pred = np.asarray(y_true), np.asarray(y_pred)
    if true.ndim != 1 or true.shape != pred.shape:
        raise PredictionsError(
            f"y_true has shape {true.shape} but y_pred {pred.shape}.", fix="give one label per sample in both"
        )
    names = list(classes) if classes is not None else sorted({*true.tolist(), *pred.tolist()})
    position = {name: i for i, name in enumerate(names)}
    for word, array in (("y_true", true), ("y_pred", pred)):
        for row, label in enumerate(array.tolist()):
            if label not in position:
                raise PredictionsError(f"Position {row} of {word}: unknown label {label!r}.", fix=f"classes: {names}")
    codes = [np.array([position[v] for v in a.tolist()], dtype=np.int64) for a in (true, pred)]
    return codes[0], codes[1], names


def class_list(y_true: ArrayLike, y_pred: ArrayLike, classes: Sequence[Hashable] | None) -> list[Hashable]:
    """Return the given classes, {0, 1} or {-1, 1} where these hold all labels, or the sorted labels."""
    if classes is not None:
        return list(classes)
    found = {*np.ravel(y_true).tolist(), *np.ravel(y_pred).tolist()}
    for usual in ([0, 1], [-1, 1]):
        if found <= set(usual):
            return list(usual)
    return sorted(found)


def score_codes(
    y_true: ArrayLike, y_score: ArrayLike, classes: Sequence[Hashable] | None = None
) -> tuple[IntArray, FloatArray]:
    """Label index and (n, K) scores; one-dimensional scores are those of the second of two classes."""
    true, score = np.asarray(y_true), np.asarray(y_score, dtype=np.float64)
    if score.ndim == 1:
        score = np.stack([1.0 - score, score], axis=1)
    if score.ndim != 2 or true.ndim != 1 or len(true) != len(score):
        raise PredictionsError(f"y_true has shape {true.shape} but y_score {np.shape(y_score)}.", fix="give (n, K)")
    if np.isnan(score).any():
        raise PredictionsError(f"Position {int(np.isnan(score).any(axis=1).argmax())} of y_score is NaN.")
    if classes is None and np.issubdtype(true.dtype, np.number):
        classes = list(range(score.shape[1]))
    index, _, names = class_codes(true, true, classes)
    if len(names) != score.shape[1]:
        raise PredictionsError(
            f"y_score has {score.shape[1]} columns but y_true {len(names)} classes.", fix="name the classes in order"
        )
    return index, score
