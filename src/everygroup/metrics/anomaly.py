"""Anomaly scores by group: higher means more anomalous, labels are 1 for anomalies and 0 for normals.

Scores are any finite numbers, not probabilities. A sample is flagged when its score is at least the threshold. AUROC
and AUPRC of anomaly scores are `auc` and `auprc` of `everygroup.metrics.ranking`, which
need only the order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import PredictionsError
from everygroup.metrics._grouped import groups_of, measure_family, numbers, record
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.distances import EXACT_LEVELS, Distances
from everygroup.metrics.families import Array, Index, RankFamily, Sums, Weights
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.means import Means, Share, Shares
from everygroup.metrics.measured import Measured
from everygroup.metrics.pairwise import outscored
from everygroup.metrics.ranking import Ranking
from everygroup.metrics.rates import ratio_of

TPR, QUANTILE = 0.95, 0.95


def anomalies(y_true: ArrayLike, y_score: ArrayLike) -> tuple[IntArray, FloatArray]:
    """Check labels (n,) of 0 and 1 and finite scores (n,).

    Raises
    ------
    PredictionsError
        For anything else; names the position.
    """
    true = numbers("y_true", y_true)
    score = numbers("y_score", y_score, length=true.size)
    other = (true != 0) & (true != 1)
    if other.any():
        at = int(other.argmax())
        raise PredictionsError(
            f"Position {at} of y_true is {true[at]:g}.", fix="write 1 for an anomaly and 0 for a normal sample"
        )
    return true.astype(np.int64), score


class AnomalyRanks(RankFamily):
    """AUROC, average precision, and its lift over the prevalence, within groups."""

    metrics = ("auc", "auprc", "auprc_lift")

    def __init__(self, y_true: Index, y_score: Array) -> None:
        self.positive, self.y_score = y_true == 1, y_score

    def bind(self, rows: Index, unit: Index, n_units: int) -> Callable[[Weights], Sums]:
        """Rank some rows once for all weights."""
        ranked = Ranking.of(self.y_score[rows], self.positive[rows], unit, n_units)
        n = np.bincount(unit, minlength=n_units).astype(np.float64)
        n_positive = np.bincount(unit, weights=self.positive[rows], minlength=n_units)

        def evaluate(weights: Weights) -> Sums:
            area, precision = ranked.areas(weights)
            prevalence = ratio_of(n_positive @ weights, n @ weights)
            return {"auc": area, "auprc": precision, "auprc_lift": ratio_of(precision, prevalence)}

        return evaluate


def flagged_at(y_true: Index, y_score: Array, threshold: float, fpr: str = "fpr", tpr: str = "tpr") -> dict[str, Share]:
    """Normals and anomalies flagged at a threshold, for `Shares`, under the names of the two rates."""
    flagged = y_score >= threshold
    return {fpr: (flagged, y_true == 0), tpr: (flagged, y_true == 1)}


def among_everybody(y_true: Index, y_score: Array) -> Means:
    """AUROC of the anomalies of a group against the normals of everybody, as the mean of their placements."""
    normal = y_score[y_true == 0]
    place = ratio_of(outscored(y_score, normal), normal.size)
    return Means({"sub_auroc": np.where(y_true == 1, place, np.nan)})


def normal_distances(y_true: Index, y_score: Array, *, levels: int | None = EXACT_LEVELS) -> Distances:
    """How far apart the scores of two groups' normals lie."""
    names = {"ks": "normal_score_ks", "wasserstein": "normal_score_wasserstein"}
    return Distances(y_score, y_true == 0, levels=levels, **names)


def auprc_lift(y_true: ArrayLike, y_score: ArrayLike, *, sensitive_features: ArrayLike | None = None) -> Measured:
    """Average precision divided by the prevalence: how many times better than a random order.

    Range [0, 1/prevalence], 1 for scores without information. Average precision itself rises with the prevalence, so
    groups of different prevalence cannot be compared by it; the lift corrects its baseline, not its ceiling.

    Parameters
    ----------
    y_true : (n,) 0 or 1; y_score : (n,) finite numbers, higher for anomalies.
    sensitive_features : (n,) group of every sample; missing ones belong to no group.

    Raises
    ------
    PredictionsError
        For labels other than 0 and 1, or scores that are no finite numbers.

    References
    ----------
    Average precision: Boyd, Eng and Page, ECML 2013.

    Examples
    --------
    >>> auprc_lift([0, 0, 0, 1], [0.1, 3.0, 0.2, 7.0]).value
    4.0
    """
    true, score = anomalies(y_true, y_score)
    return measure_family(AnomalyRanks(true, score), "auprc_lift", true.size, sensitive_features)


