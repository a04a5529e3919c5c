"""Audit of a regression: age, bone age, ejection fraction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from everygroup.audit.driver import Features, Options, Task, rows_of, run
from everygroup.audit.flags import Flag
from everygroup.audit.partition import Partition
from everygroup.audit.result import Audit
from everygroup.metrics._grouped import numbers
from everygroup.metrics.distances import EXACT_LEVELS
from everygroup.metrics.families import Array, Family, Index
from everygroup.metrics.means import Means
from everygroup.metrics.regression import (
    Errors,
    ResidualGap,
    Spearman,
    outcome_bins,
    outcomes,
    prediction_distances,
)


def audit_regression(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Features,
    cluster: ArrayLike | None = None,
    baseline: ArrayLike | None = None,
    bins: int | Sequence[float] = 4,
    **options: Unpack[Options],
) -> Audit:
    """Measure a regression in every group: MAE, RMSE, bias, R^2, Spearman, and how the predictions differ.

    The gaps are those of these metrics, the distances of the groups' predictions (`prediction_ks`,
    `prediction_wasserstein`) and the gap in mean error at the same outcome (`conditional_residual_gap`, whose null
    keeps the bin of the outcome). `Audit.cells` holds the mean error of every group within bins of the outcome.

    Parameters
    ----------
    y_true, y_pred : (n,) numbers.
    sensitive_features : attribute columns by name, or one sequence.
    cluster : (n,) patient of every sample.
    baseline : (n,) predictions of another model for the same samples; gives `Audit.comparison`.
    bins : number of equally full bins of the outcome, or their inner edges.
    **options : of `everygroup.audit.audit`: n_boot, seed, min_n, attributes, stratify, interval, intersections,
        data_set, method, run_seed.

    Raises
    ------
    PredictionsError
        For arrays that do not fit together, or values that are no finite numbers; names the position.

    Examples
    --------
    >>> age, guess = [41, 52, 63, 74] * 10, [42, 53, 68, 79] * 10
    >>> result = audit_regression(age, guess, sensitive_features={"sex": ["f", "f", "m", "m"] * 10}, n_boot=99)
    >>> result.value("sex", "f", "mae"), result.value("sex", "gap", "mae")
    (1.0, 4.0)
    """
    true, pred = outcomes(y_true, y_pred)
    samples = rows_of(true.size, sensitive_features, cluster)
    other = None if baseline is None else numbers("baseline", baseline, length=true.size)
    bin_of, names = outcome_bins(true, bins)

    def families(answer: Array) -> Callable[[Partition], list[Family]]:
        made: list[Family] = [
            Errors(true, answer),
            Spearman(true, answer),
            prediction_distances(answer),
            ResidualGap(answer - true, bin_of, len(names)),
        ]
        return lambda part: made

    def residuals(rows: Index) -> Callable[[Partition], list[Family]]:
        return lambda part: [Means({"bias": (pred - true)[rows]})]

    members = {name: np.flatnonzero(bin_of == b) for b, name in enumerate(names)}
    flags = []
    if np.ptp(true) == 0:
        flags.append(Flag("caution", "All outcomes are equal, so R^2 and Spearman are undefined."))
    if np.ptp(pred) == 0:
        flags.append(Flag("stop", "All predictions are equal: errors then show the groups' outcomes, not the model."))
    settings: dict[str, Any] = {"outcome_bins": names}
    if np.unique(pred).size > EXACT_LEVELS:
        settings["distances"] = f"from {EXACT_LEVELS} equally full bins of the predictions"
    return run(
        Task(
            "regression",
            samples,
            families(pred),
            headline="mae",
            baseline=None if other is None else families(other),
            label=bin_of,
            parts_of={name: (rows, residuals(rows)) for name, rows in members.items() if rows.size},
            crossed=[Errors(true, pred)],
            flags=flags,
            causes={"spearman": "predictions fall where outcomes rise"},
            settings=settings,
        ),
        options,
    )
