"""Populations with known true values, and blocks of repeats drawn and resampled from them (for coverage.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from everygroup.metrics import OneVsRest, accuracy_of, average_rate, class_rates
from everygroup.metrics.ranking import Ranking
from everygroup.statistics import effective_size, joint_units, replicate_blocks

Array = NDArray[np.float64]
PREVALENCE = np.array([0.5, 0.3, 0.2])
CLASSES = PREVALENCE.size
SKILL = np.array([0.9, 0.8, 0.65])
"""Share of right answers in each class at lift 0."""
RARE = 2
AUC, POSITIVE = 0.85, 0.3
N_BOOT = 1000


def counts_of(features: Array) -> OneVsRest:
    """(..., 9) features as one-vs-rest counts (..., 3)."""
    support, predicted, tp = np.moveaxis(features.reshape(*features.shape[:-1], 3, CLASSES), -2, 0)
    return OneVsRest(tp, support, predicted)


def answers(rng: np.random.Generator, n: int, repeats: int, lift: float, clustered: bool) -> Array:
    """(n, repeats, 9) support, predicted and right answers of every class, for n patients."""
    y = rng.choice(CLASSES, size=(n, repeats), p=PREVALENCE)
    images = rng.integers(2, 5, y.shape) if clustered else np.ones_like(y)
    p = SKILL[y] + lift
    if clustered:
        p = rng.beta(2 * p, 2 * (1 - p))
    right = rng.binomial(images, p)
    first = rng.binomial(images - right, 0.5)  # errors go to either other class
    out = np.zeros((n, repeats, 3, CLASSES))
    for k in range(CLASSES):
        mine = y == k
        out[..., 0, k] = mine * images
        out[..., 2, k] = mine * right
        out[..., 1, k] += mine * right
        out[..., 1, (k + 1) % CLASSES] += mine * first
        out[..., 1, (k + 2) % CLASSES] += mine * (images - right - first)
    return out.reshape(n, repeats, 9)


def expected_answers(lift: float) -> Array:
    """(9,) expected features of a patient, up to scale."""
    right, wrong = PREVALENCE * (SKILL + lift), PREVALENCE * (1 - SKILL - lift)
    predicted = right + (np.roll(wrong, 1) + np.roll(wrong, 2)) / 2
    return np.concatenate([PREVALENCE, predicted, right])


def absolute_errors(rng: np.random.Generator, n: int, repeats: int, lift: float, clustered: bool) -> Array:
    """(n, repeats, 2) sum of exponential absolute errors of mean 0.5 + lift, and number of images."""
    images = rng.integers(2, 5, (n, repeats)) if clustered else np.ones((n, repeats), dtype=np.int64)
    patient = rng.gamma(2.0, 0.5, (n, repeats)) if clustered else np.ones((n, repeats))
    error = rng.gamma(images) * patient * (0.5 + lift)  # a sum of exponentials
    return np.stack([error, images.astype(np.float64)], axis=-1)


def squared_errors(rng: np.random.Generator, n: int, repeats: int, lift: float, clustered: bool) -> Array:
    """(n, repeats, 2) sum of (p - y)^2, p from a U-shaped beta whose mean square error is 1/8, and number of images."""
    images = rng.integers(2, 5, (n, repeats)) if clustered else np.ones((n, repeats), dtype=np.int64)
    p = rng.beta(0.5, 0.5, (n, repeats))  # one p a patient: its images resemble each other
    y = rng.binomial(images, p)
    return np.stack([y * (p - 1) ** 2 + (images - y) * p**2, images.astype(np.float64)], axis=-1)


@dataclass(frozen=True)
class Metric:
    """A function of sums of patients' features."""

    value: Callable[[Array], Array]
    trials: Callable[[Array], tuple[Array, Array]] | None = None
    """Successes and trials, for plain proportions."""
    averaged: bool = False
    """A mean over classes: its number of units is that of the classes together."""
    unit_range: bool = True


@dataclass(frozen=True)
class Population:
    """Patients' features, the metrics that are functions of their sums, and the features' expectation at a lift."""

    draw: Callable[[np.random.Generator, int, int, float, bool], Array]
    expected: Callable[[float], Array]
    metrics: dict[str, Metric]


def _of_counts(
    value: Callable[[OneVsRest], Array],
    trials: Callable[[OneVsRest], tuple[Array, Array]] | None = None,
    averaged: bool = False,
) -> Metric:
    return Metric(
        lambda f: value(counts_of(f)), None if trials is None else lambda f: trials(counts_of(f)), averaged=averaged
    )


def mean_of(features: Array) -> Array:
    """Sum over count."""
    return features[..., 0] / features[..., 1]


