"""Anomaly scores by group: higher means more anomalous, labels are 1 for anomalies and 0 for normals.

Every metric takes ``(y_true, y_score, *, sensitive_features=None)``: (n,) labels and (n,) finite numbers, not
probabilities. A sample is flagged when its score is at least the threshold. AUROC and AUPRC of anomaly scores are `auc`
and `auprc` of `everygroup.metrics.scores`, which need only the order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import PredictionsError
from everygroup.metrics._grouped import groups_of, measure_family, numbers
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.define import Made, of_values
from everygroup.metrics.distances import EXACT_LEVELS, Distances
from everygroup.metrics.families import Array, Index, RankFamily, Sums, Weights
from everygroup.metrics.info import INF, MetricInfo, record
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


@of_values("Average precision over prevalence", high=INF, source="Boyd, Eng and Page 2013, over prevalence")
def auprc_lift(y_true: ArrayLike, y_score: ArrayLike) -> Made:
    """Average precision divided by the prevalence: how many times better than a random order.

    Range [0, 1/prevalence], 1 for scores without information. Average precision (Boyd, Eng and Page, ECML 2013)
    itself rises with the prevalence, so groups of different prevalence cannot be compared by it; the lift corrects
    its baseline, not its ceiling.

    >>> auprc_lift([0, 0, 0, 1], [0.1, 3.0, 0.2, 7.0]).value
    4.0
    """
    return AnomalyRanks(*anomalies(y_true, y_score))


def threshold_at_tpr(y_true: ArrayLike, y_score: ArrayLike, *, tpr: float = TPR) -> float:
    """Highest threshold at which at least the share `tpr` of all anomalies is flagged.

    Raises
    ------
    PredictionsError
        Without an anomaly, or for a share outside (0, 1].

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

    >>> round(threshold_of_normals(list(range(101))), 6)
    95.0
    """
    score = numbers("normal_score", normal_score)
    if not 0 < quantile < 1:
        raise PredictionsError(f"The quantile of the normals is {quantile:g}.", fix="0.95 is usual")
    return float(np.nextafter(np.quantile(score, quantile), np.inf))


def _at_tpr(y_true: ArrayLike, y_score: ArrayLike, tpr: float) -> Shares:
    threshold = threshold_at_tpr(y_true, y_score, tpr=tpr)
    return Shares(flagged_at(*anomalies(y_true, y_score), threshold, "fpr_at_tpr", "tpr_at_tpr"))


def _at_normals(y_true: ArrayLike, y_score: ArrayLike, normals: ArrayLike, quantile: float) -> Shares:
    threshold = threshold_of_normals(normals, quantile=quantile)
    return Shares(flagged_at(*anomalies(y_true, y_score), threshold, "normals_fpr", "normals_tpr"))


@of_values(
    "FPR where 95 % of anomalies are flagged", best="low", null="label", source="Hendrycks and Gimpel, ICLR 2017"
)
def fpr_at_tpr(y_true: ArrayLike, y_score: ArrayLike, tpr: float = TPR) -> Made:
    """False positive rate of every group at the one threshold that flags 95 % of all anomalies; range [0, 1], best 0.

    The threshold is found on these samples, over all groups together (Hendrycks and Gimpel, ICLR 2017).

    >>> measured = fpr_at_tpr([0, 0, 1, 0, 0, 1], [1, 2, 5, 3, 6, 8], sensitive_features=list("aaabbb"))
    >>> measured.per_group
    {'a': 0.0, 'b': 0.5}
    """
    return _at_tpr(y_true, y_score, tpr)


@of_values("TPR where 95 % of all anomalies are flagged", null="label")
def tpr_at_tpr(y_true: ArrayLike, y_score: ArrayLike, tpr: float = TPR) -> Made:
    """True positive rate of every group at the one threshold that flags 95 % of all anomalies; range [0, 1], best 1.

    The overall value is 95 % or a little more by choice; the groups show who pays.

    >>> y, score = [0, 1, 1, 0, 1, 1], [1, 5, 6, 3, 2, 8]
    >>> tpr_at_tpr(y, score, sensitive_features=list("aaabbb"), tpr=0.75).per_group["b"]
    0.5
    """
    return _at_tpr(y_true, y_score, tpr)


@of_values("FPR at the threshold of validation normals", best="low", null="label")
def normals_fpr(y_true: ArrayLike, y_score: ArrayLike, normals: ArrayLike, quantile: float = QUANTILE) -> Made:
    """False positive rate of every group at the one threshold that flags 5 % of the normals of a validation set.

    Range [0, 1], best 0. `normals` holds the scores of normal samples that are not among these.

    >>> normals_fpr([0, 0, 1, 1], [1, 99, 50, 120], normals=list(range(101))).value
    0.5
    """
    return _at_normals(y_true, y_score, normals, quantile)


@of_values("TPR at the threshold of validation normals", null="label")
def normals_tpr(y_true: ArrayLike, y_score: ArrayLike, normals: ArrayLike, quantile: float = QUANTILE) -> Made:
    """True positive rate of every group at the threshold of `normals_fpr`; range [0, 1], best 1.

    >>> normals_tpr([0, 0, 1, 1], [1, 99, 50, 120], normals=list(range(101))).value
    0.5
    """
    return _at_normals(y_true, y_score, normals, quantile)


@of_values("AUROC against the normals of everybody", null="label", source="Lin et al., Nature Communications 2023")
def sub_auroc(y_true: ArrayLike, y_score: ArrayLike) -> Made:
    """AUROC of the anomalies of a group against the normals of everybody; range [0, 1], best 1.

    P(score of an anomaly of g > score of any normal), ties 1/2: the pairwise fairness of Lin et al., Nature
    Communications 2023. A plain AUROC within a group does not see that all scores of a group are shifted, a shared
    threshold does; this does, too. The overall value is the AUROC of all samples; the mean of the groups weighted by
    their anomalies is that of all samples with a group. NaN where a side is empty. For the anomalies of everybody
    against the normals of a group give ``1 - y_true`` and ``-y_score``.

    >>> sub_auroc([0, 1, 0, 1], [1, 2, 3, 4], sensitive_features=["a", "a", "b", "b"]).per_group
    {'a': 0.5, 'b': 1.0}
    """
    return among_everybody(*anomalies(y_true, y_score))


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
    group to all others together; groups without a normal sample are left out.

    >>> normal_score_ks([0, 0, 0, 0, 1], [1, 2, 3, 4, 9], sensitive_features=list("aabbb")).value
    1.0
    """
    return _between_normals("normal_score_ks", y_true, y_score, sensitive_features)


def normal_score_wasserstein(y_true: ArrayLike, y_score: ArrayLike, *, sensitive_features: ArrayLike) -> Measured:
    """Largest Wasserstein-1 distance between the scores of two groups' normals, in the unit of the score; equal 0.

    >>> normal_score_wasserstein([0, 0, 0, 0, 1], [1, 2, 3, 4, 9], sensitive_features=list("aabbb")).value
    2.0
    """
    return _between_normals("normal_score_wasserstein", y_true, y_score, sensitive_features)


_gap = partial(record, kind="gap", null="label")
METRICS: tuple[MetricInfo, ...] = (
    *(m.info for m in (auprc_lift, fpr_at_tpr, tpr_at_tpr, normals_fpr, normals_tpr, sub_auroc)),
    _gap("normal_score_ks", "Distance of normal scores (Kolmogorov-Smirnov)", normal_score_ks),
    _gap("normal_score_wasserstein", "Distance of normal scores (Wasserstein-1)", normal_score_wasserstein, high=INF),
)
"""Records of the metrics above."""
