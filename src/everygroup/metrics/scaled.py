"""Equity-scaled performance: one number that falls with the performance and with the distance of the groups from it.

Papers call different formulae 'ES'; here each has its own name. With M the value of everybody, M_g of group g and sd
the standard deviation over the groups:

=============================  ==================================  ==================================================
name                           formula                             source
=============================  ==================================  ==================================================
`equity_scaled`                M / (1 + a sum_g abs(M_g - M))      Luo et al., Harvard-GF, TMI 2024 (ES-AUC); FairCLIP
`equity_scaled_sd`             M / (1 + sd), ddof=1                code of Tian et al., FairSeg, ICLR 2024
`equity_scaled_group_mean`     mean_g M_g / (1 + sd), ddof=0       code of FairMedFM (es_dice), NeurIPS 2024
`performance_scaled_sd`        sd / M, ddof=1                      code of FairSeg; a gap: 0 is equal
`performance_scaled_range`     (max_g M_g - min_g M_g) / M         code of FairSeg; a gap: 0 is equal
=============================  ==================================  ==================================================

The first three have the range of M (for M in 0..1), equal M where all groups do, and are better when higher. More
groups give a larger sum: values for attributes with different numbers of groups are not comparable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.metrics.disparity import difference, standard_deviation
from everygroup.metrics.info import INF, MetricInfo, Null, Requires, record
from everygroup.metrics.measured import Measured
from everygroup.metrics.performance import accuracy
from everygroup.metrics.rates import ratio_of
from everygroup.metrics.scores import auc
from everygroup.metrics.segmentation import dice

Array = NDArray[np.float64]


def equity_scaled(overall: ArrayLike, values: ArrayLike, *, alpha: float = 1.0) -> Array:
    """M / (1 + alpha * sum_g abs(M_g - M)) from `overall` (...,) and `values` (..., G); higher is better.

    References
    ----------
    Luo et al., Harvard Glaucoma Fairness, TMI 2024; Luo et al., FairCLIP, CVPR 2024; Tian et al., FairSeg, ICLR 2024.

    >>> round(float(equity_scaled(0.6902, [0.7242, 0.7078, 0.6741])), 6)
    0.646436
    """
    m = np.asarray(overall, dtype=np.float64)
    return np.asarray(m / (1.0 + alpha * np.abs(np.asarray(values, dtype=np.float64) - m[..., None]).sum(axis=-1)))


def equity_scaled_sd(overall: ArrayLike, values: ArrayLike, *, ddof: int = 1) -> Array:
    """M / (1 + sd of the groups); higher is better. The form in the code of FairSeg (Tian et al., ICLR 2024).

    >>> float(equity_scaled_sd(0.75, [0.5, 1.0], ddof=0))
    0.6
    """
    return np.asarray(np.asarray(overall, dtype=np.float64) / (1.0 + standard_deviation(values, ddof=ddof)))


def equity_scaled_group_mean(values: ArrayLike, *, ddof: int = 0) -> Array:
    """Unweighted mean of the groups / (1 + sd); higher is better. 'es_dice' in the code of FairMedFM, 2024.

    >>> float(equity_scaled_group_mean([0.5, 1.0]))
    0.6
    """
    v = np.asarray(values, dtype=np.float64)
    return np.asarray(v.mean(axis=-1) / (1.0 + standard_deviation(v, ddof=ddof)))


def performance_scaled_sd(overall: ArrayLike, values: ArrayLike, *, ddof: int = 1) -> Array:
    """Sd of the groups / M, range 0.., 0 is equal; undefined for M = 0. Code of FairSeg (Tian et al., ICLR 2024).

    >>> float(performance_scaled_sd(0.5, [0.25, 0.75], ddof=0))
    0.5
    """
    return ratio_of(standard_deviation(values, ddof=ddof), overall)


def performance_scaled_range(overall: ArrayLike, values: ArrayLike) -> Array:
    """(max - min of the groups) / M, range 0.., 0 is equal; undefined for M = 0. Code of FairSeg, ICLR 2024.

    >>> float(performance_scaled_range(0.5, [0.25, 0.75]))
    1.0
    """
    return ratio_of(difference(values), overall)


def scaled_of(
    metric: Callable[..., Measured], scale: Callable[[ArrayLike, ArrayLike], Array]
) -> Callable[..., Measured]:
    """Scale any metric by its groups.

    Parameters
    ----------
    metric : function that returns `Measured`; the overall value is that of all samples, groups missing or not.
    scale : function of the overall value and of the values of the groups.

    Returns
    -------
    A metric whose value is NaN with fewer than two groups or an undefined one.

    >>> from everygroup.metrics import accuracy
    >>> es_accuracy = scaled_of(accuracy, equity_scaled)
    >>> es_accuracy([0, 0, 1, 1], [0, 0, 1, 0], sensitive_features=["a", "a", "b", "b"]).value
    0.5
    """

    def scaled(y_true: ArrayLike, y_pred: ArrayLike, **options: Any) -> Measured:
        measured = metric(y_true, y_pred, **options)
        values = np.array(list(measured.per_group.values()), dtype=np.float64)
        value = float(scale(measured.value, values)) if values.size > 1 else float("nan")
        return replace(measured, value=value)

    return scaled


def _group_mean(overall: ArrayLike, values: ArrayLike) -> Array:
    return equity_scaled_group_mean(values)


_FORMS: tuple[tuple[str, str, Callable[[ArrayLike, ArrayLike], Array], bool, str], ...] = (
    ("es_{}", "ES-{}", equity_scaled, True, "Luo et al., Harvard-GF, TMI 2024; FairCLIP, CVPR 2024"),
    ("es_{}_sd", "ES-{} (sd)", equity_scaled_sd, True, "public code of FairSeg, Tian et al., ICLR 2024"),
    ("es_{}_group_mean", "ES-{} (group mean)", _group_mean, True, "public code of FairMedFM, 2024"),
    ("{}_scaled_sd", "{}: scaled sd", performance_scaled_sd, False, "public code of FairSeg, ICLR 2024"),
    ("{}_scaled_range", "{}: scaled range", performance_scaled_range, False, "public code of FairSeg, ICLR 2024"),
)


def _infos(metric: Callable[..., Measured], title: str, requires: Requires) -> tuple[MetricInfo, ...]:
    null: Null = "label" if requires == "y_score" else "none"
    return tuple(
        record(
            name.format(title.lower()),
            words.format(title),
            scaled_of(metric, scale),
            kind="gap",
            best="high" if better else "low",
            high=1.0 if better else INF,
            null=null,
            source=source,
            requires=requires,
        )
        for name, words, scale, better, source in _FORMS
    )


METRICS: tuple[MetricInfo, ...] = (
    *_infos(auc, "AUC", "y_score"),
    *_infos(accuracy, "Accuracy", "y_pred"),
    *_infos(dice, "Dice", "values"),
)
"""Records of the scaled forms of AUC, accuracy and Dice; those of other metrics by `scaled_of`."""
