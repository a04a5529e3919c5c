"""The probe behind advice: a logistic regression on cheap features, cross-validated by patient, for every diet of data.

A *diet* says which rows one model may learn from: a share of the target group's own patients, a share of the others',
and with which weights. Only rows of the target group are judged, each by a model that has seen none of its patient's.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from everygroup.advise.features import FeatureMap
from everygroup.console import progress
from everygroup.spare import spare_weights

STRENGTHS = (0.003, 0.03, 0.3)
"""Inverse strengths of the penalty; chosen for every fit on inner folds of its own training rows of the group."""
TEMPERATURE = 0.3
FOLDS, INNER = 5, 2
_TOLERANCE, _ITERATIONS = 1e-3, 200


@dataclass(frozen=True)
class Diet:
    """What one model learns from: shares of the group's own and of the others' patients, weighted or not."""

    name: str
    own: float = 1.0
    others: float = 0.0
    weighted: bool = False


OWN, EVERYBODY, WEIGHTED = Diet("own only"), Diet("everybody", others=1.0), Diet("weighted", others=1.0, weighted=True)
COMPARED = (OWN, EVERYBODY, WEIGHTED)
CURVE = (
    Diet("a quarter of own only", own=0.25),
    Diet("half of own only", own=0.5),
    OWN,
    Diet("own and a quarter of the others", others=0.25),
    Diet("own and half of the others", others=0.5),
    EVERYBODY,
    WEIGHTED,
)
"""The diets tried, in order: own data grow, then others' data are added, then weighted."""


@dataclass(frozen=True)
class Samples:
    """The rows a probe may see.

    Attributes
    ----------
    y, unit : ndarray of int64, (n,)
        Class index, index of the patient.
    inside, known : ndarray of bool, (n,)
        Whether a row is of the target group; whether its group is known.
    n_classes : int
    """

    y: np.ndarray
    unit: np.ndarray
    inside: np.ndarray
    known: np.ndarray
    n_classes: int

    @cached_property
    def judged(self) -> np.ndarray:
        """Positions of the target group's rows, (m,)."""
        return np.flatnonzero(self.inside)


def cross_validated(
    samples: Samples,
    features: FeatureMap,
    *,
    repeats: int,
    seed: int,
    diets: Sequence[Diet] = CURVE,
    label: str = "probe",
) -> dict[str, np.ndarray]:
    """Return out-of-fold probabilities (repeats, m, K) of the target group's rows for every diet.

    Parameters
    ----------
    samples : Samples
    features : FeatureMap
    repeats : int
        Times that the group's patients are cut into folds anew.
    seed : int
    diets : sequence of Diet
        The answers of one do not depend on which others are asked for.
    """
    import sklearn

    judged = samples.judged
    found = {diet.name: np.full((repeats, len(judged), samples.n_classes), np.nan) for diet in diets}
    # the arrays are our own: checking them again takes longer than many of the fits
    unchecked = sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
    with progress(repeats * FOLDS, label) as advance, unchecked:
        for repeat in range(repeats):
            rng = np.random.default_rng([seed, repeat])
            for held in _folds(samples.y[judged], samples.unit[judged], FOLDS, int(rng.integers(2**31))):
                unseen = np.isin(samples.unit, samples.unit[judged[held]])
                x = features(~unseen)
                # the same order of patients for every diet: a smaller share is part of a larger one
                rank = rng.permutation(int(samples.unit.max()) + 1)
                similar = _similar(x, samples, ~unseen)
                for diet in diets:
                    rows = _rows(diet, samples, ~unseen, rank)
                    weight = similar[rows] if diet.weighted else np.ones(len(rows))
                    found[diet.name][repeat, held] = _fit_predict(x, samples, rows, weight, judged[held], seed)
                advance(1)
    return found


def can_be_probed(samples: Samples) -> bool:
    """Whether the target group has a fold's worth of patients, and two classes with two patients each."""
    y, unit = samples.y[samples.judged], samples.unit[samples.judged]
    patients = [np.unique(unit[y == k]).size for k in range(samples.n_classes)]
    return np.unique(unit).size >= 2 * FOLDS and sum(p >= 2 for p in patients) >= 2


