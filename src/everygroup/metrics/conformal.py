"""Split conformal prediction sets, one threshold for everybody or one per group, and what they cover in every group.

A set holds the true class with a chance of at least 1 - alpha over exchangeable rows: of all rows together with one
threshold (a group may be covered less), of every group with a threshold of its own (Mondrian).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics._grouped import probability_codes
from everygroup.metrics._inputs import FloatArray, group_codes
from everygroup.statistics.proportions import clustered_wilson

COVERAGE_COLUMNS = ("group", "n_calibration", "n", "coverage", "low", "high", "set_size")


@dataclass(frozen=True)
class Conformal:
    """Calibrated thresholds of the score ``1 - p_y``.

    Attributes
    ----------
    alpha : a set misses the true class with at most this chance.
    quantile : threshold of each group, or of everybody under None. Infinite, so that sets hold every class, where
        there are fewer calibration rows than ``1/alpha - 1``.
    n : calibration rows behind each threshold.
    """

    alpha: float
    quantile: dict[Hashable, float]
    n: dict[Hashable, int]

    @property
    def mondrian(self) -> bool:
        """Whether every group has a threshold of its own."""
        return None not in self.quantile

    def sets(self, y_score: ArrayLike, sensitive_features: ArrayLike | None = None) -> NDArray[np.bool_]:
        """Whether each class is in the set of each row: (n, K).

        A group without calibration rows, and rows without a group where none was seen, get every class.

        Raises
        ------
        SettingsError
            Without groups for group-wise thresholds.
        """
        score = np.asarray(y_score, dtype=np.float64)
        if score.ndim == 1:
            score = np.stack([1.0 - score, score], axis=1)
        if self.mondrian:
            if sensitive_features is None:
                raise SettingsError("These thresholds are by group.", fix="give sensitive_features")
            names = _names(sensitive_features)
            limit = np.array([self.quantile.get(name, np.inf) for name in names])
        else:
            limit = np.full(len(score), self.quantile[None])
        return np.asarray(1.0 - score <= limit[:, None] + 1e-12)


def conformal_quantile(scores: ArrayLike, alpha: float) -> float:
    """The ceil((n + 1)(1 - alpha))-th smallest calibration score; infinite where there are too few.

    >>> conformal_quantile([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], 0.2)
    0.8
    >>> conformal_quantile([0.1, 0.2], 0.2)
    inf
    """
    values = np.sort(np.asarray(scores, dtype=np.float64))
    rank = int(np.ceil((values.size + 1) * (1.0 - alpha) - 1e-9))
    return float(values[rank - 1]) if 1 <= rank <= values.size else float("inf")


def split_conformal(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    classes: Sequence[Hashable] | None = None,
    alpha: float = 0.1,
) -> Conformal:
    """Calibrate conformal sets on rows that neither trained the model nor will judge it.

    Parameters
    ----------
    y_true, y_score : (n,) labels and (n, K) probabilities of the calibration rows.
    sensitive_features : (n,) groups for one threshold per group (Mondrian); one for everybody when not given. Rows
        without a group are a stratum of their own.
    alpha : chance of missing the true class.

    References
    ----------
    Vovk, Gammerman and Shafer, 2005; score 1 - p_y: Sadinle, Lei and Wasserman, JASA 2019; by group: Lu et al., Fair
    conformal predictors for applications in medical imaging, AAAI 2022.

    >>> conformal = split_conformal([0, 1, 1, 0], [0.1, 0.8, 0.6, 0.3], alpha=0.25)
    >>> conformal.sets([0.5, 0.75]).tolist()
    [[False, False], [False, True]]
    """
    if not 0.0 < alpha < 1.0:
        raise SettingsError(f"alpha is {alpha}.", fix="give a number between 0 and 1, such as 0.1")
    index, score = probability_codes(y_true, y_score, classes)
    misfit = 1.0 - score[np.arange(index.size), index]
    if sensitive_features is None:
        return Conformal(alpha, {None: conformal_quantile(misfit, alpha)}, {None: int(index.size)})
    names = np.array(_names(sensitive_features), dtype=object)
    if names.size != index.size:
        raise PredictionsError(f"sensitive_features has {names.size} values but there are {index.size} samples.")
    inside = {name: misfit[[n == name for n in names]] for name in dict.fromkeys(names.tolist())}
    return Conformal(
        alpha,
        {name: conformal_quantile(values, alpha) for name, values in inside.items()},
        {name: int(values.size) for name, values in inside.items()},
    )


def conformal_coverage(
    conformal: Conformal,
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike,
    classes: Sequence[Hashable] | None = None,
    cluster: ArrayLike | None = None,
) -> pd.DataFrame:
    """Coverage and mean set size of every group, and of all rows ('overall'), on other rows than those of calibration.

    Parameters
    ----------
    cluster : (n,) patient of every row; the interval then counts the rows as what the patients are worth.

    Returns
    -------
    Rows of group ('missing' without one), n_calibration, n, coverage with its 95 % Wilson interval, set_size.
    """
    index, score = probability_codes(y_true, y_score, classes)
    inside = conformal.sets(score, sensitive_features)
    covered: FloatArray = inside[np.arange(index.size), index].astype(np.float64)
    size = inside.sum(axis=1)
    names = np.array(_names(sensitive_features), dtype=object)
    parts: list[tuple[Hashable, NDArray[np.bool_]]] = [("overall", np.ones(index.size, dtype=bool))]
    _, known = group_codes(sensitive_features)
    parts += [(name, np.array([n == name for n in names], dtype=bool)) for name in [*known, "missing"]]
    patient = None if cluster is None else np.asarray(cluster)
    rows = []
    for name, mask in parts:
        n = int(mask.sum())
        if n == 0:
            continue
        low, high = clustered_wilson(covered[mask], None if patient is None else patient[mask])
        calibrated = sum(conformal.n.values()) if name == "overall" else conformal.n.get(name, 0)
        if not conformal.mondrian:
            calibrated = sum(conformal.n.values())
        rows.append((name, calibrated, n, covered[mask].mean(), low, high, size[mask].mean()))
    return pd.DataFrame(rows, columns=list(COVERAGE_COLUMNS))


def _names(sensitive_features: ArrayLike) -> list[Hashable]:
    """Group name of every row, 'missing' where there is none."""
    group, names = group_codes(sensitive_features)
    lookup = [*names, "missing"]
    return [lookup[g] for g in group.tolist()]
