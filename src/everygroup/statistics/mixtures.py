"""Shares of a mixture: how much each of several predictions should count, by the likelihood of what was seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import minimize
from scipy.special import logsumexp

from everygroup.statistics.bootstrap import cluster_index

_SMALLEST = 1e-9  # shares that the search may give; they count as 0


def mixture_shares(log_likelihood: ArrayLike, prior: ArrayLike, weight: ArrayLike | None = None) -> NDArray[np.float64]:
    r"""Return the shares c (C,) of a mixture that make what was observed likeliest.

    .. math:: c = \arg\max \sum_i w_i \log \sum_k c_k p_k(y_i) + \sum_k a_k \log c_k

    Parameters
    ----------
    log_likelihood : (n, C)
        log p_k(y_i): what each component says of what was observed.
    prior : (C,)
        a: pseudo-samples that each component is credited with.
    weight : (n,), optional
        Of the observations; 1 by default.

    Notes
    -----
    The objective is concave: sequential quadratic programming reaches in some ten steps the maximum that
    expectation-maximisation climbs to slowly where a share is 0.

    Examples
    --------
    >>> mixture_shares(np.log([[0.9, 0.1], [0.9, 0.1]]), [0, 3]).round(2)
    array([0., 1.])
    """
    seen = np.asarray(log_likelihood, dtype=np.float64)
    credit = np.asarray(prior, dtype=np.float64)
    w = np.ones(len(seen)) if weight is None else np.asarray(weight, dtype=np.float64)
    total, count = w.sum() + credit.sum(), seen.shape[1]
    even = np.full(count, 1 / count)
    if not total > 0:
        return even
    likelihood = np.exp(seen - seen.max(axis=1, keepdims=True, initial=-np.inf))
    credited = credit > 0

    def objective(shares: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        mixture = likelihood @ shares
        value = w @ np.log(mixture) + credit[credited] @ np.log(shares[credited])
        slope = (w / mixture) @ likelihood
        slope[credited] += credit[credited] / shares[credited]
        return -float(value) / total, -slope / total

    found = minimize(
        objective,
        even,
        jac=True,
        method="SLSQP",
        bounds=[(_SMALLEST, 1.0)] * count,
        constraints={"type": "eq", "fun": lambda c: c.sum() - 1, "jac": lambda c: np.ones(count)},
        options={"ftol": 1e-12, "maxiter": 200},
    )
    shares: NDArray[np.float64] = np.where(found.x > 2 * _SMALLEST, found.x, 0.0)
    return shares / shares.sum()


@dataclass(frozen=True)
class Change:
    """A mean change of the log-likelihood a sample, with its 95 % interval; NaN where undefined."""

    mean: float
    low: float
    high: float


def expected_change(
    log_likelihood: ArrayLike,
    prior: ArrayLike,
    units: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Change:
    """Estimate what a mixture gains on samples that its shares were not fitted on, against component 0 alone.

    Parameters
    ----------
    log_likelihood, prior, weight
        As in `mixture_shares`; component 0 is the reference.
    units : (n,)
        Patients or lesions. They are cut into folds; the shares of all other folds answer for each one. The interval is
        that of a t distribution over the units' sums; it takes the units' gains for independent, which shares fitted on
        common patients make a little optimistic.
    """
    seen, unit = np.asarray(log_likelihood, dtype=np.float64), cluster_index(np.asarray(units))
    w = np.ones(len(seen)) if weight is None else np.asarray(weight, dtype=np.float64)
    n_units = int(unit.max(initial=-1)) + 1
    if n_units < max(2, folds):
        return Change(float("nan"), float("nan"), float("nan"))
    fold = (np.random.default_rng(seed).permutation(n_units) % folds)[unit]
    gain = np.empty(len(seen))
    for k in range(folds):
        held = fold == k
        shares = mixture_shares(seen[~held], prior, w[~held])
        with np.errstate(divide="ignore"):
            gain[held] = logsumexp(seen[held] + np.log(shares), axis=1) - seen[held, 0]
    size = np.bincount(unit, weights=w)
    mean = float((w * gain).sum() / size.sum())
    spread = np.bincount(unit, weights=w * (gain - mean))
    error = float(np.sqrt(n_units / (n_units - 1) * (spread**2).sum()) / size.sum())
    half = float(stats.t.ppf(0.975, n_units - 1)) * error
    return Change(mean, mean - half, mean + half)