def _folds(y: np.ndarray, unit: np.ndarray, folds: int, seed: int) -> list[np.ndarray]:
    """Cut rows into folds by patient, classes spread evenly where possible; returns positions."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if np.bincount(y).max() < folds:  # every class is too rare to spread, and the splitters would refuse
        y = np.zeros_like(y)
    # the splitter that heeds patients is slow, and needless where each has one row
    splitter = StratifiedKFold if np.unique(unit).size == unit.size else StratifiedGroupKFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a rare class may be absent from a fold
        cut = splitter(folds, shuffle=True, random_state=seed).split(y, y, unit)
        return [held for _, held in cut]


def _rows(diet: Diet, samples: Samples, allowed: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """Return the training rows of a diet: its share of the patients with the lowest rank, own and others apart."""
    parts = []
    for share, side in ((diet.own, samples.inside), (diet.others, ~samples.inside)):
        rows = np.flatnonzero(allowed & side)
        if share <= 0 or not rows.size:
            continue
        patients = np.unique(samples.unit[rows])
        kept = patients[np.argsort(rank[patients])][: max(1, round(share * patients.size))]
        parts.append(rows[np.isin(samples.unit[rows], kept)])
    return np.concatenate(parts)


def _similar(x: np.ndarray, samples: Samples, allowed: np.ndarray) -> np.ndarray:
    """Return SPARE's weights by similarity alone, (n,), from a linear group predictor, whose distance is a formula.

    This is the variant with alpha 0, distances over their median and temperature .3; rows of unknown group are
    weighted like the others.
    """
    from sklearn.linear_model import LogisticRegression

    fitted = np.flatnonzero(allowed & samples.known)
    if np.unique(samples.inside[fitted]).size < 2:
        return np.ones(len(x))
    model = LogisticRegression(C=0.1, tol=_TOLERANCE, max_iter=_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not quite converged is good enough to rank by
        model.fit(x[fitted], samples.inside[fitted])
    distance = np.maximum(-model.decision_function(x), 0.0) / max(float(np.linalg.norm(model.coef_)), 1e-12)
    rows = np.flatnonzero(allowed)
    weight = np.ones(len(x))
    if (distance[rows] > 0).any():
        weight[rows] = spare_weights(None, distance[rows], alpha=0.0, scale="median", temperature=TEMPERATURE)
    return weight


def _fit_predict(
    x: np.ndarray, samples: Samples, rows: np.ndarray, weight: np.ndarray, judged: np.ndarray, seed: int
) -> np.ndarray:
    """Return probabilities (len(judged), K) from a regression fitted on weighted rows."""
    strength = _strength(x, samples, rows, weight, seed)
    return _probabilities(x, samples, rows, weight, judged, strength)


def _strength(x: np.ndarray, samples: Samples, rows: np.ndarray, weight: np.ndarray, seed: int) -> float:
    """Choose the penalty on inner folds of the target group's patients among the training rows, by log-loss."""
    own = np.flatnonzero(samples.inside[rows])
    y, unit = samples.y[rows[own]], samples.unit[rows[own]]
    if np.unique(unit).size < 2 * INNER:
        return STRENGTHS[1]
    losses = np.zeros(len(STRENGTHS))
    for held in _folds(y, unit, INNER, seed):
        inner = ~np.isin(samples.unit[rows], unit[held])
        for i, strength in enumerate(STRENGTHS):
            p = _probabilities(x, samples, rows[inner], weight[inner], rows[own[held]], strength)
            losses[i] -= np.log(p[np.arange(len(held)), y[held]]).sum()
    return STRENGTHS[int(losses.argmin())]


def _probabilities(
    x: np.ndarray, samples: Samples, rows: np.ndarray, weight: np.ndarray, judged: np.ndarray, strength: float
) -> np.ndarray:
    """Fit and answer. Every class counts one row more than it has (Laplace), so that none has probability 0."""
    from sklearn.linear_model import LogisticRegression

    p = np.zeros((len(judged), samples.n_classes))
    present = np.unique(samples.y[rows])
    if present.size < 2:
        p[:, present] = 1.0
    else:
        centre, spread = x[rows].mean(axis=0), x[rows].std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        model = LogisticRegression(C=strength, tol=_TOLERANCE, max_iter=_ITERATIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above
            model.fit((x[rows] - centre) / spread, samples.y[rows], sample_weight=weight / weight.mean())
        p[:, model.classes_] = model.predict_proba((x[judged] - centre) / spread)
    n = len(rows)
    return np.asarray((n * p + 1.0) / (n + samples.n_classes))
