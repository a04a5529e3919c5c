"""One-vs-rest rates of confusion counts and their averages over classes; 0/0 is undefined unless asked otherwise."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.metrics.confusion import OneVsRest

Array = NDArray[np.float64]
Average = Literal["macro", "weighted", "micro"]
Absent = Literal["skip", "count"]


def ratio_of(numerator: ArrayLike, denominator: ArrayLike, zero_division: float = np.nan) -> Array:
    """numerator / denominator, with `zero_division` (NaN, 0 or 1) where the denominator is 0."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, np.float64), np.asarray(denominator, np.float64))
    out = np.full(top.shape, zero_division, dtype=np.float64)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


Fraction = Callable[[OneVsRest], tuple[Array, Array]]

RATES: Mapping[str, Fraction] = MappingProxyType(
    {
        "tpr": lambda c: (c.tp, c.support),
        "tnr": lambda c: (c.tn, c.n - c.support),
        "fpr": lambda c: (c.fp, c.n - c.support),
        "fnr": lambda c: (c.fn, c.support),
        "ppv": lambda c: (c.tp, c.predicted),
        "npv": lambda c: (c.tn, c.n - c.predicted),
        "precision": lambda c: (c.tp, c.predicted),
        "recall": lambda c: (c.tp, c.support),
        "f1": lambda c: (2 * c.tp, c.support + c.predicted),
        "specificity": lambda c: (c.tn, c.n - c.support),
        "prevalence": lambda c: (c.support, np.broadcast_to(c.n, c.tp.shape)),
        "ovr_accuracy": lambda c: (c.tp + c.tn, np.broadcast_to(c.n, c.tp.shape)),
        "selection_rate": lambda c: (c.predicted, np.broadcast_to(c.n, c.tp.shape)),
    }
)
"""Numerator and denominator of every one-vs-rest rate."""


SAME_RATE = MappingProxyType({"tpr": "recall", "sensitivity": "recall", "tnr": "specificity", "ppv": "precision"})
"""Other names of the rates of one class."""


def class_rates(counts: OneVsRest, name: str, *, zero_division: float = np.nan) -> Array:
    """Rate `name` (a key of `RATES`) of every class: (..., K)."""
    return ratio_of(*RATES[name](counts), zero_division)


def mean_defined(values: ArrayLike, axis: int = -1) -> Array:
    """Mean over an axis leaving out NaN; NaN where nothing is defined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an all-NaN slice is undefined, and says so by NaN
        return np.asarray(np.nanmean(np.asarray(values, dtype=np.float64), axis=axis))


def max_defined(values: ArrayLike, axis: int = -1) -> Array:
    """Largest value over an axis leaving out NaN; NaN where nothing is defined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmax(np.asarray(values, dtype=np.float64), axis=axis))


def average_rate(
    counts: OneVsRest,
    name: str,
    *,
    average: Average = "macro",
    zero_division: float = np.nan,
    absent: Absent = "skip",
) -> Array:
    """Average a one-vs-rest rate over the classes: (...,) from counts (..., K).

    Parameters
    ----------
    average : 'macro' is the mean over classes, 'weighted' weighs by the number of samples of each class, 'micro' adds
        the numerators and denominators of all classes first.
    zero_division : value of 0/0. NaN (undefined) classes are left out of a macro or weighted average.
    absent : 'skip' leaves classes without a sample out of the macro average, 'count' keeps them. The convention of
        the code behind the SPARE tables is ``zero_division=0, absent="count"``.
    """
    top, bottom = RATES[name](counts)
    if average == "micro":
        return ratio_of(top.sum(axis=-1), bottom.sum(axis=-1), zero_division)
    rates = ratio_of(top, bottom, zero_division)
    if average == "weighted":
        weight = np.where(np.isnan(rates), 0.0, counts.support)
        return ratio_of((np.nan_to_num(rates) * weight).sum(axis=-1), weight.sum(axis=-1))
    if absent == "skip":
        rates = np.where(counts.support > 0, rates, np.nan)
    return mean_defined(rates)


def accuracy_of(counts: OneVsRest) -> Array:
    """Share of right answers: (...,) from counts (..., K); NaN for an empty group."""
    return ratio_of(counts.tp.sum(axis=-1), counts.support.sum(axis=-1))


def undefined_rates(counts: OneVsRest, name: str) -> NDArray[np.int64]:
    """Number of classes whose rate is 0/0: (...,) from counts (..., K)."""
    return np.asarray(np.isnan(class_rates(counts, name)).sum(axis=-1))
