"""Disparity functions: per-group values (..., G) into one number (...,). An undefined group makes it undefined.

`everygroup.metrics.disparity_of` joins them with any metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import SettingsError
from everygroup.metrics.rates import ratio_of

Array = NDArray[np.float64]


def _values(values: ArrayLike) -> Array:
    """As floats; fewer than two groups have no disparity, which a NaN column says."""
    v = np.asarray(values, dtype=np.float64)
    return v if v.shape[-1] >= 2 else np.full((*v.shape[:-1], 1), np.nan)


def difference(values: ArrayLike) -> Array:
    """max - min; range 0.., 0 is equal.

    Examples
    --------
    >>> float(difference([0.9, 0.7, 0.8]).round(6))
    0.2
    """
    v = _values(values)
    return np.asarray(v.max(axis=-1) - v.min(axis=-1))


def ratio(values: ArrayLike) -> Array:
    """min / max; range 0..1, 1 is equal, 0/0 undefined. The "80 % rule" asks for 0.8.

    Examples
    --------
    >>> float(ratio([0.8, 1.0]))
    0.8
    """
    v = _values(values)
    return ratio_of(v.min(axis=-1), v.max(axis=-1))


def skewed_error_ratio(values: ArrayLike) -> Array:
    """Largest over smallest error, error = 1 - value; 1 is equal.

    For metrics whose best value is 1. Infinite when only the best group makes no error, undefined when no group makes
    one.

    References
    ----------
    Puyol-Anton et al., MICCAI 2021.

    Examples
    --------
    >>> float(skewed_error_ratio([0.75, 0.5]))
    2.0
    """
    error = 1.0 - _values(values)
    top, bottom = error.max(axis=-1), error.min(axis=-1)
    quotient = ratio_of(top, bottom)
    return np.asarray(np.where((bottom == 0) & (top > 0), np.inf, quotient))


def standard_deviation(values: ArrayLike, *, ddof: int = 0) -> Array:
    """Standard deviation over the groups; 0 is equal. `ddof=1` is the sample form (FairSeg), 0 that of FairMedFM.

    Examples
    --------
    >>> float(standard_deviation([1.0, 3.0])), float(standard_deviation([1.0, 3.0, 5.0], ddof=1))
    (1.0, 2.0)
    """
    return np.asarray(_values(values).std(axis=-1, ddof=ddof))


def normalised_range(values: ArrayLike) -> Array:
    """(max - min) / unweighted mean of the groups; 0 is equal (Pakzad et al., CIRCLe, ECCV-W 2022).

    Examples
    --------
    >>> float(normalised_range([1.0, 3.0]))
    1.0
    """
    v = _values(values)
    return ratio_of(v.max(axis=-1) - v.min(axis=-1), v.mean(axis=-1))


def mean_pairwise(values: ArrayLike) -> Array:
    """Mean over pairs of groups of the absolute difference; 0 is equal.

    Examples
    --------
    >>> float(mean_pairwise([0.0, 0.0, 3.0]))
    2.0
    """
    v = _values(values)
    pairs = list(combinations(range(v.shape[-1]), 2)) or [(0, 0)]
    return np.asarray(np.mean([np.abs(v[..., a] - v[..., b]) for a, b in pairs], axis=0))


def worst_group(values: ArrayLike, *, higher_is_better: bool = True) -> Array:
    """Value of the worst group; undefined if any group is.

    Examples
    --------
    >>> float(worst_group([0.9, 0.7])), float(worst_group([0.1, 0.3], higher_is_better=False))
    (0.7, 0.3)
    """
    v = np.asarray(values, dtype=np.float64)
    return np.asarray(v.min(axis=-1) if higher_is_better else v.max(axis=-1))


def signed_difference(values: ArrayLike) -> Array:
    """First minus second of exactly two groups; 0 is equal, and the sign says which is higher.

    Raises
    ------
    SettingsError
        For any other number of groups.

    Examples
    --------
    >>> float(signed_difference([0.5, 0.75]))
    -0.25
    """
    v = np.asarray(values, dtype=np.float64)
    if v.shape[-1] != 2:
        raise SettingsError(
            f"A signed difference of {v.shape[-1]} groups.", fix="it needs two groups; choose 'difference' for more"
        )
    return np.asarray(v[..., 0] - v[..., 1])


def largest_deviation(values: ArrayLike, overall: ArrayLike) -> Array:
    """Largest distance of a group from everybody: max_g abs(m_g - m); 0 is equal (fairlearn's 'to_overall').

    Examples
    --------
    >>> float(largest_deviation([0.5, 0.875], 0.75))
    0.25
    """
    v = _values(values)
    return np.asarray(np.abs(v - np.asarray(overall, dtype=np.float64)[..., None]).max(axis=-1))


def weighted_deviation(values: ArrayLike, overall: ArrayLike, n: ArrayLike) -> Array:
    """Distance of the groups from everybody, weighted by their share: sum_g n_g/n abs(m_g - m); 0 is equal.

    References
    ----------
    Kearns et al., Preventing fairness gerrymandering, ICML 2018 (whose violation is the largest of these terms).

    Examples
    --------
    >>> float(weighted_deviation([0.5, 0.875], 0.75, [10, 30]))
    0.15625
    """
    v, weight = _values(values), np.asarray(n, dtype=np.float64)
    distance = np.abs(v - np.asarray(overall, dtype=np.float64)[..., None])
    return np.asarray((distance * (weight / weight.sum(axis=-1, keepdims=True))).sum(axis=-1))


DISPARITIES: Mapping[str, Callable[[ArrayLike], Array]] = MappingProxyType(
    {
        "difference": difference,
        "ratio": ratio,
        "skewed_error_ratio": skewed_error_ratio,
        "standard_deviation": standard_deviation,
        "normalised_range": normalised_range,
        "mean_pairwise": mean_pairwise,
    }
)
"""Every disparity function that needs nothing but the values of the groups."""