def threshold_at_tpr(y_true: ArrayLike, y_score: ArrayLike, *, tpr: float = TPR) -> float:
    """Highest threshold at which at least the share `tpr` of all anomalies is flagged.

    Raises
    ------
    PredictionsError
        Without an anomaly, or for a share outside (0, 1].

    Examples
    --------
    >>> threshold_at_tpr([0, 1, 1, 1, 1], [0.0, 1.0, 2.0, 3.0, 4.0], tpr=0.75)
    2.0
    """
    true, score = anomalies(y_true, y_score)
    if not 0 < tpr <= 1:
        raise PredictionsError(f"The true positive rate wanted is {tpr:g}.", fix="give a share above 0 and at most 1")
    positives = np.sort(score[true == 1])[::-1]
    if not positives.size:
        raise PredictionsError("There is no anomaly (y_true = 1), so no rate of finding them.")
    return float(positives[int(np.ceil(tpr * positives.size - 1e-9)) - 1])


def threshold_of_normals(normal_score: ArrayLike, *, quantile: float = QUANTILE) -> float:
    """Threshold that flags at most the share 1 - quantile of the normals of a validation set.

    It is the next number above the quantile (linear interpolation), so that ties at the quantile are not flagged.

    Raises
    ------
    PredictionsError
        For no scores, scores that are no finite numbers, or a quantile outside (0, 1).

    Examples
    --------
    >>> round(threshold_of_normals(list(range(101))), 6)
    95.0
    """
    score = numbers("normal_score", normal_score)
    if not 0 < quantile < 1:
        raise PredictionsError(f"The quantile of the normals is {quantile:g}.", fix="0.95 is usual")
    return float(np.nextafter(np.quantile(score, quantile), np.inf))


def rate_at(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    threshold: float,
    name: Literal["fpr", "tpr"],
    sensitive_features: ArrayLike | None = None,
) -> Measured:
    """Share of the normals ('fpr') or of the anomalies ('tpr') flagged at one threshold for all groups.

    Parameters as in `auprc_lift`; NaN where a group has no normal or no anomaly.

    Examples
    --------
    >>> rate_at([0, 0, 1, 1], [1, 5, 4, 9], threshold=5, name="fpr").value
    0.5
    """
    true, score = anomalies(y_true, y_score)
    if not np.isfinite(threshold):
        raise PredictionsError(f"The threshold is {threshold:g}.", fix="give a finite number")
    if name not in ("fpr", "tpr"):
        raise PredictionsError(f"There is no rate {name!r} at a threshold.", fix="choose 'fpr' or 'tpr'")
    return measure_family(Shares(flagged_at(true, score, threshold)), name, true.size, sensitive_features)


def fpr_at_tpr(
    y_true: ArrayLike, y_score: ArrayLike, *, sensitive_features: ArrayLike | None = None, tpr: float = TPR
) -> Measured:
    """False positive rate of every group at the one threshold that flags 95 % of all anomalies; range [0, 1], best 0.

    The threshold is found on these samples, over all groups together. Parameters as in `auprc_lift`.

    Source: FPR at 95 % TPR as in Hendrycks and Gimpel, ICLR 2017.

    Examples
    --------
    >>> measured = fpr_at_tpr([0, 0, 1, 0, 0, 1], [1, 2, 5, 3, 6, 8], sensitive_features=list("aaabbb"))
    >>> measured.per_group["a"], measured.per_group["b"]
    (0.0, 0.5)
    """
    threshold = threshold_at_tpr(y_true, y_score, tpr=tpr)
    return rate_at(y_true, y_score, threshold=threshold, name="fpr", sensitive_features=sensitive_features)


def tpr_at_tpr(
    y_true: ArrayLike, y_score: ArrayLike, *, sensitive_features: ArrayLike | None = None, tpr: float = TPR
) -> Measured:
    """True positive rate of every group at the one threshold that flags 95 % of all anomalies; range [0, 1], best 1.

    The overall value is 95 % or a little more by choice; the groups show who pays. Parameters as in `auprc_lift`.

    Examples
    --------
    >>> y, score = [0, 1, 1, 0, 1, 1], [1, 5, 6, 3, 2, 8]
    >>> tpr_at_tpr(y, score, sensitive_features=list("aaabbb"), tpr=0.75).per_group["b"]
    0.5
    """
    threshold = threshold_at_tpr(y_true, y_score, tpr=tpr)
    return rate_at(y_true, y_score, threshold=threshold, name="tpr", sensitive_features=sensitive_features)


def rate_at_normals(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    normals: ArrayLike,
    name: Literal["fpr", "tpr"],
    sensitive_features: ArrayLike | None = None,
    quantile: float = QUANTILE,
) -> Measured:
    """FPR or TPR of every group at the one threshold that flags 5 % of the normals of a validation set.

    Range [0, 1]; best 0 for 'fpr' and 1 for 'tpr'. `normals` holds the scores of normal samples that are not among
    these; the other parameters are as in `auprc_lift`.

    Examples
    --------
    >>> rate_at_normals([0, 0, 1, 1], [1, 99, 50, 120], normals=list(range(101)), name="tpr").value
    0.5
    """
    threshold = threshold_of_normals(normals, quantile=quantile)
    return rate_at(y_true, y_score, threshold=threshold, name=name, sensitive_features=sensitive_features)


