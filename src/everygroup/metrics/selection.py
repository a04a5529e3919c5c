"""Choosing one of several candidates (checkpoints, hyper-parameters, methods) by the performance of every group.

Rows of `values` (J, G) are candidates, columns groups, higher is better. Choose on validation samples and report on
others. `everygroup.metrics.dto` is a further criterion: its smallest value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import SettingsError

Array = NDArray[np.float64]


def _table(values: ArrayLike) -> Array:
    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 2 or not v.size:
        raise SettingsError(
            f"Candidates have shape {v.shape}.", fix="give one row per candidate and one column per group"
        )
    return v


def pareto_front(values: ArrayLike) -> NDArray[np.bool_]:
    """(J,) whether no other candidate is at least as good in every column and better in one.

    Candidates with an undefined or infinite value are not on the front. Columns may also be (utility, -disparity).

    >>> pareto_front([[0.9, 0.8], [0.88, 0.86], [0.85, 0.8]]).tolist()
    [True, True, False]
    """
    v = _table(values)
    defined = np.asarray(np.isfinite(v).all(axis=1))
    filled = np.where(defined[:, None], v, -np.inf)
    as_good = (filled[:, None, :] >= filled[None, :, :]).all(axis=2)
    better = (filled[:, None, :] > filled[None, :, :]).any(axis=2)
    return np.asarray(defined & ~(as_good & better).any(axis=0))


def pareto_minimax(values: ArrayLike, *, baseline: ArrayLike | None = None) -> int:
    """Index of the candidate on the Pareto front that is best for the worst group.

    Parameters
    ----------
    baseline : (G,) values of a baseline: the worst group is then the one that is worst for it, as in the public code
        of MEDFAIR; without it the group that is worst for the candidate.

    References
    ----------
    Martinez, Bertran, Sapiro: Minimax Pareto fairness, ICML 2020; Zong, Yang, Hospedales: MEDFAIR, ICLR 2023.

    >>> pareto_minimax([[0.90, 0.80], [0.88, 0.86], [0.92, 0.78]])
    1
    >>> pareto_minimax([[0.90, 0.80], [0.88, 0.86], [0.92, 0.78]], baseline=[0.7, 0.8])
    2
    """
    v = _table(values)
    worst = v.min(axis=1) if baseline is None else v[:, int(np.nanargmin(np.asarray(baseline, dtype=np.float64)))]
    return _best(worst, pareto_front(v))


def best_worst_group(values: ArrayLike) -> int:
    """Index of the candidate whose worst group is the best (minimax without the Pareto front).

    >>> best_worst_group([[0.90, 0.80], [0.88, 0.86], [0.92, 0.78]])
    1
    """
    return _best(_table(values).min(axis=1))


def best_within_gap(performance: ArrayLike, gap: ArrayLike, *, most: float) -> int:
    """Index of the candidate (J,) with the best performance among those whose gap is at most `most`.

    Raises
    ------
    SettingsError
        If there is none; names the smallest gap.

    >>> best_within_gap([0.9, 0.88, 0.8], [0.1, 0.02, 0.01], most=0.05)
    1
    """
    score, gaps = np.asarray(performance, dtype=np.float64), np.asarray(gap, dtype=np.float64)
    allowed = gaps <= most
    if not allowed.any():
        smallest = float(np.nanmin(gaps)) if (~np.isnan(gaps)).any() else float("nan")
        raise SettingsError(f"No candidate has a gap of at most {most:g}.", fix=f"the smallest gap is {smallest:.3f}")
    return _best(score, allowed)


def _best(score: Array, allowed: NDArray[np.bool_] | None = None) -> int:
    """Index of the largest defined score among the allowed; the first of equals."""
    usable = ~np.isnan(score) if allowed is None else allowed & ~np.isnan(score)
    if not usable.any():
        raise SettingsError("No candidate has a defined value in every group.", fix="leave out groups without samples")
    return int(np.where(usable, score, -np.inf).argmax())
