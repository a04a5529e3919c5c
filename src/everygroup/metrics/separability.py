"""Can the group be read off the features: cross-validated AUC of a linear classifier of the group.

Where the group can be told from the images, a model can treat groups differently (a shortcut), and it gains from
group-specific training; where it cannot, it can do neither.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics._inputs import FloatArray, IntArray, group_codes
from everygroup.metrics.ranking import Ranking
from everygroup.metrics.rates import mean_defined
from everygroup.statistics import cluster_index, cluster_strata, percentile_interval, replicate_blocks

SMALL = 50
"""With fewer rows in a group the answer is noted as uncertain."""
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths of the penalty that are tried within the training rows of every fold."""


@dataclass(frozen=True)
class Separability:
    """Cross-validated AUC of telling the group: 1 it can always be told, 0.5 it cannot.

    Attributes
    ----------
    auc, low, high : mean of one-vs-rest over the groups, with its 95 % bootstrap interval over patients. The interval
        is that of the rows judged; that of the fitted classifier is not in it.
    per_group : group -> (auc, low, high) of this group against the rest.
    n : rows with a group.
    note : what to heed; empty if nothing.
    """

    auc: float
    low: float
    high: float
    per_group: dict[Hashable, tuple[float, float, float]]
    n: int
    note: str


def separability(
    embeddings: ArrayLike,
    sensitive_features: ArrayLike,
    *,
    cluster: ArrayLike | None = None,
    folds: int = 5,
    n_boot: int = 1000,
    seed: int = 0,
) -> Separability:
    """Tell the group from features by logistic regression, patients kept together in folds.

    Features are standardised and the penalty chosen within the training rows of every fold. Every row is judged by the
    one classifier that saw none of its patient's rows.

    Parameters
    ----------
    embeddings : (n, d) features, such as a network's penultimate layer.
    sensitive_features : (n,) groups; rows without one are left out.
    cluster : (n,) patient of every row.
    folds, n_boot, seed : of the cross-validation and the bootstrap.

    Raises
    ------
    PredictionsError
        For features that do not fit the rows, or with fewer than two patients in a group.

    References
    ----------
    Jones, Roschewitz and Glocker, MICCAI 2023; on frozen features: Glocker et al., eBioMedicine 2023.

    >>> rng = np.random.default_rng(0)
    >>> group = np.repeat(["a", "b"], 100)
    >>> found = separability(rng.normal(size=(200, 3)) + 4 * (group == "b")[:, None], group, n_boot=50)
    >>> found.auc > 0.99
    True
    """
    x = np.asarray(embeddings, dtype=np.float64)
    group, names = group_codes(sensitive_features)
    if x.ndim != 2 or len(x) != group.size:
        raise PredictionsError(
            f"embeddings has shape {x.shape} but there are {group.size} samples.", fix="give one row per sample"
        )
    if not np.isfinite(x).all():
        raise PredictionsError(f"Row {int((~np.isfinite(x).all(axis=1)).argmax())} of embeddings is not finite.")
    if folds < 2:
        raise SettingsError(f"folds is {folds}.", fix="give at least 2; 5 is usual")
    rows = np.flatnonzero(group >= 0)
    unit = cluster_index(np.arange(group.size) if cluster is None else np.asarray(cluster))[rows]
    unit, x, group = cluster_index(unit), x[rows], group[rows]
    patients = [np.unique(unit[group == g]).size for g in range(len(names))]
    if len(names) < 2 or min(patients) < 2:
        raise PredictionsError("Separability needs two groups of at least two patients.", fix="merge small groups")
    score = _out_of_fold(x, group, unit, min(folds, *patients), seed)
    ranked = [Ranking.of(score[:, g], group == g, unit, int(unit.max()) + 1) for g in range(len(names))]
    chosen = ranked[1:] if len(names) == 2 else ranked
    strata = cluster_strata(unit, group)
    blocks = list(replicate_blocks(strata, n_boot, seed=seed, n_rows=rows.size))
    ones = np.ones((strata.size, 1), dtype=np.float32)

    def interval(values: FloatArray) -> tuple[float, float]:
        low, high = percentile_interval(values)
        return float(low), float(high)

    # of two groups both directions are the same
    replicates = np.stack([np.concatenate([r.auc(b) for b in blocks]) for r in chosen])
    value = float(mean_defined([r.auc(ones)[0] for r in chosen]))
    each = [0] * len(names) if len(names) == 2 else range(len(names))
    per_group = {
        name: (float(chosen[k].auc(ones)[0]), *interval(replicates[k])) for name, k in zip(names, each, strict=True)
    }
    smallest = int(np.bincount(group).min())
    note = f"only {smallest} samples in the smallest group: uncertain" if smallest < SMALL else ""
    return Separability(value, *interval(mean_defined(replicates, axis=0)), per_group, int(rows.size), note)


def _out_of_fold(x: FloatArray, group: IntArray, unit: IntArray, folds: int, seed: int) -> FloatArray:
    """(n, G) probabilities of every row from a classifier that saw no row of its unit."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    n_groups = int(group.max()) + 1

    def fit_predict(train: NDArray[np.intp], test: NDArray[np.intp], strength: float) -> FloatArray:
        out = np.zeros((test.size, n_groups))
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # not quite converged is good enough to rank by
            model.fit(x[train], group[train])
        out[:, model.classes_] = model.predict_proba(x[test])
        return out

    def loss(score: FloatArray, truth: IntArray) -> float:
        return float(-np.log(np.clip(score[np.arange(truth.size), truth], 1e-12, None)).mean())

    def splits(of: IntArray, units: IntArray, k: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a small group may be absent from a fold
            return list(StratifiedGroupKFold(k, shuffle=True, random_state=seed).split(of, of, units))

    score = np.zeros((group.size, n_groups))
    for train, test in splits(group, unit, folds):
        strength = STRENGTHS[0]
        inner = splits(group[train], unit[train], 2)[0]
        if np.unique(group[train][inner[0]]).size > 1:
            inside, held = train[inner[0]], train[inner[1]]
            losses = [loss(fit_predict(inside, held, c), group[held]) for c in STRENGTHS]
            strength = STRENGTHS[int(np.argmin(losses))]
        if np.unique(group[train]).size > 1:
            score[test] = fit_predict(train, test, strength)
        else:
            score[test] = 1.0 / n_groups
    return score
