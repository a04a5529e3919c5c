"""Disparity functions: per-group values (..., G) into one number (...,). An undefined group makes it undefined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.metrics.rates import ratio_of

Array = NDArray[np.float64]


def _values(values: ArrayLike) -> Array:
    """As floats; fewer than two groups have no disparity, which a NaN column says."""
    v = np.asarray(values, dtype=np.float64)
    return v if v.shape[-1] >= 2 else np.full((*v.shape[:-1], 1), np.nan)


def difference(values: ArrayLike) -> Array:
    """max - min; 0 is equal."""
    v = _values(values)
    return np.asarray(v.max(axis=-1) - v.min(axis=-1))


def ratio(values: ArrayLike) -> Array:
    """min / max; 1 is equal, 0/0 undefined."""
    v = _values(values)
    return ratio_of(v.min(axis=-1), v.max(axis=-1))


def skewed_error_ratio(values: ArrayLike) -> Array:
    """Largest over smallest error, error = 1 - value; 1 is equal.

    Infinite when only the best group makes no error, undefined when no group makes one.

    References
    ----------
    Puyol-Anton et al., MICCAI 2021.
    """
    error = 1.0 - _values(values)
    top, bottom = error.max(axis=-1), error.min(axis=-1)
    quotient = ratio_of(top, bottom)
    return np.asarray(np.where((bottom == 0) & (top > 0), np.inf, quotient))


def standard_deviation(values: ArrayLike, *, ddof: int = 0) -> Array:
    """Standard deviation over the groups; 0 is equal. `ddof=1` is the sample form (FairSeg), 0 that of FairMedFM."""
    return np.asarray(_values(values).std(axis=-1, ddof=ddof))


def normalised_range(values: ArrayLike) -> Array:
    """(max - min) / unweighted mean of the groups; 0 is equal (Pakzad et al., CIRCLe, ECCV-W 2022)."""
    v = _values(values)
    return ratio_of(v.max(axis=-1) - v.min(axis=-1), v.mean(axis=-1))


def mean_pairwise(values: ArrayLike) -> Array:
    """Mean over pairs of groups of the absolute difference; 0 is equal."""
    v = _values(values)
    pairs = list(combinations(range(v.shape[-1]), 2)) or [(0, 0)]
    return np.asarray(np.mean([np.abs(v[..., a] - v[..., b]) for a, b in pairs], axis=0))


def worst_group(values: ArrayLike, *, higher_is_better: bool = True) -> Array:
    """Value of the worst group; undefined if any group is."""
    v = np.asarray(values, dtype=np.float64)
    return np.asarray(v.min(axis=-1) if higher_is_better else v.max(axis=-1))


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
"""Every disparity function by name."""
