"""Comparing a method with a baseline: FATE, distance to the optimum, levelling down."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import SettingsError

Verdict = Literal["improved all", "unchanged", "trade", "levelled down", "undefined"]

ROUNDING = 1e-12
"""Smaller changes are rounding errors of sums, not changes."""


def fate(
    accuracy_method: float, accuracy_baseline: float, gap_method: float, gap_baseline: float, *, weight: float = 1.0
) -> float:
    """Fairness-accuracy trade-off efficiency: relative gain in accuracy minus relative change of the gap.

    ``(ACC_m - ACC_b)/ACC_b - weight * (FC_m - FC_b)/FC_b``; higher is better, 0 for the baseline itself. Values are
    not comparable between data sets or baselines: relative changes of a tiny gap dominate, so show the raw pairs too.
    NaN where a baseline value is 0 or undefined.

    References
    ----------
    Xu, Zhao, Quan, Yao, Zhou: FairAdaBN, MICCAI 2023.

    >>> round(fate(0.788, 0.7505, 0.015, 0.018), 3)  # SPARE on ISIC 2019 by EOpp0
    0.217
    """
    if accuracy_baseline == 0 or gap_baseline == 0:
        return float("nan")
    gain = (accuracy_method - accuracy_baseline) / accuracy_baseline
    return float(gain - weight * (gap_method - gap_baseline) / gap_baseline)


def dto(values: ArrayLike, *, coords: Literal["groups", "perf_fair"] = "groups") -> NDArray[np.float64]:
    """Distance to the optimum of every candidate (checkpoint, hyper-parameter); the smallest is the best.

    Parameters
    ----------
    values : (J, D) with higher better in every column: the performance of each group with ``coords="groups"``,
        or (performance, fairness) with ``coords="perf_fair"``.

    Returns
    -------
    (J,) Euclidean norm of ``values / utopia - 1``, utopia being the best of every column. NaN where a column's best
    is 0.

    References
    ----------
    Zong, Yang, Hospedales: MEDFAIR, ICLR 2023; Han et al., EACL 2022 for ``perf_fair``.

    >>> dto([[0.90, 0.80], [0.88, 0.86], [0.92, 0.78]]).round(6).tolist()
    [0.073076, 0.043478, 0.093023]
    """
    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 2 or (coords == "perf_fair" and v.shape[1] != 2):
        raise SettingsError(
            f"dto got values of shape {v.shape}.",
            fix="give one row per candidate: a column per group, or (performance, fairness) with coords='perf_fair'",
        )
    utopia = v.max(axis=0)
    relative = np.full(v.shape, np.nan)
    np.divide(v, utopia, out=relative, where=utopia != 0)
    return np.asarray(np.linalg.norm(relative - 1.0, axis=1))


def levelling_down(baseline: ArrayLike, method: ArrayLike, *, higher_is_better: bool = True) -> Verdict:
    """Say whether a method helped every group, or only took from some.

    Parameters
    ----------
    baseline, method : (G,) values of one metric for the same groups.

    Returns
    -------
    'unchanged' if no group's value moved, 'improved all' if no group is worse and at least one is better, 'levelled
    down' if no group is better and at least one is worse, else 'trade'; 'undefined' if a value is.

    References
    ----------
    Zietlow et al., Leveling down in computer vision, CVPR 2022.

    >>> levelling_down([0.8, 0.6], [0.6, 0.58])
    'levelled down'
    """
    change = np.asarray(method, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    change = change if higher_is_better else -change
    if np.isnan(change).any():
        return "undefined"
    change[np.abs(change) < ROUNDING] = 0.0
    if not change.any():
        return "unchanged"
    if (change >= 0).all():
        return "improved all"
    return "levelled down" if (change <= 0).all() else "trade"
