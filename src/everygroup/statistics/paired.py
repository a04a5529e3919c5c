"""Tests and intervals for comparing two models: McNemar, sign-flips of clusters, Mann-Whitney, pairs of seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from everygroup.statistics.bootstrap import MAX_BYTES, bootstrap_mean, cluster_index


@dataclass(frozen=True)
class McNemar:
    """`b` samples only A got right, `c` only B; `statistic` is NaN for the exact and mid-p forms."""

    b: int
    c: int
    p: float
    statistic: float
    form: str


def mcnemar(
    a_right: ArrayLike, b_right: ArrayLike, *, form: Literal["auto", "exact", "mid-p", "chi2", "corrected"] = "auto"
) -> McNemar:
    """McNemar's test of two classifiers on the same samples.

    Parameters
    ----------
    a_right, b_right : (n,) whether A and B were right.
    form : 'exact' binomial, 'mid-p', 'chi2', 'corrected' (continuity-corrected chi2); 'auto' takes 'exact' up to 50
        discordant pairs and 'corrected' above.

    References
    ----------
    McNemar 1947; mid-p: Fagerland, Lydersen and Laake, BMC Medical Research Methodology 2013.
    """
    a, b = np.asarray(a_right, dtype=bool), np.asarray(b_right, dtype=bool)
    return mcnemar_counts(int((a & ~b).sum()), int((~a & b).sum()), form=form)


def mcnemar_counts(b: int, c: int, *, form: Literal["auto", "exact", "mid-p", "chi2", "corrected"] = "auto") -> McNemar:
    """McNemar's test from the two discordant counts; b = c (also 0) gives p = 1."""
    from scipy import stats  # takes a second to import

    n = b + c
    chosen = form if form != "auto" else ("exact" if n <= 50 else "corrected")
    if b == c:
        return McNemar(b, c, 1.0, float("nan"), chosen)
    if chosen in ("exact", "mid-p"):
        exact = min(1.0, 2.0 * float(stats.binom.cdf(min(b, c), n, 0.5)))
        p = exact if chosen == "exact" else exact - float(stats.binom.pmf(min(b, c), n, 0.5))
        return McNemar(b, c, p, float("nan"), chosen)
    shift = 1 if chosen == "corrected" else 0
    statistic = (abs(b - c) - shift) ** 2 / n
    return McNemar(b, c, float(stats.chi2.sf(statistic, 1)), statistic, chosen)


@dataclass(frozen=True)
class SignFlip:
    """`b` samples only A got right, `c` only B; `n` clusters in which their numbers of right answers differ."""

    b: int
    c: int
    n: int
    p: float


