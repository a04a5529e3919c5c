"""Wilcoxon's signed-rank test of two methods on the same rows, and of many methods against a control."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import EverygroupError
from everygroup.statistics.multiple import holm

FloatArray = NDArray[np.float64]

EXACT_UP_TO = 50
"""Pairs up to which the null distribution is counted out; above it is taken as normal."""


@dataclass(frozen=True)
class Wilcoxon:
    """`plus` and `minus`: rank sums of the rows in which a or b is larger; two-sided `p`.

    `n` rows differ, `equal` rows do not, `left_out` rows had an undefined value.
    """

    plus: float
    minus: float
    p: float
    n: int
    equal: int
    left_out: int
    form: str


def wilcoxon(a: ArrayLike, b: ArrayLike) -> Wilcoxon:
    """Wilcoxon's signed-rank test of paired values: are differences as often and as far above 0 as below?

    Up to 50 differing rows p is exact, with ties too (the null distribution of the rank sum is counted out over all
    signs); above, normal with the variance corrected for ties.

    Parameters
    ----------
    a, b : (n,) values of two methods on the same data sets or seeds. Pairs with a NaN or infinity are left out,
        equal pairs dropped; both are counted.

    Returns
    -------
    Wilcoxon
        p is 1 when all pairs are equal, and NaN without any pair.

    Raises
    ------
    EverygroupError
        If the lengths differ.

    Notes
    -----
    With n rows the smallest possible p is 2^(1-n): fewer than six rows can never reach 0.05.

    References
    ----------
    Wilcoxon, Biometrics Bulletin 1945; for two classifiers: Demsar, JMLR 2006.

    Examples
    --------
    >>> wilcoxon([0.8, 0.7, 0.9, 0.6, 0.75, 0.85], [0.7, 0.6, 0.6, 0.65, 0.5, 0.6]).p
    0.0625
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise EverygroupError(f"There are {x.size} values and {y.size}.", fix="give both methods' values, row by row")
    from scipy import special, stats  # takes a second to import

    defined = np.isfinite(x) & np.isfinite(y)
    x, y = x[defined], y[defined]
    left_out, pairs = int((~defined).sum()), int(defined.sum())
    # 0.7 - 0.6 and 0.6 - 0.5 differ by rounding only: such differences must tie
    scale = max(float(np.abs(x).max(initial=0.0)), float(np.abs(y).max(initial=0.0))) or 1.0
    d = np.round((x - y) / scale, 12)
    d = d[d != 0]
    n = int(d.size)
    if n == 0:
        return Wilcoxon(0.0, 0.0, 1.0 if pairs else float("nan"), 0, pairs, left_out, "exact")
    ranks = stats.rankdata(np.abs(d))
    plus, minus = float(ranks[d > 0].sum()), float(ranks[d < 0].sum())
    if n <= EXACT_UP_TO:
        return Wilcoxon(plus, minus, _exact_p(ranks, min(plus, minus)), n, pairs - n, left_out, "exact")
    error = np.sqrt(float((ranks**2).sum()) / 4)  # ties are in the mid-ranks already
    p = 2 * float(special.ndtr(-abs(plus - minus) / 2 / error))
    return Wilcoxon(plus, minus, p, n, pairs - n, left_out, "normal")


@dataclass(frozen=True)
class AgainstControl:
    """Every method against the one in column `control`: arrays (k,), NaN (and n = 0) at the control itself.

    `difference` is the median of method - control, `p` Wilcoxon's, `p_holm` corrected for the k - 1 tests, `n` the rows
    that both have.
    """

    control: int
    difference: FloatArray
    p: FloatArray
    p_holm: FloatArray
    n: NDArray[np.int64]


def against_control(values: ArrayLike, *, control: int = 0) -> AgainstControl:
    """Wilcoxon's test of every method against a control (the baseline), with Holm's correction.

    Fewer tests than all pairs, and so more power than Nemenyi's where only the baseline matters.

    Parameters
    ----------
    values : (n, k) one row per data set or seed, one column per method; a row with a NaN is left out of that method's
        test only.
    control : column of the baseline.

    Raises
    ------
    EverygroupError
        If `values` is no table, or has no such column.

    References
    ----------
    Demsar, JMLR 2006, section 3.2.2; Garcia and Herrera, JMLR 2008.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> test = against_control(rng.normal([0.70, 0.72, 0.70], 0.01, (12, 3)))
    >>> test.p_holm.round(3).tolist()
    [nan, 0.002, 0.85]
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not 0 <= control < table.shape[1]:
        raise EverygroupError(
            f"There is no control {control} in values of shape {table.shape}.",
            fix="give one row per data set, one column per method, and the column of the control",
        )
    k = table.shape[1]
    difference, p, n = np.full(k, np.nan), np.full(k, np.nan), np.zeros(k, dtype=np.int64)
    for j in (j for j in range(k) if j != control):
        both = table[np.isfinite(table[:, [j, control]]).all(axis=1)]
        n[j] = len(both)
        if len(both):
            difference[j] = float(np.median(both[:, j] - both[:, control]))
            p[j] = wilcoxon(both[:, j], both[:, control]).p
    return AgainstControl(control, difference, p, holm(p), n)


def _exact_p(ranks: FloatArray, smaller: float) -> float:
    """Return the share of sign vectors whose smaller rank sum is as small; ranks may be halves."""
    doubled = np.rint(2 * ranks).astype(np.int64)
    ways = np.zeros(int(doubled.sum()) + 1)
    ways[0] = 1.0
    for rank in doubled:
        ways[rank:] += ways[:-rank].copy()
    share = float(ways[: round(2 * smaller) + 1].sum() / ways.sum())
    return min(1.0, 2 * share)
