"""The audit of a model's own predictions, whatever they are of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from everygroup.audit.result import Audit
from everygroup.audit.run import audit
from everygroup.audit.tasks import audit_anomaly, audit_multilabel, audit_regression, audit_segmentation
from everygroup.errors import PredictionsError, SettingsError
from everygroup.predictions import Predictions, TargetPredictions
from everygroup.predictions.of_targets import SCORE, TRUE
from everygroup.predictions.splits import Role, has_role


def audit_predictions(
    predicted: Predictions | TargetPredictions,
    *,
    baseline: Predictions | TargetPredictions | None = None,
    **options: Any,
) -> Audit:
    """Measure what a model predicted in every group, by the audit of its target.

    Samples whose truth is unknown are left out; of findings, unknown ones are. Masks are measured from the pixels, and
    an image that neither mask shows anything of has no Dice.

    Parameters
    ----------
    predicted, baseline : of one model, and of another one for the same samples (paired by id).
    **options : of `audit`, `audit_multilabel`, `audit_regression`, `audit_segmentation` (such as `blocks` or `regions`,
        for Dice by location), or `audit_anomaly`.

    Raises
    ------
    PredictionsError
        Without a known truth, or where the two do not fit together.
    """
    if isinstance(predicted, Predictions):
        assert not isinstance(baseline, TargetPredictions)
        return audit(predicted, baseline=baseline, **options)
    assert not isinstance(baseline, Predictions)
    known = _known(predicted)
    if not known.any():
        raise PredictionsError(
            "No sample has a known truth, so nothing can be measured.", fix="predict a cohort whose truth is known"
        )
    ours, theirs = predicted.where(known), None
    if baseline is not None:
        ours, theirs = ours.matching(baseline)
    options = {"method": str(ours.table["model"].iloc[0]), **options}
    options |= {"sensitive_features": ours.attributes, "cluster": ours.units}
    if ours.target == "labels":
        other = None if theirs is None else theirs.scores(SCORE)
        return audit_multilabel(ours.scores(TRUE), ours.scores(SCORE), labels=ours.names, baseline=other, **options)
    if ours.target == "number":
        other = None if theirs is None else theirs.numbers("y_pred")
        return audit_regression(ours.numbers("y_true"), ours.numbers("y_pred"), baseline=other, **options)
    if ours.target == "anomaly":
        other = None if theirs is None else theirs.numbers("anomaly_score")
        y = (ours.table["y_true"] == "anomaly").to_numpy(np.int64)
        return audit_anomaly(y, ours.numbers("anomaly_score"), baseline=other, **options)
    if ours.target == "mask":
        options = {"empty": float("nan"), "classes": range(1, len(ours.names) + 1), **options}
        answered = None if theirs is None else theirs.pictures
        assert ours.truth is not None
        assert ours.pictures is not None
        return audit_segmentation(masks=(ours.truth, ours.pictures), baseline=answered, **options)
    raise SettingsError(f"There is no audit of target {ours.target!r}.")


def normal_scores(predicted: TargetPredictions, role: Role = "validation") -> NDArray[np.float64]:
    """Return the anomaly scores of normals of one role, for `validation_normals` of the audit."""
    chosen = has_role(predicted.table["split"], role) & (predicted.table["y_true"] == "normal").to_numpy(bool)
    return predicted.numbers("anomaly_score")[chosen]


def _known(predicted: TargetPredictions) -> NDArray[np.bool_]:
    if predicted.target == "labels":
        return np.asarray(~np.isnan(predicted.scores(TRUE)).all(axis=1))
    if predicted.target == "number":
        return np.asarray(~np.isnan(predicted.numbers("y_true")))
    if predicted.target == "anomaly":
        return (predicted.table["y_true"] != "").to_numpy(bool)
    measured = {"mask": "dice", "image": "psnr"}[predicted.target]
    return np.full(len(predicted), measured in predicted.table)