def sign_flip(
    a_right: ArrayLike, b_right: ArrayLike, units: ArrayLike, *, n_flips: int = 1000, seed: int = 0
) -> SignFlip:
    """Test of two classifiers on the same samples when several samples come from one patient.

    The statistic is the sum over clusters of d, the number of right answers of A minus that of B. Under the null A and
    B are exchangeable within every cluster, so the sign of each d is random:
    p = (1 + #{abs(sum of s d) >= abs(sum of d)}) / (1 + n_flips) over random signs s. With one sample per cluster this
    is McNemar's exact test by simulation.

    Parameters
    ----------
    a_right, b_right : (n,) whether A and B were right.
    units : (n,) cluster ids.
    n_flips, seed : number of random sign vectors, and their seed.

    References
    ----------
    Good, Permutation, Parametric and Bootstrap Tests of Hypotheses, 2005; for the 1 in p: Phipson and Smyth 2010.
    """
    a, b = np.asarray(a_right, dtype=bool), np.asarray(b_right, dtype=bool)
    d = np.bincount(cluster_index(units), weights=a.astype(np.float64) - b)
    d = d[d != 0]
    rng = np.random.default_rng(seed)
    width = max(1, MAX_BYTES // (40 * max(d.size, 1)))
    extreme = 0
    for first in range(0, n_flips, width):
        signs = 2.0 * (rng.random((min(width, n_flips - first), d.size)) < 0.5) - 1.0
        extreme += int((np.abs(signs @ d) >= abs(d.sum()) - 1e-9).sum())
    return SignFlip(int((a & ~b).sum()), int((~a & b).sum()), int(d.size), (1 + extreme) / (1 + n_flips))


@dataclass(frozen=True)
class MannWhitney:
    """`u` of the first sample (ties 1/2), Cliff's `delta` in [-1, 1], its size in words, two-sided `p`."""

    u: float
    delta: float
    size: str
    p: float
    n: tuple[int, int]


def mann_whitney(x: ArrayLike, y: ArrayLike) -> MannWhitney:
    """Mann-Whitney U test and Cliff's delta = 2U/(mn) - 1, by ranks in O((m+n) log(m+n)).

    NaN for `u`, `delta` and `p` when a sample is empty.

    References
    ----------
    Cliff 1993; bands (negligible < .147, small < .33, medium < .474, large): Romano et al. 2006.
    """
    from scipy import stats

    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    m, n = a.size, b.size
    if m == 0 or n == 0:
        return MannWhitney(float("nan"), float("nan"), "undefined", float("nan"), (m, n))
    ranks = stats.rankdata(np.concatenate([a, b]))
    u = float(ranks[:m].sum() - m * (m + 1) / 2)
    delta = 2 * u / (m * n) - 1
    bands = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"))
    size = next((word for limit, word in bands if abs(delta) < limit), "large")
    # one common value everywhere has no variance and no evidence
    constant = float(np.ptp(np.concatenate([a, b]))) == 0.0
    p = 1.0 if constant else float(stats.mannwhitneyu(a, b, alternative="two-sided").pvalue)
    return MannWhitney(u, delta, size, p, (m, n))


@dataclass(frozen=True)
class PairedInterval:
    """Mean of a - b with its interval over `n` pairs (seeds, folds) and the two-sided `p` of the paired t-test."""

    mean: float
    low: float
    high: float
    n: int
    p: float
    form: str


def paired_interval(
    a: ArrayLike,
    b: ArrayLike,
    *,
    level: float = 0.95,
    form: Literal["t", "bootstrap"] = "t",
    overlap: float = 0.0,
    n_boot: int = 1000,
    seed: int = 0,
) -> PairedInterval:
    """Interval of the mean difference a - b over pairs, such as the seeds of two methods.

    Pairs with a NaN on either side are left out. With fewer than two pairs the interval is NaN.

    Parameters
    ----------
    a, b : (n,) values, paired by position.
    form : 't' interval of the mean difference, or percentile 'bootstrap' over pairs (then `p` is NaN).
    overlap : of the 't' form, test over training samples where every pair has another random split of the same
        samples, so that pairs are no independent draws: the variance of the mean s^2 / n becomes (1/n + overlap) s^2.

    References
    ----------
    overlap: Nadeau and Bengio, Inference for the generalization error, Machine Learning 52, 2003.
    """
    from scipy import stats

    d = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    d = d[~np.isnan(d)]
    nan = float("nan")
    if d.size < 2:
        return PairedInterval(float(d.mean()) if d.size else nan, nan, nan, int(d.size), nan, form)
    mean = float(d.mean())
    if form == "bootstrap":
        _, low, high = bootstrap_mean(d, n_boot=n_boot, seed=seed, level=level)
        return PairedInterval(mean, low, high, int(d.size), nan, form)
    error = float(d.std(ddof=1) * np.sqrt(1 / d.size + overlap))
    if error == 0.0:
        return PairedInterval(mean, mean, mean, int(d.size), 1.0 if mean == 0.0 else 0.0, form)
    half = float(stats.t.ppf(0.5 + level / 2, d.size - 1)) * error
    p = 2.0 * float(stats.t.sf(abs(mean) / error, d.size - 1))
    return PairedInterval(mean, mean - half, mean + half, int(d.size), p, form)
