"""Agreement of two ratings on one ordinal scale: weighted kappa and Spearman's correlation, with patients resampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import EverygroupError
from everygroup.statistics.bootstrap import cluster_index, replicate_blocks
from everygroup.statistics.intervals import percentile_interval

Array = NDArray[np.float64]
Weights = Literal["linear", "quadratic"]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval over patients."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class OrdinalAgreement:
    """How two ratings agree.

    Attributes
    ----------
    n, n_units : rated by both, and patients among them.
    confusion : (k, k) counts, first rating in rows.
    kappa : weighted kappa (Cohen 1968).
    exact, within_one : shares of equal ratings, and of those at most one category apart.
    """

    n: int
    n_units: int
    confusion: NDArray[np.int64]
    kappa: Estimate
    exact: float
    within_one: float


def ordinal_agreement(
    first: ArrayLike,
    second: ArrayLike,
    *,
    k: int,
    units: ArrayLike | None = None,
    weights: Weights = "quadratic",
    n_boot: int = 1000,
    seed: int = 0,
) -> OrdinalAgreement:
    """Compare two ratings in 1..k; samples that either left out (0 or NaN) do not count.

    Parameters
    ----------
    first, second : (n,) categories 1..k.
    k : number of categories.
    units : (n,) patients, resampled as a whole; every sample is its own when not given.
    weights : of kappa; "quadratic" punishes two categories apart four times as much as one.
    n_boot, seed : percentile bootstrap.

    Raises
    ------
    EverygroupError
        If a rating lies outside 1..k.

    Examples
    --------
    >>> ordinal_agreement([1, 2, 3, 3], [1, 2, 3, 2], k=3, n_boot=10).within_one
    1.0
    """
    from sklearn.metrics import cohen_kappa_score

    a, b = (np.nan_to_num(np.asarray(x, dtype=float)) for x in (first, second))
    if ((a % 1 != 0) | (a < 0) | (a > k) | (b % 1 != 0) | (b < 0) | (b > k)).any():
        raise EverygroupError(f"A rating is no category in 1 to {k}.", fix="number the categories in order, from 1")
    known = (a > 0) & (b > 0)
    x, y = a[known].astype(np.int64) - 1, b[known].astype(np.int64) - 1
    cluster = cluster_index((np.arange(len(a)) if units is None else np.asarray(units))[known])
    nan = float("nan")
    if not len(x):
        return OrdinalAgreement(0, 0, np.zeros((k, k), dtype=np.int64), Estimate(nan, nan, nan), nan, nan)
    code, n_units = x * k + y, int(cluster.max()) + 1
    kappas = []
    for block in replicate_blocks(np.zeros(n_units, dtype=np.int64), n_boot, seed=seed, n_rows=len(x)):
        kappas += [
            weighted_kappa(np.bincount(code, weights=w, minlength=k * k).reshape(k, k), weights)
            for w in block[cluster].T
        ]
    confusion = np.bincount(code, minlength=k * k).reshape(k, k)
    one = len(np.unique(np.concatenate([x, y]))) == 1  # nothing could have disagreed
    value = nan if one else float(cohen_kappa_score(x, y, labels=np.arange(k), weights=weights))
    return OrdinalAgreement(
        n=len(x),
        n_units=n_units,
        confusion=confusion,
        kappa=Estimate(value, *_interval(kappas)),
        exact=float((x == y).mean()),
        within_one=float((np.abs(x - y) <= 1).mean()),
    )


def weighted_kappa(confusion: ArrayLike, weights: Weights = "quadratic") -> float:
    """Return the weighted kappa of a (k, k) table of (weighted) counts: 1 - observed / expected disagreement."""
    table = np.asarray(confusion, dtype=np.float64)
    apart = np.abs(np.subtract.outer(np.arange(len(table)), np.arange(len(table)))).astype(float)
    apart = apart**2 if weights == "quadratic" else apart
    expected = (apart * np.outer(table.sum(axis=1), table.sum(axis=0))).sum() / max(table.sum(), 1e-300)
    return float(1 - (apart * table).sum() / expected) if expected > 0 else float("nan")


def spearman(
    x: ArrayLike, y: ArrayLike, *, units: ArrayLike | None = None, n_boot: int = 1000, seed: int = 0
) -> tuple[Estimate, int, int]:
    """Spearman's rank correlation of the pairs of which both are known, with a bootstrap over patients.

    Parameters
    ----------
    x, y : (n,) numbers, NaN where unknown.
    units : (n,) patients, resampled as a whole.

    Returns
    -------
    estimate, n, n_units
    """
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    known = np.isfinite(a) & np.isfinite(b)
    cluster = cluster_index((np.arange(len(a)) if units is None else np.asarray(units))[known])
    n_units = int(cluster.max(initial=-1)) + 1
    if n_units < 3:
        return Estimate(float("nan"), float("nan"), float("nan")), len(cluster), n_units
    codes = [np.unique(v[known], return_inverse=True)[1] for v in (a, b)]
    drawn = []
    for block in replicate_blocks(np.zeros(n_units, dtype=np.int64), n_boot, seed=seed, n_rows=len(cluster)):
        drawn += [_rank_correlation(codes, w) for w in block[cluster].T.astype(np.float64)]
    return Estimate(_rank_correlation(codes, np.ones(len(cluster))), *_interval(drawn)), len(cluster), n_units


def _rank_correlation(codes: list[NDArray[np.int64]], weight: Array) -> float:
    """Pearson's correlation of the mid-ranks of weighted samples."""
    centred = []
    for code in codes:
        mass = np.bincount(code, weights=weight)
        rank = (np.cumsum(mass) - mass / 2)[code]
        centred.append(rank - np.average(rank, weights=weight))
    (p, q), w = centred, weight
    norm = np.sqrt((w * p * p).sum() * (w * q * q).sum())
    return float((w * p * q).sum() / norm) if norm > 0 else float("nan")


def _interval(values: list[float]) -> tuple[float, float]:
    low, high = percentile_interval(np.asarray(values))
    return float(low), float(high)
