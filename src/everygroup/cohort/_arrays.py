"""From arrays, or the items of a data set, to the table and images that a cohort is built of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort.outcome import Target
from everygroup.errors import CohortError


def table_of(
    y: Sequence[Any] | np.ndarray | None,
    sensitive_features: Mapping[str, Sequence[Any]] | pd.DataFrame | Sequence[Any],
    *,
    n: int,
    classes: Sequence[str] | None,
    findings: bool,
    ids: Sequence[Any] | None,
    units: Sequence[Any] | None,
    extra: pd.DataFrame | None,
) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]:
    """Return a table with the columns id, what y tells, unit, the attributes and more; y's columns; the attributes.

    Raises
    ------
    CohortError
        For columns of different lengths or of one name, and indices outside the classes.
    """
    if isinstance(sensitive_features, (Mapping, pd.DataFrame)):
        columns = {str(k): _as_list(values) for k, values in sensitive_features.items()}
    else:
        columns = {"group": _as_list(sensitive_features)}
    for name, values in {**columns, "ids": ids, "units": units}.items():
        if values is not None and len(values) != n:
            raise CohortError(f"{n} labels but {len(values)} values of {name}.")
    told = _findings(y, classes) if findings else {} if y is None else {"label": _labels(_as_list(y), classes)}
    own = {"id": np.arange(n) if ids is None else _as_list(ids), **told}
    if units is not None:
        own["unit"] = _as_list(units)
    more = [] if extra is None else list(extra.columns)
    if taken := [k for k in [*columns, *more] if k in own or (k in columns and k in more)]:
        raise CohortError(f"Two columns would be called {taken[0]!r}.", fix="rename the attribute or extra column")
    table = pd.DataFrame({**own, **columns})
    if extra is not None:
        table = pd.concat([table, extra.reset_index(drop=True)], axis=1)
    return table, tuple(told), tuple(columns)


def _labels(labels: list[Any], classes: Sequence[str] | None) -> list[Any]:
    if classes is None or not np.issubdtype(np.asarray(labels).dtype, np.integer):
        return labels
    if labels and (min(labels) < 0 or max(labels) >= len(classes)):
        raise CohortError(f"A label index lies outside the {len(classes)} classes.")
    return [str(classes[v]) for v in labels]


def _findings(y: Sequence[Any] | np.ndarray | None, names: Sequence[str] | None) -> dict[str, Any]:
    values = np.asarray(y, dtype=np.float32)
    if values.ndim != 2 or (names is not None and len(names) != values.shape[1]):
        raise CohortError(f"y has shape {values.shape}.", fix="give (n, L) of 1, 0 and NaN, and L names as classes=")
    names = [f"finding {k}" for k in range(1, values.shape[1] + 1)] if names is None else names
    return {str(name): values[:, k] for k, name in enumerate(names)}


def items_of(dataset: Any, attributes: Sequence[str], target: Target) -> tuple[np.ndarray, Any, dict[str, list[Any]]]:
    """Return the images, the labels (or masks, or undegraded images) and the attributes of a data set's items.

    Raises
    ------
    CohortError
        For an empty data set, images of several sizes or outside [0, 1], and other numbers of attributes.
    """
    images, answers = [], []
    columns: dict[str, list[Any]] = {name: [] for name in attributes}
    for i in range(len(dataset)):
        image, answer, values = dataset[i]
        images.append(_as_pixels(np.asarray(image), i))
        if target == "image":
            answers.append(_as_pixels(np.asarray(answer), i))
        elif target in ("mask", "labels"):
            answers.append(np.asarray(answer, dtype=np.uint8 if target == "mask" else np.float32))
        else:
            answers.append(answer.item() if hasattr(answer, "item") else answer)
        values = values if isinstance(values, (tuple, list)) else (values,)
        if len(values) != len(attributes):
            raise CohortError(
                f"Item {i} of the data set has {len(values)} attributes, but {len(attributes)} are named.",
                fix="name them in order, as in attributes=('sex', 'age')",
            )
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value.item() if hasattr(value, "item") else value)
    if len({image.shape for image in images}) > 1:
        raise CohortError("The data set's images differ in size.", fix="resize them to one size first")
    if not images:
        raise CohortError("The data set is empty.")
    return np.stack(images), np.stack(answers) if target in ("mask", "labels", "image") else answers, columns


def _as_list(values: Any) -> list[Any]:
    """Return a sequence, array, series or tensor as a list of plain values."""
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _as_pixels(image: np.ndarray, position: int) -> np.ndarray:
    """Bring a data set's image to (H, W, C) uint8; vectors stay float32."""
    if image.ndim == 1:
        return image.astype(np.float32)
    channels_first = image.ndim == 3 and image.shape[0] in (1, 3)
    if np.issubdtype(image.dtype, np.floating):
        if not np.isfinite(image).all() or image.min() < 0 or image.max() > 1:
            raise CohortError(
                f"Image {position} of the data set has values outside [0, 1].",
                fix="leave normalisation out of the data set's transform: the network normalises inside",
            )
        image = np.round(image * 255).astype(np.uint8)
    else:  # a tensor of bytes may have its channels first; an image three pixels high has them last
        channels_first = channels_first and image.shape[2] not in (1, 3, 4)
    if channels_first:
        image = image.transpose(1, 2, 0)
    if image.dtype != np.uint8:
        raise CohortError(f"Image {position} of the data set is {image.dtype}.", fix="give uint8, or floats in [0, 1]")
    return image[..., None] if image.ndim == 2 else image