POPULATIONS = (
    Population(
        answers,
        expected_answers,
        {
            "accuracy": _of_counts(accuracy_of, lambda c: (c.tp.sum(axis=-1), c.n[..., 0])),
            "recall of a class (20 %)": _of_counts(
                lambda c: class_rates(c, "recall")[..., RARE], lambda c: (c.tp[..., RARE], c.support[..., RARE])
            ),
            "balanced accuracy": _of_counts(lambda c: average_rate(c, "recall"), averaged=True),
            "macro F1": _of_counts(lambda c: average_rate(c, "f1"), averaged=True),
        },
    ),
    Population(squared_errors, lambda lift: np.array([0.125, 1.0]), {"Brier score": Metric(mean_of)}),
    Population(absolute_errors, lambda lift: np.array([0.5 + lift, 1.0]), {"MAE": Metric(mean_of, unit_range=False)}),
)


@dataclass(frozen=True)
class Sampled:
    """One block of repeats of one group."""

    truth: float
    point: Array  # (B,)
    replicates: Array  # (R, B)
    jackknife: Array  # (n, B) without each patient
    own: Array  # (n, B) the patients that the value rests on
    units: Array  # (B,) their number
    joint: Array  # (B,) the number of units of a mean over classes
    proportion: tuple[Array, Array, Array] | None  # successes, trials, effective size
    unit_range: bool


def sample(population: Population, n: int, repeats: int, lift: float, clustered: bool, seed: int) -> dict[str, Sampled]:
    """Draw a block of repeats and resample its patients; every metric from the same draws."""
    rng = np.random.default_rng(seed)
    rows = population.draw(rng, n, repeats, lift, clustered)
    total = rows.sum(axis=0)
    (weights,) = replicate_blocks(np.zeros(n, dtype=np.int64), N_BOOT, seed=seed + 1, max_bytes=10**9)
    drawn = (weights.T.astype(np.float64) @ rows.reshape(n, -1)).reshape(N_BOOT, repeats, -1)
    out = {}
    for name, metric in population.metrics.items():
        replicates = metric.value(drawn)
        own, proportion = np.ones((n, repeats), dtype=bool), None
        if metric.trials is not None:
            successes, trials = metric.trials(total)
            own = metric.trials(rows)[1] > 0
            known = ~np.isnan(replicates)
            mean = np.where(known, replicates, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
            spread = np.where(known, (replicates - mean) ** 2, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
            proportion = successes, trials, effective_size(successes, trials, spread, own.sum(axis=0))
        units = own.sum(axis=0).astype(np.float64)
        joint = joint_units((rows[..., :CLASSES] > 0).sum(axis=0)) if metric.averaged else units
        out[name] = Sampled(
            float(metric.value(population.expected(lift))), metric.value(total), replicates,
            metric.value(total - rows), own, units, joint, proportion, metric.unit_range,
        )  # fmt: skip
    return out


def sample_auc(n: int, repeats: int, lift: float, clustered: bool, seed: int) -> dict[str, Sampled]:
    """Draw normal scores of which 30 % are positive, and resample patients; AUC by the library's ranking."""
    rng = np.random.default_rng(seed)
    (weights,) = replicate_blocks(np.zeros(n, dtype=np.int64), N_BOOT, seed=seed + 1, max_bytes=10**9)
    shift, shared = np.sqrt(2.0) * special.ndtri(AUC + lift), 0.4 if clustered else 0.0
    point, joint = np.empty(repeats), np.empty(repeats)
    replicates, jackknife = np.empty((N_BOOT, repeats)), np.empty((n, repeats))
    for b in range(repeats):
        positive = rng.random(n) < POSITIVE
        unit = np.repeat(np.arange(n), rng.integers(2, 5, n)) if clustered else np.arange(n)
        score = shift * positive[unit] + np.sqrt(shared) * rng.normal(size=n)[unit]
        score += np.sqrt(1 - shared) * rng.normal(size=unit.size)
        ranked = Ranking.of(score, positive[unit], unit, n)
        replicates[:, b] = ranked.auc(weights)
        point[b] = ranked.auc(np.ones((n, 1), dtype=np.float32))[0]
        joint[b] = joint_units(np.array([positive.sum(), n - positive.sum()]))
        jackknife[:, b] = _auc_without_each(score, positive, unit)
    units = np.full(repeats, float(n))
    own = np.ones((n, repeats), dtype=bool)
    return {"AUC": Sampled(AUC + lift, point, replicates, jackknife, own, units, joint, None, True)}


def _auc_without_each(score: Array, positive: NDArray[np.bool_], unit: NDArray[np.int64]) -> Array:
    """AUC without each patient: its rows' wins and pairs are taken away."""
    of_row = positive[unit]
    p, q = np.sort(score[of_row]), np.sort(score[~of_row])
    wins = np.zeros(unit.size)
    wins[of_row] = np.searchsorted(q, score[of_row])
    wins[~of_row] = p.size - np.searchsorted(p, score[~of_row])
    lost, size = np.bincount(unit, weights=wins), np.bincount(unit).astype(np.float64)
    pairs = np.where(positive, (p.size - size) * q.size, p.size * (q.size - size))
    out = np.full(positive.size, np.nan)
    np.divide(wins.sum() / 2 - lost, pairs, out=out, where=pairs > 0)
    return out
