"""Many methods on many data sets by their ranks: Friedman's test, Nemenyi's, the critical difference, cliques."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import EverygroupError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Friedman:
    """Friedman's `chi2` with `p`, Iman and Davenport's `f` with `f_p`, and the `mean_ranks` (k,), 1 for the best.

    `n` rows and `k` methods were ranked; `left_out` rows had an undefined value.
    """

    chi2: float
    p: float
    f: float
    f_p: float
    mean_ranks: FloatArray
    n: int
    k: int
    left_out: int


def friedman(values: ArrayLike, *, higher_is_better: bool = True) -> Friedman:
    """Test of k methods on n rows (data sets, attributes, seeds) for equal mean ranks.

    With R_j the mean rank of method j, ties averaged,
    chi2 = [12 n/(k (k+1)) sum (R_j - (k+1)/2)^2] / c on k - 1 degrees of freedom, where
    c = 1 - sum (t^3 - t)/(n (k^3 - k)) over the tied blocks of t values (1 without ties), and
    f = (n-1) chi2 / (n (k-1) - chi2) on k - 1 and (k-1)(n-1).

    Parameters
    ----------
    values : (n, k)
        One row per data set, one column per method. Rows with a NaN are left out and counted.
    higher_is_better : whether the largest value of a row gets rank 1.

    Returns
    -------
    Friedman
        With fewer than two complete rows the statistics are NaN. When all methods tie everywhere, p is 1. When all
        rows agree perfectly `f` is infinite; its p is then the exact probability of that, not 0.

    Raises
    ------
    EverygroupError
        If `values` is no table of at least two columns.

    Notes
    -----
    `chi2` is conservative for few rows and `f` better there. Rows that share samples (two attributes of one data set)
    are not independent, and p is then too small.

    References
    ----------
    Friedman, JASA 1937; Iman and Davenport, Communications in Statistics 1980; Demsar, JMLR 2006.

    Examples
    --------
    >>> test = friedman([[0.9, 0.8, 0.7], [0.8, 0.7, 0.9], [0.7, 0.6, 0.5], [0.9, 0.6, 0.3]])
    >>> test.mean_ranks.tolist(), round(test.chi2, 3), round(test.p, 3), round(test.f_p, 3)
    ([1.25, 2.25, 2.5], 3.5, 0.174, 0.178)
    """
    from scipy import stats  # takes a second to import

    ranks, left_out = _row_ranks(values, higher_is_better)
    n, k = ranks.shape
    nan = float("nan")
    if n < 2:
        mean = ranks.mean(axis=0) if n else np.full(k, nan)
        return Friedman(nan, nan, nan, nan, mean, n, k, left_out)
    mean = ranks.mean(axis=0)
    tied = [np.unique(row, return_counts=True)[1] for row in ranks]
    correction = 1.0 - sum(float((t**3 - t).sum()) for t in tied) / (n * (k**3 - k))
    if correction < 1e-12:
        return Friedman(0.0, 1.0, 0.0, 1.0, mean, n, k, left_out)
    chi2 = 12 * n / (k * (k + 1)) * float(((mean - (k + 1) / 2) ** 2).sum()) / correction
    p = float(stats.chi2.sf(chi2, k - 1))
    if (ranks == ranks[0]).all():
        arrangements = math.factorial(k) / math.prod(math.factorial(int(t)) for t in tied[0])
        return Friedman(chi2, p, float("inf"), arrangements ** (1 - n), mean, n, k, left_out)
    f = (n - 1) * chi2 / (n * (k - 1) - chi2)
    f_p = float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))
    return Friedman(chi2, p, f, f_p, mean, n, k, left_out)


def nemenyi(values: ArrayLike, *, higher_is_better: bool = True) -> FloatArray:
    """Nemenyi's test of all pairs of methods after Friedman's.

    p = P(range of k standard normals >= sqrt(2) |R_i - R_j| / sqrt(k (k+1)/(6 n))): the studentised range with infinite
    degrees of freedom, which holds the family-wise error over all pairs.

    Parameters
    ----------
    values : (n, k) as `friedman`.

    Returns
    -------
    (k, k) array
        Symmetric, 1 on the diagonal; NaN throughout with fewer than two complete rows.

    References
    ----------
    Nemenyi, Distribution-free multiple comparisons, 1963; Demsar, JMLR 2006.

    Examples
    --------
    >>> nemenyi([[0.9, 0.8, 0.7], [0.8, 0.7, 0.9], [0.7, 0.6, 0.5], [0.9, 0.6, 0.3]]).round(3)[0].tolist()
    [1.0, 0.333, 0.181]
    """
    from scipy import stats

    ranks, _ = _row_ranks(values, higher_is_better)
    n, k = ranks.shape
    if n < 2:
        return np.full((k, k), np.nan)
    mean = ranks.mean(axis=0)
    a, b = np.triu_indices(k, 1)
    q = np.abs(mean[a] - mean[b]) * math.sqrt(2.0) / math.sqrt(k * (k + 1) / (6 * n))
    p = np.ones((k, k))
    p[a, b] = p[b, a] = np.clip(stats.studentized_range.sf(q, k, np.inf), 0.0, 1.0)
    return p


def critical_difference(k: int, n: int, *, alpha: float = 0.05) -> float:
    """Smallest difference of two mean ranks that Nemenyi's test declares: q sqrt(k (k+1)/(6 n)).

    Parameters
    ----------
    k, n : methods and rows.
    alpha : q is the 1 - alpha quantile of the studentised range of k values / sqrt(2).

    Returns
    -------
    float
        NaN for fewer than two methods or rows.

    References
    ----------
    Demsar, Statistical comparisons of classifiers over multiple data sets, JMLR 2006.

    Examples
    --------
    >>> round(critical_difference(11, 16), 3)
    3.774
    """
    from scipy import stats

    if k < 2 or n < 2:
        return float("nan")
    q = float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / math.sqrt(2.0)
    return q * math.sqrt(k * (k + 1) / (6 * n))


def cliques(mean_ranks: ArrayLike, cd: float) -> list[tuple[int, ...]]:
    """Return the largest sets of methods of which no two differ by `cd` or more: the bars of the diagram.

    Parameters
    ----------
    mean_ranks : (k,)
    cd : critical difference; NaN (unknown) joins all methods.

    Returns
    -------
    list of tuples
        Positions in `mean_ranks`, best rank first; sets of one method are left out.

    Examples
    --------
    >>> cliques([3.0, 1.0, 1.5, 4.2], cd=1.8)
    [(1, 2), (2, 0), (0, 3)]
    """
    ranks = np.asarray(mean_ranks, dtype=np.float64)
    order = np.argsort(ranks, kind="stable")
    limit = np.inf if math.isnan(cd) else cd - 1e-12  # rounding must not join methods that differ by exactly cd
    found: list[tuple[int, ...]] = []
    reached = 0
    for first in range(order.size):
        end = int(np.searchsorted(ranks[order] - ranks[order[first]], limit))
        if end > reached and end - first > 1:
            found.append(tuple(int(i) for i in order[first:end]))
        reached = max(reached, end)
    return found


def _row_ranks(values: ArrayLike, higher_is_better: bool) -> tuple[FloatArray, int]:
    """Return the ranks within the complete rows, and how many rows were left out."""
    from scipy import stats

    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise EverygroupError(
            f"Ranks need a table with at least two methods, not an array of shape {table.shape}.",
            fix="give one row per data set and one column per method",
        )
    complete = table[~np.isnan(table).any(axis=1)]
    signed = -complete if higher_is_better else complete
    ranks = np.asarray(stats.rankdata(signed, axis=1), dtype=np.float64) if len(complete) else complete
    return ranks, len(table) - len(complete)
