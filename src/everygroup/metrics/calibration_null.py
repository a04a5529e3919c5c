"""How large a calibration error, and a gap of it between groups, chance alone would give at this n."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics._grouped import class_position, measure_rows, probability_codes
from everygroup.metrics._inputs import FloatArray, IntArray, group_codes
from everygroup.metrics.calibration import N_BINS, check_bins, confidence, mass_bins, width_bins
from everygroup.metrics.measured import Measured
from everygroup.statistics import cluster_index, majority, permutation_p, permutation_units, permuted_blocks

MANY = 2000
"""In larger bins nothing needs to be simulated."""


@dataclass(frozen=True)
class GapNull:
    """A gap (max - min over groups) with what shuffled groups give.

    Attributes
    ----------
    gap : the measured gap.
    chance, chance_high : mean and 95th percentile of the gaps under shuffled group labels.
    p : (1 + number of shuffled gaps at least as large) / (1 + n_perm).
    n_perm : number of shuffles.
    """

    gap: float
    chance: float
    chance_high: float
    p: float
    n_perm: int


def ece_gap_null(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike,
    cluster: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
    positive: Hashable | None = None,
    n_bins: int = N_BINS,
    adaptive: bool = False,
    n_perm: int = 1000,
    seed: int = 0,
) -> GapNull:
    """Gap in expected calibration error between groups, and the gap under shuffled group labels.

    The calibration error of a small group is biased upwards, so a small and a large group differ without any
    difference in calibration. Shuffling the labels keeps the sizes of the groups and with them this bias.

    Parameters
    ----------
    y_true, y_score, sensitive_features, classes, positive, n_bins : as in `everygroup.metrics.calibration.ece`.
    cluster : (n,) patient of every sample; labels are shuffled between patients.
    adaptive : bins of equal mass over all rows together, the same for every group.
    n_perm, seed : number of shuffles, and their seed.

    References
    ----------
    Good, Permutation, Parametric and Bootstrap Tests of Hypotheses, 2005; the bias: Roelofs et al., AISTATS 2022.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random(1050)
    >>> null = ece_gap_null(rng.random(1050) < p, p, sensitive_features=[0] * 1000 + [1] * 50, classes=[False, True])
    >>> null.gap > 0.05, null.p > 0.05  # a wide gap, and none at all
    (True, True)
    """
    check_bins(n_bins)
    if n_perm < 1:
        raise SettingsError(f"n_perm is {n_perm}.", fix="give at least 1")
    index, score = probability_codes(y_true, y_score, classes)
    group, names = group_codes(sensitive_features)
    if group.size != index.size:
        raise PredictionsError(f"sensitive_features has {group.size} values but there are {index.size} samples.")
    known = np.flatnonzero(group >= 0)
    if len(names) < 2:
        return GapNull(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    at = None if positive is None else class_position(positive, y_true, classes, score.shape[1])
    stated, outcome = confidence(index[known], score[known], at)
    bins = (mass_bins if adaptive else width_bins)(stated, n_bins)
    units = np.arange(known.size) if cluster is None else cluster_index(np.asarray(cluster)[known])
    unit = permutation_units(units, group[known])
    labels = majority(unit, group[known], len(names))
    # sums over rows of a group: the signed error of every bin, then n
    table = sparse.csr_matrix((outcome - stated, (unit, bins)), shape=(labels.size, n_bins))
    size = np.bincount(unit, minlength=labels.size).astype(np.float64)

    def gaps(block: IntArray) -> FloatArray:
        values = []
        for g in range(len(names)):
            inside = (block == g).astype(np.float64)
            values.append(np.abs(table.T @ inside).sum(axis=0) / (size @ inside))
        return np.asarray(np.max(values, axis=0) - np.min(values, axis=0))

    observed = float(gaps(labels[:, None])[0])
    blocks = permuted_blocks(labels, np.zeros(labels.size, dtype=np.int64), n_perm, seed=seed, n_rows=known.size)
    null = np.concatenate([gaps(block.astype(np.int64)) for block in blocks])
    p = float(permutation_p(observed, null))
    return GapNull(observed, float(null.mean()), float(np.quantile(null, 0.95)), p, n_perm)


def expected_ece(
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    n_bins: int = N_BINS,
    n_sim: int = 200,
    seed: int = 0,
) -> Measured:
    """Calibration error that a perfectly calibrated model with these scores would show at this n, by simulation.

    Outcomes are drawn from the stated probabilities ("consistency resampling"); what the measured error exceeds this
    by is miscalibration, the rest is the bias of a finite sample.

    Parameters
    ----------
    y_score : (n, K) probabilities, or (n,) those of the second of two classes.
    n_sim, seed : number of simulations, and their seed.

    References
    ----------
    Brocker and Smith, Weather and Forecasting 2007.

    Examples
    --------
    >>> p = np.tile([0.1, 0.3, 0.5, 0.7, 0.9], 100)
    >>> few, many = expected_ece(p[:20]).value, expected_ece(p).value
    >>> few > 3 * many
    True
    """
    check_bins(n_bins)
    score = np.asarray(y_score, dtype=np.float64)
    _, score = probability_codes(np.zeros(len(score), dtype=np.int64), score, None)
    stated, _ = confidence(np.zeros(len(score), dtype=np.int64), score)
    bins = width_bins(stated, n_bins)

    def value(rows: IntArray) -> float:
        if not rows.size:
            return float("nan")
        rng = np.random.default_rng(seed)
        total = np.zeros(n_sim)
        for b in np.unique(bins[rows]):
            inside = stated[rows][bins[rows] == b]
            if inside.size > MANY:
                # the excess of many outcomes is normal, whose mean absolute value is known
                total += np.sqrt(2.0 / np.pi * (inside * (1.0 - inside)).sum())
            else:
                total += np.abs((rng.random((n_sim, inside.size)) < inside).sum(axis=1) - inside.sum())
        return float(total.mean() / rows.size)

    return measure_rows(value, stated.size, sensitive_features)
