"""The audit of predicted classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import pandas as pd
from numpy.typing import ArrayLike

from everygroup.audit.called import called
from everygroup.audit.choice import Metrics, choose
from everygroup.audit.comparison import pair
from everygroup.audit.driver import Options, run
from everygroup.audit.flags import general_flags
from everygroup.audit.result import Audit
from everygroup.audit.sources import features_of
from everygroup.audit.tasks.classes import Classes
from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics.classification import Convention
from everygroup.predictions import Predictions


def audit(
    predictions: Predictions,
    *,
    baseline: Predictions | None = None,
    embeddings: ArrayLike | None = None,
    calibration: Predictions | None = None,
    n_boot: int = 1000,
    seed: int = 0,
    min_n: int = 10,
    attributes: Sequence[str] | None = None,
    convention: Convention = "skip",
    stratify: bool = True,
    metrics: Metrics = "standard",
    critical: Sequence[str] = (),
    interval: Literal["auto", "percentile"] = "auto",
    intersections: int = 0,
    data_set: str = "",
    method: str = "",
    run_seed: int | None = None,
    label: str = "",
) -> Audit:
    """Measure a model's performance in every group, the gaps between them, and how certain all this is.

    Parameters
    ----------
    predictions : rows whose y_true is known are used.
    baseline : answers of another model for the same samples (paired by id); gives `Audit.comparison`.
    embeddings : (n, d) features of the rows of `predictions`, to see in `Audit.sources` whether groups can be told from
        them.
    calibration : other rows of the same model, such as those of the split 'validation', to set the size of 90 %
        prediction sets on, whose coverage by group is then in `Audit.sources`.
    n_boot : bootstrap replicates of the clusters (patients), and shuffles of the permutation null.
    seed : of both.
    min_n : smaller groups are shown, noted as too small, and left out of gaps; so are groups of one patient or lesion.
    attributes : which to audit: 'group' is the grouping used in training; all by default.
    convention : 'skip' leaves undefined rates and absent classes out of macro averages, 'lab' counts them as 0 like
        the code behind the SPARE tables.
    stratify : whether every replicate keeps each group's number of clusters.
    metrics : what to show: 'standard' (with two classes sensitivity, specificity and predictive values of the second,
        which is the positive one; with more the balanced accuracy and the recall of the critical classes), 'all' (with
        every rate of every class), or names such as 'macro_f1', 'ece', 'recall' (of the positive class, or of every
        one of more than two) and 'recall[melanoma]'. The first leads, or the recall of the first critical class.
    critical : classes whose recall matters most, such as a cancer among several lesions.
    interval : 'auto' gives Wilson's interval to proportions, BCa to other values, and folded simultaneous intervals to
        gaps; 'percentile' the bootstrap percentile interval to everything.
    intersections : audit all subgroups of up to this many attributes; 0 leaves them out.
    label : the column of the labels, after which the pages call classes that are only 0 and 1.
    data_set, method, run_seed : what to write in the columns data_set, method (the model's name by default) and seed.

    Returns
    -------
    Audit

    Raises
    ------
    SettingsError
        For an unknown metric, interval or convention, or a number that is too small.
    PredictionsError
        Without known labels or sensitive attributes, or when the baseline, `embeddings` or `calibration` do not fit.
    """
    if convention not in get_args(Convention):
        raise SettingsError(
            f"The convention {convention!r} is unknown.", fix=f"choose {' or '.join(get_args(Convention))}"
        )
    known = predictions.y_true >= 0
    if not known.any():
        raise PredictionsError(
            "No sample has a known label (y_true), so nothing can be measured.", fix="name the label with --y-true"
        )
    if calibration is not None and calibration.classes != predictions.classes:
        raise PredictionsError(
            f"The classes of the calibration rows are {', '.join(calibration.classes)}, those of the predictions "
            f"{', '.join(predictions.classes)}.",
            fix="give rows of the same model",
        )
    used = predictions if known.all() else predictions.where(known)
    matched = None if baseline is None else pair(used, baseline)
    figures = choose(metrics, used.classes, scores=used.has_scores, critical=critical)
    task = Classes.of(
        used,
        figures,
        convention,
        column=label,
        matched=matched,
        embeddings=None if embeddings is None else features_of(embeddings, known.size)[known],
        calibration=calibration,
        flags=[*general_flags(predictions, known, called(used.classes, label)), *(matched.notes if matched else ())],
        model=_model_name(predictions),
        baseline_name="" if baseline is None else _model_name(baseline) or "baseline",
    )
    options: Options = {
        "n_boot": n_boot,
        "seed": seed,
        "min_n": min_n,
        "attributes": attributes,
        "stratify": stratify,
        "interval": interval,
        "intersections": intersections,
        "data_set": data_set,
        "method": method,
        "run_seed": run_seed,
    }
    return run(task, options)


def audit_arrays(
    y_true: ArrayLike,
    *,
    y_pred: ArrayLike | None = None,
    y_score: ArrayLike | None = None,
    sensitive_features: Mapping[str, Sequence[Any]] | pd.DataFrame | ArrayLike,
    cluster: ArrayLike | None = None,
    classes: Sequence[Any] | None = None,
    **options: Any,
) -> Audit:
    """Audit arrays.

    Parameters
    ----------
    y_true : (n,) labels; y_pred : (n,) answers and/or y_score : (n, K) probabilities.
    sensitive_features : attribute columns by name, or one sequence.
    cluster : (n,) patient or lesion of every sample.
    classes : class names in the order of the scores.
    **options : of `audit`.
    """
    predictions = Predictions.from_arrays(
        y_true, y_score, y_pred=y_pred, classes=classes, sensitive_features=sensitive_features, units=cluster
    )
    return audit(predictions, **options)


def _model_name(predictions: Predictions) -> str:
    return " + ".join(sorted({m for m in predictions.table["model"].unique() if m}))
