"""From combined distances to sample weights: SPARE's map, and those it is compared with (Table 4 of the paper)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import SettingsError
from everygroup.spare.weights import Array, distance_weights

WEIGHTINGS = ("spare", "group_weight", "group_frequency", "selection", "ranking")
QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Candidates of selection's threshold."""


def strategy_weights(
    weighting: str,
    distance: ArrayLike,
    group: ArrayLike,
    target: int,
    *,
    temperature: float = 1.0,
    quantile: float = 0.5,
    keep_in_group: bool = True,
) -> Array:
    """Return the sample weights (n,) of one target group under a weighting strategy.

    Parameters
    ----------
    weighting : {'spare', 'group_weight', 'group_frequency', 'selection', 'ranking'}
        exp(-d / temperature) itself; or see the function of that name.
    distance : (n,)
        Combined distances d, see `everygroup.spare.combined_distance`.
    group : (n,) int
        Source group; -1 where missing, a value of its own.
    target : int
        The target group.
    temperature : float
        For 'spare', 'group_weight'; the others do not depend on it.
    quantile, keep_in_group : float, bool
        For 'selection'.

    Raises
    ------
    SettingsError
        For an unknown strategy or a quantile outside [0, 1].
    """
    d, source = np.asarray(distance, dtype=np.float64), np.asarray(group)
    if weighting == "spare":
        return distance_weights(d, temperature)
    if weighting == "group_weight":
        return group_weights(distance_weights(d, temperature), source, target)
    if weighting == "group_frequency":
        return group_frequency_weights(source)
    if weighting == "selection":
        return selection_weights(d, source == target, quantile=quantile, keep_in_group=keep_in_group)
    if weighting == "ranking":
        return ranking_weights(d)
    raise SettingsError(f"Unknown weighting {weighting!r}.", fix=f"choose one of {', '.join(WEIGHTINGS)}")


def group_weights(weight: ArrayLike, group: ArrayLike, target: int) -> Array:
    """Return one weight a source group: the mean of its samples' weights, and 1 for the target group."""
    w, source = np.asarray(weight, dtype=np.float64), np.asarray(group)
    result = np.ones_like(w)
    for g in np.unique(source[source != target]):
        result[source == g] = w[source == g].mean()
    return result


def group_frequency_weights(group: ArrayLike) -> Array:
    """Return min_h n_h / n_g for samples of group g: all groups together weigh the same, whatever the target.

    Samples without a group get the mean weight of the others, so that their share stays as it is in the data.
    """
    source = np.asarray(group)
    known = source >= 0
    _, cell, count = np.unique(source[known], return_inverse=True, return_counts=True)
    result = np.ones(len(source))
    result[known] = (count.min(initial=len(source)) / count)[cell]
    if known.any():
        result[~known] = result[known].mean()
    return result


def selection_weights(
    distance: ArrayLike, in_group: ArrayLike, *, quantile: float, keep_in_group: bool = True
) -> Array:
    """Return 1 for samples whose score exp(-d) reaches a threshold, 0 for the others.

    The threshold is a quantile of the scores: of those outside the group if the group's own samples are kept in any
    case (0 keeps everybody, which is ERM; 1 nobody outside the group, which is GroupModel), else of all scores (1 keeps
    the best). exp is monotone, so that the temperature plays no part.
    """
    if not 0 <= quantile <= 1:
        raise SettingsError(f"quantile = {quantile} lies outside [0, 1].", fix="0 keeps everybody")
    score, inside = -np.asarray(distance, dtype=np.float64), np.asarray(in_group, dtype=bool)
    pool = score[~inside] if keep_in_group else score
    if not len(pool):
        return np.ones_like(score)
    # 'higher' is a value of the data, so that rounding cannot drop the sample that is the threshold
    kept = score >= np.quantile(pool, quantile, method="higher")
    if keep_in_group:
        kept = inside | (kept & (quantile < 1))
    return kept.astype(np.float64)


def ranking_weights(distance: ArrayLike) -> Array:
    """Return 1 - (rank - 1) / (n - 1), rank 1 the smallest distance, average ranks for ties: from 1 down to 0."""
    from scipy.stats import rankdata

    d = np.asarray(distance, dtype=np.float64)
    if len(d) < 2:
        return np.ones_like(d)
    result: Array = 1 - (rankdata(d) - 1) / (len(d) - 1)
    return result


def shuffled_within_groups(weight: ArrayLike, group: ArrayLike, *, seed: int | list[int]) -> NDArray[np.float64]:
    """Permute weights within each source group: every group keeps its weights, no sample its own.

    The control of all weights by sample: what is left of a gain is due to the mass of the groups.
    """
    result, source = np.array(weight, dtype=np.float64), np.asarray(group)
    rng = np.random.default_rng(seed)
    for g in np.unique(source):
        members = np.flatnonzero(source == g)
        result[members] = result[rng.permutation(members)]
    return result
