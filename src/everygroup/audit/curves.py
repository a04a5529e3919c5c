"""The curves of an audit: ROC, precision-recall, calibration and risk-coverage of every group and of all rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from everygroup.audit.partition import Partition
from everygroup.errors import SettingsError
from everygroup.metrics.calibration import confidence
from everygroup.metrics.curves import (
    LIMIT,
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
    classes = predictions.classes
    if label is not None and label not in classes:
        raise SettingsError(f"Unknown class {label!r}.", fix=f"the classes are: {', '.join(classes)}")
    if not predictions.has_scores:
        return []
    cluster = predictions.unit_index if predictions.clustered else None
    at = classes.index(label) if label is not None else (1 if len(classes) == 2 else None)
    true, score = predictions.y_true, predictions.y_score
    answers = _Answers(*confidence(true, score, at), score.argmax(axis=1) != true, score.max(axis=1))
    parts = [(partition.names[s], np.flatnonzero(partition.slot == s)) for s in partition.comparable]
    rows: list[dict[str, Any]] = []
    for name, inside in [("overall", np.arange(true.size)), *parts]:
        units = None if cluster is None else cluster[inside]
        if at is None:
            named, (roc, precision_recall) = MACRO, macro_points(true, score, rows=inside, points=min(limit, 101))
        else:
            named, positive, column = classes[at], true[inside] == at, score[inside, at]
            roc = roc_points(positive, column, cluster=units, limit=limit)
            precision_recall = precision_recall_points(positive, column, cluster=units, limit=limit)
        judged = TOP_LABEL if at is None else named
        calibration = reliability_points(answers.stated[inside], answers.outcome[inside], cluster=units)
        risk = risk_coverage_points(answers.wrong[inside], answers.surest[inside], cluster=units, limit=limit)
        for kind, of, curve in (
            ("roc", named, roc),
            ("precision_recall", named, precision_recall),
            ("calibration", judged, calibration),
            ("risk_coverage", ANSWER, risk),
        ):
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


class _Answers(NamedTuple):
    """Of every row (n,): the probability judged by calibration and its outcome; errors, and how sure the answer is."""

    stated: NDArray[np.float64]
    outcome: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    surest: NDArray[np.float64]
