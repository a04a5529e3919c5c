"""Corrections for many tests at once: Holm (family-wise error) and Benjamini-Hochberg (false discovery rate)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import EverygroupError


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjusted p-values: rejecting those <= alpha keeps the chance of any false rejection <= alpha.

    With m defined p-values sorted upwards, adjusted p_(i) = max over j <= i of min(1, (m - j + 1) p_(j)). Valid under
    any dependence between the tests.

    Parameters
    ----------
    p : array of any shape
        The p-values of one family of tests. NaN (an undefined test) stays NaN and does not count in m.

    Returns
    -------
    array of the same shape

    Raises
    ------
    EverygroupError
        If a p-value lies outside [0, 1].

    References
    ----------
    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.06, 0.06]
    """
    values, order = _sorted_family(p)
    m = order.size
    steps = values.ravel()[order] * np.arange(m, 0, -1)
    return _placed(values, order, np.maximum.accumulate(np.minimum(steps, 1.0)))


def benjamini_hochberg(p: ArrayLike) -> NDArray[np.float64]:
    """Benjamini-Hochberg adjusted p-values: rejecting those <= alpha keeps the expected share of false ones <= alpha.

    With m defined p-values sorted upwards, adjusted p_(i) = min over j >= i of min(1, m p_(j) / j). Valid for
    independent and positively dependent tests.

    Parameters
    ----------
    p : array of any shape
        The p-values of one family of tests. NaN (an undefined test) stays NaN and does not count in m.

    Returns
    -------
    array of the same shape

    Raises
    ------
    EverygroupError
        If a p-value lies outside [0, 1].

    References
    ----------
    Benjamini and Hochberg, Controlling the false discovery rate, Journal of the Royal Statistical Society B 1995.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03, float("nan")]).round(6).tolist()
    [0.03, 0.04, 0.04, nan]
    """
    values, order = _sorted_family(p)
    m = order.size
    steps = values.ravel()[order] * (m / np.arange(1, m + 1))
    return _placed(values, order, np.minimum.accumulate(np.minimum(steps, 1.0)[::-1])[::-1])


def _sorted_family(p: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the p-values as an array, and the flat positions of the defined ones from small to large."""
    values = np.asarray(p, dtype=np.float64)
    flat = values.ravel()
    outside = flat[(flat < 0) | (flat > 1)]
    if outside.size:
        raise EverygroupError(f"A p-value lies outside [0, 1]: {outside[0]:g}.", fix="pass p-values, not statistics")
    order = np.argsort(flat, kind="stable")  # NaN sorts last
    return values, order[: flat.size - int(np.isnan(flat).sum())]


def _placed(
    values: NDArray[np.float64], order: NDArray[np.int64], adjusted: NDArray[np.float64]
) -> NDArray[np.float64]:
    out = np.full(values.size, np.nan)
    out[order] = adjusted
    return out.reshape(values.shape)
