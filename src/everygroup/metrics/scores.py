"""Metrics of scores: families of losses from sums over rows, and of areas under curves from orderings of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from everygroup.errors import SettingsError
from everygroup.metrics.define import Made, RowFamily, RowMetric, of_scores
from everygroup.metrics.families import Array, Index, RankFamily, Sums, Weights
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.ranking import Ranking
from everygroup.metrics.rates import mean_defined
from everygroup.metrics.registry import list_metrics, metric_info
from everygroup.metrics.selective import Selective
from everygroup.metrics.uncertainty import predictive_entropy

RANKED = ("auc", "auprc", "entropy_error_auc", "aurc", "accuracy_at_80")


def row_metrics() -> dict[str, RowMetric]:
    """Every metric of scores that is made from sums over rows, by name."""
    found = {name: metric_info(name).function for name in list_metrics("performance")}
    return {name: metric for name, metric in found.items() if isinstance(metric, RowMetric)}


def losses(y_true: Index, y_score: Array, names: Sequence[str]) -> RowFamily:
    """The family of some of the `row_metrics`, from class indices (n,) and probabilities (n, K)."""
    known = row_metrics()
    return RowFamily(y_true, y_score, [known[name] for name in _known(names, tuple(known))])


class Ranks(RankFamily):
    """AUC, average precision, the AUC of the entropy for the error, and selective risk, from orderings of the rows.

    Parameters
    ----------
    y_true : (n,) class index; y_score : (n, K) scores; classes : K names.
    metrics : which of `RANKED`; 'auc' and 'auprc' are the mean of one-vs-rest over the classes present, and can be
        asked of one class: 'auc[melanoma]'.
    coverage : share of the rows that 'accuracy_at_80' keeps, 0.8 by its name.
    """

    def __init__(
        self,
        y_true: Index,
        y_score: Array,
        classes: Sequence[str],
        *,
        metrics: Sequence[str] = RANKED[:2],
        coverage: float = 0.8,
    ) -> None:
        of_class = {f"{m}[{c}]": (m, k) for m in RANKED[:2] for k, c in enumerate(classes)}
        self.metrics = _known(metrics, (*RANKED, *of_class))
        self.y_true, self.y_score, self.classes, self.coverage = y_true, y_score, tuple(classes), coverage
        self._of_class = {m: of_class[m] for m in self.metrics if m in of_class}
        self._answers = _Answers(y_true, y_score)

    def unranked(self, rows: Index) -> int:
        """Number of classes that cannot be ranked among some rows: absent, or for the AUC alone there."""
        support = np.bincount(self.y_true[rows], minlength=self.y_score.shape[1])
        there = support[1:] if support.size == 2 else support
        return int((there == 0).sum() + ("auc" in self.metrics) * (there == rows.size).sum() * (rows.size > 0))

    def only(self, metrics: Iterable[str]) -> Ranks:
        """Some of the metrics, in the same order."""
        wanted = set(metrics)
        kept = [m for m in self.metrics if m in wanted]
        part = Ranks(self.y_true, self.y_score, self.classes, metrics=kept, coverage=self.coverage)
        part._answers = self._answers
        return part

    def bind(self, rows: Index, unit: Index, n_units: int) -> Callable[[Weights], Sums]:
        """Rank some rows once for all weights."""
        true, score = self.y_true[rows], self.y_score
        wanted = [m for m in self.metrics if m in RANKED[:2]]
        # of two classes only the second is ranked, unless the first is asked for
        averaged = ([1] if score.shape[1] == 2 else list(range(score.shape[1]))) if wanted else []
        needed = sorted({*averaged, *(k for _, k in self._of_class.values())})
        by = {k: Ranking.of(score[rows, k], true == k, unit, n_units) for k in needed}
        error = selective = None
        if "entropy_error_auc" in self.metrics:
            error = Ranking.of(self._answers.entropy[rows], self._answers.wrong[rows], unit, n_units)
        if {"aurc", "accuracy_at_80"} & set(self.metrics):
            selective = Selective.of(self._answers.wrong[rows], self._answers.surest[rows], unit, n_units)

        precise = any(m.startswith("auprc") for m in self.metrics)

        def evaluate(weights: Weights) -> Sums:
            found = {k: dict(zip(RANKED[:2], r.areas(weights, precision=precise), strict=True)) for k, r in by.items()}
            out = {m: mean_defined(np.stack([found[k][m] for k in averaged]), axis=0) for m in wanted}
            out |= {name: found[k][m] for name, (m, k) in self._of_class.items()}
            if error is not None:
                out["entropy_error_auc"] = error.auc(weights)
            if selective is not None:
                area, accuracy = selective.evaluate(weights, self.coverage, aurc="aurc" in self.metrics)
                out |= {"aurc": area, "accuracy_at_80": accuracy}
            return {m: out[m] for m in self.metrics}

        return evaluate


class _Answers:
    """What is known of every row's answer (n,), worked out once when it is needed."""

    def __init__(self, y_true: Index, y_score: Array) -> None:
        self._true, self._score = y_true, y_score

    @cached_property
    def wrong(self) -> NDArray[np.bool_]:
        """Whether it is wrong."""
        return np.asarray(self._score.argmax(axis=1) != self._true)

    @cached_property
    def surest(self) -> Array:
        """Its probability."""
        return np.asarray(self._score.max(axis=1))

    @cached_property
    def entropy(self) -> Array:
        """Entropy; that of mirrored probabilities (p, 1 - p) is equal but for rounding."""
        return predictive_entropy(self._score).round(12)


