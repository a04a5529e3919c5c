"""Audit of anomaly scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from everygroup.audit.driver import Features, Options, Task, rows_of, run
from everygroup.audit.partition import Partition
from everygroup.audit.result import Audit
from everygroup.errors import PredictionsError
from everygroup.metrics._grouped import numbers
from everygroup.metrics.anomaly import (
    QUANTILE,
    TPR,
    AnomalyRanks,
    among_everybody,
    anomalies,
    flagged_at,
    normal_distances,
    threshold_at_tpr,
    threshold_of_normals,
)
from everygroup.metrics.distances import EXACT_LEVELS
from everygroup.metrics.families import Array, Family, SumFamily
from everygroup.metrics.means import Shares


def audit_anomaly(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Features,
    cluster: ArrayLike | None = None,
    baseline: ArrayLike | None = None,
    validation_normals: ArrayLike | None = None,
    validation_normals_baseline: ArrayLike | None = None,
    tpr: float = TPR,
    quantile: float = QUANTILE,
    **options: Unpack[Options],
) -> Audit:
    """Measure anomaly scores in every group: ranking, error rates at one threshold for all, and shifts of the scores.

    Within groups: AUROC (`auc`), average precision and its lift over the prevalence. Against the normals of everybody:
    `sub_auroc`. At the threshold that flags 95 % of all anomalies: `fpr_at_tpr` and `tpr_at_tpr`. At the 95th
    percentile of `validation_normals`, if given: `normals_fpr` and `normals_tpr`. Between the groups' normals: the
    distances `normal_score_ks` and `normal_score_wasserstein`.

    Thresholds, and the normals that `sub_auroc` compares with, are taken as given: intervals say how uncertain the
    rates at these thresholds are, not the thresholds.

    Parameters
    ----------
    y_true : (n,) 1 for an anomaly, 0 for a normal sample; y_score : (n,) finite numbers, higher for anomalies.
    sensitive_features : attribute columns by name, or one sequence.
    cluster : (n,) patient of every sample.
    baseline : (n,) scores of another model for the same samples; gives `Audit.comparison`.
    validation_normals : scores of normal samples that are not among these; `validation_normals_baseline` those of the
        other model.
    tpr, quantile : of the two thresholds.
    **options : of `everygroup.audit.audit`: n_boot, seed, min_n, attributes, stratify, interval, intersections,
        data_set, method, run_seed.

    Raises
    ------
    PredictionsError
        For labels other than 0 and 1, only one of them, or scores that are no finite numbers.

    Examples
    --------
    >>> y, score = [0, 0, 0, 1] * 10, [0.1, 3.0, 2.0, 7.0] * 5 + [1.1, 4.0, 3.0, 8.0] * 5
    >>> result = audit_anomaly(y, score, sensitive_features={"sex": ["f"] * 20 + ["m"] * 20}, n_boot=99)
    >>> result.value("sex", "gap", "auc"), result.value("sex", "gap", "normal_score_wasserstein")
    (0.0, 1.0)
    """
    true, score = anomalies(y_true, y_score)
    for value, word in ((0, "normal sample"), (1, "anomaly")):
        if not (true == value).any():
            raise PredictionsError(f"There is no {word} (y_true = {value}).", fix="both kinds are needed")
    samples = rows_of(true.size, sensitive_features, cluster)
    other = None if baseline is None else numbers("baseline", baseline, length=true.size)
    if other is not None and (validation_normals is None) != (validation_normals_baseline is None):
        raise PredictionsError(
            "Scores of validation normals are given for one of the two models only.",
            fix="give validation_normals and validation_normals_baseline, or neither",
        )

    def thresholds(answer: Array, normals: ArrayLike | None) -> dict[str, float]:
        found = {"tpr": threshold_at_tpr(true, answer, tpr=tpr)}
        if normals is not None:
            found["normals"] = threshold_of_normals(normals, quantile=quantile)
        return found

    def summed(answer: Array, limits: dict[str, float]) -> list[SumFamily]:
        shares = flagged_at(true, answer, limits["tpr"], "fpr_at_tpr", "tpr_at_tpr")
        if "normals" in limits:
            shares |= flagged_at(true, answer, limits["normals"], "normals_fpr", "normals_tpr")
        return [among_everybody(true, answer), Shares(shares)]

    def families(answer: Array, limits: dict[str, float]) -> Callable[[Partition], list[Family]]:
        made: list[Family] = [AnomalyRanks(true, answer), *summed(answer, limits), normal_distances(true, answer)]
        return lambda part: made

    limits = thresholds(score, validation_normals)
    theirs = None if other is None else families(other, thresholds(other, validation_normals_baseline))
    settings = {"thresholds": limits, "tpr": tpr, "quantile": quantile}
    if np.unique(score[true == 0]).size > EXACT_LEVELS:
        settings["distances"] = f"from {EXACT_LEVELS} equally full bins of the normals' scores"
    return run(
        Task(
            "anomaly",
            samples,
            families(score, limits),
            headline="auc",
            baseline=theirs,
            label=true,
            positive=true == 1,
            crossed=summed(score, limits),
            causes={"auc": "higher scores must mean more anomalous, and 1 be the label of an anomaly"},
            settings=settings,
        ),
        options,
    )
