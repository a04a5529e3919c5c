"""From what a user hands over to what a cohort holds: labels, units and pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from everygroup.cohort.groups import as_category, natural_key
from everygroup.errors import CohortError
from everygroup.tables.codings import Coding, codings
from everygroup.tables.kinds import looks_measured, no_classes

MAX_CLASSES = 1000
BY_IMAGE = "none"
"""Given for the column of the patient: there is none, every image is for itself."""


def read_labels(
    table: pd.DataFrame,
    label: str | None,
    classes: Sequence[str] | None,
    *,
    allow_unlabelled: bool = False,
    label_codes: bool = False,
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the class names and each row's index among them; -1 for a missing label, where those are allowed."""
    if label is None:
        if classes is None:
            raise CohortError("Neither a label column nor class names are given.", fix="name the label column")
        return tuple(str(c) for c in classes), np.full(len(table), -1)
    if classes is None and not label_codes:
        refuse_measured(table[label], label)
    known = set() if classes is None else {str(c) for c in classes}
    names = [text if (text := str(v).strip()) in known else as_category(v) for v in table[label]]
    if not allow_unlabelled and any(v is None for v in names):
        at = [i for i, v in enumerate(names) if v is None]
        raise CohortError(
            f"{len(at)} of {len(names)} labels in column {label!r} are missing, the first in row {at[0] + 2}.",
            fix="fill them in or remove these rows; a diagnosis model cannot learn from an unlabelled image",
        )
    found = sorted({v for v in names if v is not None}, key=natural_key)
    classes = tuple(found) if classes is None else tuple(str(c) for c in classes)
    if unknown := Counter(v for v in names if v is not None and v not in classes):
        raise _unknown_labels(label, unknown, names.index(next(iter(unknown))) + 2, classes)
    if len(classes) > MAX_CLASSES:
        raise CohortError(f"Column {label!r} has {len(classes)} different values.", fix="choose the label column")
    position = {name: i for i, name in enumerate(classes)}
    return classes, np.array([-1 if v is None else position[v] for v in names])


def _unknown_labels(label: str, unknown: Mapping[str, int], row: int, classes: Sequence[str]) -> CohortError:
    """Build the error for labels that are no class, with the options that map those that look like one."""
    shown = ", ".join(f"{v!r} ({n} rows)" for v, n in list(unknown.items())[:6])
    options = []
    for coding in codings({**dict.fromkeys(classes, 0), **unknown}):
        known = [v for v in coding.counts if v in classes]
        others = [v for v in coding.counts if v in unknown]
        if len(known) == 1 and others:
            options.append(Coding(known[0], {v: unknown[v] for v in others}).map_option(label))
    example = f"--map '{label}:{next(iter(unknown))}=CLASS'"
    return CohortError(
        f"Row {row}: unknown label{'s' if len(unknown) > 1 else ''} {shown}{', ...' if len(unknown) > 6 else ''} in "
        f"column {label!r}; the classes are {', '.join(classes[:20])}{', ...' if len(classes) > 20 else ''}.",
        fix=" ".join(options) or f"call them as the classes are called, as in {example}, or remove these rows",
    )


def refuse_measured(values: pd.Series, label: str) -> None:
    """Refuse a label that is a measured number, a date or a free text: each of its values would become a class.

    Raises
    ------
    CohortError
    """
    if looks_measured(values):
        n = int(values.nunique())
        raise CohortError(
            f"The label {label!r} holds {n:,} different numbers: a measured number, not classes.",
            fix="choose the column of the diagnosis with --label; predict the number itself with --target number; or, "
            "where its numbers are codes of classes, say so with --label-codes",
        )
    if what := no_classes(values):
        raise CohortError(
            f"The label {label!r} holds {what}: no classes.", fix="choose the column of the diagnosis with --label"
        )


def read_units(table: pd.DataFrame, split_by: str | None, ids: np.ndarray) -> np.ndarray:
    """Return each sample's patient or lesion; a missing one is a unit of its own."""
    if split_by in (None, BY_IMAGE):
        return ids
    values = [as_category(v) for v in table[split_by]]
    return np.array([v if v is not None else f"no {split_by}: {i}" for v, i in zip(values, ids, strict=True)])


def check_pixels(images: np.ndarray) -> None:
    """Refuse float images (n, H, W, C) outside [0, 1]; vectors may hold any values.

    Raises
    ------
    CohortError
    """
    if images.ndim not in (4, 5) or images.dtype != np.float32 or not images.size:
        return
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 1):  # NaN, too
        raise CohortError(
            f"Float images have values from {low:g} to {high:g}, outside [0, 1].",
            fix="give uint8 pixels (0..255), or floats in [0, 1] without normalisation: the network normalises inside",
        )
