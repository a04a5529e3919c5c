"""Labels, class names, scores and groups: checked once, with the first wrong row named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.cohort.groups import as_category
from everygroup.errors import PredictionsError
from everygroup.predictions._coding import Index, categories, class_order, coded, group_order, one_column

SCORE = "score_"
LEADING = ("id", "unit", "y_true", "y_pred")
TRAILING = ("group", "split", "route", "model")
SUM_TOLERANCE = 0.01
MAX_CLASSES = 1000

Where = Callable[[int], str]


def as_scores(y_score: Any) -> NDArray[np.float64]:
    """Return scores as a new (n, K) array; one column is that of the second of two classes."""
    try:
        array = np.asarray(y_score)
        if array.dtype.kind == "c":
            raise TypeError("complex numbers")
        score = np.array(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PredictionsError(f"The scores are no numbers ({error}).", fix="give probabilities in [0, 1]") from None
    if score.ndim == 0:
        raise PredictionsError("The scores are a single number.", fix="give one row a sample")
    if score.ndim == 2 and score.shape[1] == 1:
        score = score[:, 0]
    return np.stack([1.0 - score, score], axis=1) if score.ndim == 1 else score


def check_scores(score: NDArray[np.float64], n_classes: int, where: Where) -> None:
    """Stop at the first row whose scores are no probabilities."""
    if score.ndim != 2 or score.shape[1] != n_classes:
        raise PredictionsError(
            f"The scores have shape {score.shape} but there are {n_classes} classes.",
            fix="give one score per class, and the class names in the same order",
        )
    with np.errstate(invalid="ignore"):  # inf - inf
        total = score.sum(axis=1)
    if not np.isfinite(total).all():
        undefined = ~np.isfinite(score).all(axis=1)
        raise PredictionsError(f"{where(int(undefined.argmax()))}: a score is missing or no number.", fix="fill it in")
    if score.size and (score.min() < 0 or score.max() > 1):
        row = int(((score < 0) | (score > 1)).any(axis=1).argmax())
        value = score[row][(score[row] < 0) | (score[row] > 1)][0]
        raise PredictionsError(
            f"{where(row)}: the score {value:g} is not in [0, 1].",
            fix="give probabilities (softmax of the logits); for any other score of abnormality use the task 'anomaly'",
        )
    off = np.abs(total - 1.0) > SUM_TOLERANCE
    if off.any():
        row = int(off.argmax())
        raise PredictionsError(
            f"{where(row)}: the scores sum to {total[row]:.4g}, not 1.",
            fix="give a score for every class, normalised to sum to 1; where several classes can be true of one sample "
            "use the task 'multilabel'",
        )


def likeliest(score: NDArray[np.float64], names: Sequence[str]) -> Index:
    """(n,) class of the highest score; a tie goes to the positive one of two classes, else to the first by name.

    So a score of exactly the cut is positive, as with every threshold, and the order of the columns is of no matter.
    """
    if len(names) == 2:
        return (score[:, 1] >= score[:, 0]).astype(np.int64)
    answer = score.argmax(axis=1)
    highest = score == score[np.arange(len(score)), answer][:, None]
    ties = np.flatnonzero(highest.sum(axis=1) > 1)
    if ties.size:
        place = {name: k for k, name in enumerate(class_order(names))}
        rank = np.array([place[name] for name in names])
        answer[ties] = np.where(highest[ties], rank, len(names)).argmin(axis=1)
    return answer


def class_names(classes: Sequence[Any] | None, score: NDArray[np.float64] | None, *labels: Any) -> tuple[str, ...]:
    """Return the given names as text, or those found in the labels; integer labels are their own names."""
    arrays = [a for a in labels if a is not None]
    if classes is not None:
        names = tuple(str(c) for c in classes)
    elif all(isinstance(a, np.ndarray) and a.dtype.kind in "iu" for a in arrays):
        highest = max((int(a.max(initial=-1)) for a in arrays), default=-1)
        _check_count(highest + 1)
        if highest == 1 and any((a == -1).any() and not (a == 0).any() for a in arrays):
            raise PredictionsError(
                "The labels are -1 and 1 and never 0; here -1 means 'unknown'.",
                fix="code the negative class as 0, or give labels as text with classes=['-1', '1']",
            )
        n_classes = max(highest + 1, 0 if score is None or score.ndim != 2 else score.shape[1])
        names = tuple(str(k) for k in range(n_classes))
    else:
        found = {name for a in arrays for name in categories(a)[1]}
        _check_count(len(found))
        names = class_order(found)
    if len(set(names)) != len(names) or not names or "" in names:
        raise PredictionsError(
            f"The class names {list(names)} are empty or not unique.",
            fix="name every class once; is every label empty?",
        )
    return names


def _check_count(n_classes: int) -> None:
    if n_classes > MAX_CLASSES:
        raise PredictionsError(
            f"The labels would make {n_classes} classes.",
            fix="is this column an id, or a measured number (task 'regression')? Otherwise give class names",
        )


def label_index(word: str, labels: Any, names: tuple[str, ...], n: int, where: Where) -> Index:
    """Index labels given as class index or class name; -1 where unknown."""
    values = one_column(word, labels, n)
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        wrong = (values < -1) | (values >= len(names)) if values.dtype.kind == "i" else values >= len(names)
        if wrong.any():
            row = int(wrong.argmax())
            raise PredictionsError(
                f"{where(row)}: class index {values[row]} in {word} with {len(names)} classes.",
                fix=f"use 0..{len(names) - 1}, or -1 for unknown",
            )
        return values.astype(np.int64)
    codes, distinct = coded(values)
    position = {name: k for k, name in enumerate(names)}
    # a class may be called 'none' or 'unknown': its exact name counts before the words for missing
    texts = [v if isinstance(v, str) and v in position else as_category(v) for v in distinct]
    lookup = np.array([*(-1 if t is None else position.get(t, -2) for t in texts), -1], dtype=np.int64)
    index = lookup[codes]
    if (index == -2).any():
        row = int((index == -2).argmax())
        label = str(texts[codes[row]])
        same = [name for name in names if name.casefold() == label.casefold()]
        why = f" {label!r} differs from {same[0]!r} only in case." if same else ""
        raise PredictionsError(
            f"{where(row)}: unknown label {label!r} in {word}.{why}", fix=f"the classes are: {', '.join(names)}"
        )
    return index


def attribute_columns(sensitive_features: Any) -> dict[str, Any]:
    """Attribute columns by name; names that the layout uses get a prefix, but 'group' is the grouping itself."""
    if sensitive_features is None:
        return {}
    if isinstance(sensitive_features, pd.DataFrame):
        pairs = [(str(name), sensitive_features.iloc[:, i]) for i, name in enumerate(sensitive_features.columns)]
    elif isinstance(sensitive_features, Mapping):
        pairs = [(str(name), values) for name, values in sensitive_features.items()]
    else:
        pairs = [("attribute", sensitive_features)]
    reserved = {*LEADING, *TRAILING} - {"group"}
    names = [f"attribute_{n}" if n in reserved or n.startswith(SCORE) else n for n, _ in pairs]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise PredictionsError(f"The attribute {twice[0]!r} is given twice.", fix="rename one of the columns")
    return dict(zip(names, (values for _, values in pairs), strict=True))


def group_index(group: Any, groups: Sequence[Any] | None, n: int) -> tuple[tuple[str, ...], Index]:
    """Group names in order, and the group of every row (-1 where missing)."""
    if group is None:
        return tuple(str(g) for g in groups if g is not None) if groups is not None else (), np.full(n, -1)
    values = one_column("group", group, n)
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        values = values.astype(np.int64)
        top = int(values.max(initial=-1))
        if groups is None and top >= n:
            raise PredictionsError(f"The group index {top} lies beyond {n} samples.", fix="give group names as text")
        names = tuple(str(g) for g in (groups if groups is not None else range(top + 1)))
        if top >= len(names) or values.min(initial=0) < -1:
            raise PredictionsError(f"A group index lies outside the {len(names)} groups.", fix="-1 means missing")
        return names, values
    codes, found = categories(values)
    names = tuple(str(g) for g in groups) if groups else tuple(sorted(found, key=group_order))
    if unknown := sorted(set(found) - set(names)):
        raise PredictionsError(f"Unknown group {unknown[0]!r}.", fix=f"the groups are: {', '.join(names)}")
    position = {name: i for i, name in enumerate(names)}
    return names, np.array([*(position[name] for name in found), -1], dtype=np.int64)[codes]
