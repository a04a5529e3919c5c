"""How large a calibration error chance alone would give at this n; an audit says so of a gap between groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from everygroup.metrics._grouped import measure_rows, probability_codes
from everygroup.metrics._inputs import IntArray
from everygroup.metrics.calibration import N_BINS, check_bins, confidence, width_bins
from everygroup.metrics.measured import Measured

MANY = 2000
"""In larger bins nothing needs to be simulated."""


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
