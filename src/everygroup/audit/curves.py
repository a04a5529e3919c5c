"""The curves of an audit: ROC, precision-recall, calibration and risk-coverage of every group and of all rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from everygroup.audit.partition import Partition
from everygroup.errors import SettingsError
from everygroup.metrics.calibration import confidence
from everygroup.metrics.curves import (
    LIMIT,
    Curve,
    macro_points,
    precision_recall_points,
    reliability_points,
    risk_coverage_points,
    roc_points,
)
from everygroup.predictions import Predictions

MACRO, TOP_LABEL, ANSWER = "macro", "top label", "answer"


def curve_rows(
    predictions: Predictions, partition: Partition, *, label: str | None = None, limit: int = LIMIT
) -> list[dict[str, Any]]:
    """Points of every curve of one attribute, as rows of `Audit.curves`.

    Parameters
    ----------
    predictions : rows whose label is known, the same rows as in `partition`; without scores there are no curves.
    partition : the groups. Groups that cannot be compared (too small, one patient, 'missing') have no curve.
    label : the class judged against the rest. By default the second of two classes; of more classes, ROC and
        precision-recall are the mean over the classes present ('macro', without interval) and calibration is that of
        the answer ('top label'). Risk-coverage is always that of the answer.
    limit : points kept of a curve.

    Returns
    -------
    Rows of attribute, group (a group's name or 'overall'), kind ('roc', 'precision_recall', 'calibration' or
    'risk_coverage'), label, x, y, low, high, n. Intervals are Wilson's for each point, widened for patients with
    several samples.

    Raises
    ------
    SettingsError
        For an unknown label.
    """
    if label is not None and label not in predictions.classes:
        raise SettingsError(f"Unknown class {label!r}.", fix=f"the classes are: {', '.join(predictions.classes)}")
    if not predictions.has_scores:
        return []
    true, score = predictions.y_true, predictions.y_score
    cluster = predictions.unit_index if predictions.clustered else None
    parts = [(partition.names[s], np.flatnonzero(partition.slot == s)) for s in partition.comparable]
    rows: list[dict[str, Any]] = []
    for name, inside in [("overall", np.arange(true.size)), *parts]:
        units = None if cluster is None else cluster[inside]
        for kind, of, curve in _curves(true[inside], score[inside], predictions.classes, label, units, limit):
            rows += [
                {
                    "attribute": partition.attribute,
                    "group": name,
                    "kind": kind,
                    "label": of,
                    **dict(zip(("x", "y", "low", "high", "n"), point, strict=True)),
                }
                for point in zip(*(column.tolist() for column in curve), strict=True)
            ]
    return rows


def _curves(
    true: NDArray[np.int64],
    score: NDArray[np.float64],
    classes: tuple[str, ...],
    label: str | None,
    units: NDArray[Any] | None,
    limit: int,
) -> list[tuple[str, str, Curve]]:
    """Kind, label and points of every curve of some rows."""
    at = classes.index(label) if label is not None else (1 if len(classes) == 2 else None)
    chosen = range(len(classes)) if at is None else [at]
    # a macro curve is averaged before it is thinned
    kept = true.size + 2 if at is None else limit
    found = {
        "roc": (roc_points(true == k, score[:, k], cluster=units, limit=kept) for k in chosen),
        "precision_recall": (
            precision_recall_points(true == k, score[:, k], cluster=units, limit=kept) for k in chosen
        ),
    }
    named = MACRO if at is None else classes[at]
    out = [
        (kind, named, macro_points(curves, points=min(limit, 101)) if at is None else next(curves))
        for kind, curves in found.items()
    ]
    stated, outcome = confidence(true, score, at)
    out.append(
        ("calibration", TOP_LABEL if at is None else classes[at], reliability_points(stated, outcome, cluster=units))
    )
    wrong = score.argmax(axis=1) != true
    out.append(("risk_coverage", ANSWER, risk_coverage_points(wrong, score.max(axis=1), cluster=units, limit=limit)))
    return out