def sub_auroc(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike | None = None,
    common: Literal["normals", "anomalies"] = "normals",
) -> Measured:
    """AUROC of the anomalies of a group against the normals of everybody; range [0, 1], best 1.

    P(score of an anomaly of g > score of any normal), ties 1/2: the pairwise fairness of Lin et al., Nature
    Communications 2023. A plain AUROC within a group does not see that all scores of a group are shifted, a shared
    threshold does; this does, too. With ``common="anomalies"``: the anomalies of everybody against the normals of a
    group. The overall value is the AUROC of all samples; the mean of the groups weighted by their anomalies is that
    of all samples with a group. Parameters as in `auprc_lift`; NaN where a side is empty.

    Examples
    --------
    >>> measured = sub_auroc([0, 1, 0, 1], [1, 2, 3, 4], sensitive_features=["a", "a", "b", "b"])
    >>> measured.per_group["a"], measured.per_group["b"]
    (0.5, 1.0)
    """
    true, score = anomalies(y_true, y_score)
    if common not in ("normals", "anomalies"):
        raise PredictionsError(f"common is {common!r}.", fix="choose 'normals' or 'anomalies'")
    if common == "anomalies":  # the same question with the order and the labels turned round
        true, score = 1 - true, -score
    return measure_family(among_everybody(true, score), "sub_auroc", true.size, sensitive_features)


def _between_normals(metric: str, y_true: ArrayLike, y_score: ArrayLike, sensitive_features: ArrayLike) -> Measured:
    """A distance between the groups that have normal samples, counted over these samples."""
    true, score = anomalies(y_true, y_score)
    group, names = groups_of(sensitive_features, true.size)
    normal = true == 0
    if not normal.any():
        raise PredictionsError("There is no normal sample (y_true = 0), so their scores have no distribution.")
    named = np.array([*names, None], dtype=object)[group[normal]]  # index -1 is the missing one
    family = normal_distances(true[normal], score[normal], levels=None)
    return measure_family(family, metric, int(normal.sum()), named)


def normal_score_ks(y_true: ArrayLike, y_score: ArrayLike, *, sensitive_features: ArrayLike) -> Measured:
    """Largest Kolmogorov-Smirnov distance between the scores of two groups' normals; range [0, 1], equal 0.

    A detector trained mostly on one group scores the normals of others higher. `per_group` is the distance of a
    group to all others together; groups without a normal sample are left out. Parameters as in `auprc_lift`.

    Examples
    --------
    >>> normal_score_ks([0, 0, 0, 0, 1], [1, 2, 3, 4, 9], sensitive_features=list("aabbb")).value
    1.0
    """
    return _between_normals("normal_score_ks", y_true, y_score, sensitive_features)


def normal_score_wasserstein(y_true: ArrayLike, y_score: ArrayLike, *, sensitive_features: ArrayLike) -> Measured:
    """Largest Wasserstein-1 distance between the scores of two groups' normals, in the unit of the score; equal 0.

    Parameters as in `auprc_lift`.

    Examples
    --------
    >>> normal_score_wasserstein([0, 0, 0, 0, 1], [1, 2, 3, 4, 9], sensitive_features=list("aabbb")).value
    2.0
    """
    return _between_normals("normal_score_wasserstein", y_true, y_score, sensitive_features)


METRICS: tuple[MetricInfo, ...] = (
    record(
        "auprc_lift",
        "Average precision over prevalence",
        auprc_lift,
        high=float("inf"),
        source="Boyd, Eng and Page 2013, over prevalence",
    ),
    record(
        "fpr_at_tpr",
        "FPR where 95 % of anomalies are flagged",
        fpr_at_tpr,
        optimum=0.0,
        null="label",
        source="Hendrycks and Gimpel, ICLR 2017",
    ),
    record("tpr_at_tpr", "TPR where 95 % of all anomalies are flagged", tpr_at_tpr, null="label"),
    record(
        "normals_fpr",
        "FPR at the threshold of validation normals",
        partial(rate_at_normals, name="fpr"),
        optimum=0.0,
        null="label",
    ),
    record(
        "normals_tpr",
        "TPR at the threshold of validation normals",
        partial(rate_at_normals, name="tpr"),
        null="label",
    ),
    record(
        "sub_auroc",
        "AUROC against the normals of everybody",
        sub_auroc,
        null="label",
        source="Lin et al., Nature Communications 2023",
    ),
    record(
        "normal_score_ks",
        "Distance of normal scores (Kolmogorov-Smirnov)",
        normal_score_ks,
        kind="gap",
        null="label",
    ),
    record(
        "normal_score_wasserstein",
        "Distance of normal scores (Wasserstein-1)",
        normal_score_wasserstein,
        kind="gap",
        high=float("inf"),
        null="label",
    ),
)
"""Registry records of this file."""