def _known(metrics: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    wrong = [m for m in metrics if m not in known]
    if wrong:
        raise SettingsError(f"{wrong[0]!r} is no metric of this family.", fix=f"choose among {', '.join(known[:8])}")
    return tuple(metrics)


def _one(name: str, index: Index, score: Array, **options: float) -> Ranks:
    return Ranks(index, score, [str(k) for k in range(score.shape[1])], metrics=[name], **options)


@of_scores(
    "AUC",
    probabilities=False,
    null="label",
    source="Hanley and McNeil 1982; one-vs-rest: Provost and Domingos 2001",
)
def auc(y_true: Index, y_score: Array) -> Made:
    """Area under the ROC curve; with more than two classes the mean of one-vs-rest over the classes present.

    Parameters
    ----------
    y_true : (n,) labels: 0..K-1, or names with `classes` in the order of the score columns.
    y_score : (n, K) scores, or (n,) scores of the second of two classes.
    sensitive_features : (n,) group of every sample; missing ones belong to no group.
    positive : judge this class against the rest.

    Returns
    -------
    Measured; a group without two classes is NaN, and `n_undefined` counts the classes that could not be ranked.

    References
    ----------
    Hanley and McNeil, Radiology 1982; one-vs-rest: Provost and Domingos 2001.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value
    0.75
    """
    family = _one("auc", y_true, y_score)
    return family, family.unranked


@of_scores("Average precision", probabilities=False, source="Davis and Goadrich 2006; Boyd, Eng and Page 2013")
def auprc(y_true: Index, y_score: Array) -> Made:
    """Area under the precision-recall curve as average precision: ``sum_i (recall_i - recall_(i-1)) * precision_i``.

    In [0, 1], 1 is best. Scores without information give the prevalence, so groups of different prevalence differ
    without any difference in the model: compare with AUC. With more than two classes the mean of one-vs-rest over the
    classes present. Parameters and result are those of `auc`.

    References
    ----------
    Davis and Goadrich, ICML 2006; as a sum of steps: Boyd, Eng and Page, ECML 2013.

    >>> round(auprc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value, 4)
    0.8333
    """
    family = _one("auprc", y_true, y_score)
    return family, family.unranked


@of_scores("Area under the risk-coverage curve", best="low", source="Geifman, Uziel and El-Yaniv, ICLR 2019")
def aurc(y_true: Index, y_score: Array) -> Made:
    """Area under the risk-coverage curve: the mean over k of the error rate of the k most confident, in [0, 1].

    0 is best. Confidence is the answer's probability; ties count as the mean over their orders. It falls with the
    error rate as well as with better ordering, so look at both (Geifman, Uziel and El-Yaniv, ICLR 2019).

    >>> round(aurc([1, 0, 1, 1], [0.95, 0.85, 0.65, 0.55]).value, 3)  # sure and wrong once
    0.271
    """
    return _one("aurc", y_true, y_score)


@of_scores(
    "Accuracy at 80 % coverage", name="accuracy_at_80", source="El-Yaniv and Wiener 2010; Jones et al., ICLR 2021"
)
def accuracy_at_coverage(y_true: Index, y_score: Array, coverage: float = 0.8) -> Made:
    """Accuracy among the most confident share of the rows, in [0, 1]; 1 is best.

    Every group keeps its own most confident ``ceil(coverage * n)`` rows; the others would be referred to a doctor
    (El-Yaniv and Wiener, JMLR 2010; by group: Jones et al., ICLR 2021).

    >>> accuracy_at_coverage([1, 0, 1, 1, 1], [0.95, 0.15, 0.85, 0.75, 0.45]).value
    1.0
    """
    if not 0.0 < coverage <= 1.0:
        raise SettingsError(f"coverage is {coverage}.", fix="give a share above 0 and up to 1, such as 0.8")
    return _one("accuracy_at_80", y_true, y_score, coverage=coverage)


@of_scores("AUC of entropy for error", source="Hendrycks and Gimpel, ICLR 2017")
def entropy_error_auc(y_true: Index, y_score: Array) -> Made:
    """AUC of the entropy for the error: the chance that a wrong answer has more entropy than a right one, ties 1/2.

    In [0, 1]; 1 is best, 0.5 says that the uncertainty tells nothing about errors. Undefined in a group without an
    error or without a right answer (Hendrycks and Gimpel, ICLR 2017).

    >>> entropy_error_auc([1, 0, 1, 1], [0.95, 0.1, 0.4, 0.45]).value  # both errors are the most uncertain
    1.0
    """
    return _one("entropy_error_auc", y_true, y_score)


METRICS: tuple[MetricInfo, ...] = tuple(m.info for m in (auc, auprc, aurc, accuracy_at_coverage, entropy_error_auc))
"""Records of the metrics above."""
