"""Every metric of an audit under many replicate weights at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from everygroup.metrics import (
    OneVsRest,
    accuracy_of,
    average_rate,
    class_rates,
    difference,
    lineage_gap,
    macro_auc,
    metric_info,
    rankings,
)
from everygroup.metrics.lineage import Name, Variant
from everygroup.statistics import incidence, weighted_sums

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Weights = NDArray[np.float32]
Convention = Literal["skip", "lab"]

PERFORMANCE = ("macro_precision", "macro_recall", "macro_f1", "accuracy", "balanced_accuracy", "auc")
GAPS = ("eopp0_lab", "eopp1_lab", "eodds_lab", "eopp0_strict", "eopp1_strict", "eodds_strict")


@dataclass(frozen=True)
class Sample:
    """Answers of one model with the truth: (n,) class indices and (n, K) scores or None."""

    y_true: Index
    y_pred: Index
    y_score: Array | None
    n_classes: int

    @property
    def metrics(self) -> tuple[str, ...]:
        """Performance metrics that can be measured."""
        return PERFORMANCE if self.y_score is not None else PERFORMANCE[:-1]

    def rows(self, index: Index) -> Sample:
        """Return some rows."""
        score = None if self.y_score is None else self.y_score[index]
        return Sample(self.y_true[index], self.y_pred[index], score, self.n_classes)


@dataclass(frozen=True)
class Values:
    """Measured values of R replicates.

    `performance` holds (R, S) arrays by metric, one column per slot (group); `gaps` holds (R,) arrays; `cells` is the
    recall (R, S, K) of every class in every slot.
    """

    performance: dict[str, Array]
    gaps: dict[str, Array]
    cells: Array

    @staticmethod
    def join(parts: Iterable[Values]) -> Values:
        """Put blocks of replicates together."""
        blocks = list(parts)
        return Values(
            {m: np.concatenate([b.performance[m] for b in blocks]) for m in blocks[0].performance},
            {m: np.concatenate([b.gaps[m] for b in blocks]) for m in blocks[0].gaps},
            np.concatenate([b.cells for b in blocks]),
        )

    def gap(self, metric: str, slots: Sequence[int]) -> Array:
        """Gap (R,) of any metric: max - min over the given slots for a performance metric."""
        return self.gaps[metric] if metric in self.gaps else difference(self.performance[metric][:, list(slots)])


def _class_columns(sample: Sample, offset: Index) -> tuple[Index, Index]:
    """Rows and columns of the 3K counts (support, predicted, tp) that every sample adds to."""
    k, row = sample.n_classes, np.arange(sample.y_true.size)
    right = np.flatnonzero(sample.y_true == sample.y_pred)
    columns = [offset + sample.y_true, offset + k + sample.y_pred, (offset + 2 * k + sample.y_true)[right]]
    return np.concatenate([row, row, right]), np.concatenate(columns)


def _one_vs_rest(sums: Array, n_slots: int, n_classes: int) -> OneVsRest:
    """(r, S * 3K) sums as one-vs-rest counts (r, S, K)."""
    support, predicted, tp = np.moveaxis(sums.reshape(-1, n_slots, 3, n_classes), 2, 0)
    return OneVsRest(tp, support, predicted)


def count_metric(counts: OneVsRest, metric: str, convention: Convention) -> Array:
    """A performance metric of predicted labels: (...,) from counts (..., K)."""
    if metric == "accuracy":
        return accuracy_of(counts)
    if metric == "balanced_accuracy":
        return average_rate(counts, "recall")
    rate = metric.removeprefix("macro_")
    if convention == "lab":
        return average_rate(counts, rate, zero_division=0.0, absent="count")
    return average_rate(counts, rate)


def gap_metric(counts: OneVsRest, metric: str) -> Array:
    """A registered EOpp or EOdds variant: (...,) from counts (..., G, K)."""
    name, variant = metric.split("_")
    return lineage_gap(counts, cast(Name, name), variant=cast(Variant, variant))


class Evaluator:
    """Evaluates all metrics of a sample, by slot and overall, under weights of the clusters.

    Parameters
    ----------
    sample : the answers.
    slot : (n,) slot 0..S-1 of every row: the groups, then 'missing'.
    cluster : (n,) cluster of every row.
    comparable : slots that enter the gaps.
    convention : how macro averages treat 0/0 and absent classes.
    """

    def __init__(
        self,
        sample: Sample,
        slot: Index,
        n_slots: int,
        cluster: Index,
        comparable: Sequence[int],
        convention: Convention,
    ) -> None:
        self.sample, self.n_slots, self.cluster = sample, n_slots, cluster
        self.comparable, self.convention = list(comparable), convention
        row, column = _class_columns(sample, slot * 3 * sample.n_classes)
        shape = (int(cluster.max()) + 1, n_slots * 3 * sample.n_classes)
        self._table = incidence(cluster[row], column, shape)
        # the last part is everything together
        parts = [np.flatnonzero(slot == s) for s in range(n_slots)] + [np.arange(slot.size)]
        self._ranked = []
        if sample.y_score is not None:
            self._ranked = [rankings(sample.y_true[p], sample.y_score[p], cluster[p], shape[0]) for p in parts]

    def counts(self, weights: Weights) -> OneVsRest:
        """One-vs-rest counts (r, S, K) under cluster weights (C, r)."""
        return _one_vs_rest(weighted_sums(self._table, weights), self.n_slots, self.sample.n_classes)

    def values(self, weights: Weights) -> Values:
        """All metrics under cluster weights (C, r); the last column of a performance metric is overall."""
        counts = self.counts(weights)
        overall = counts.total()
        performance = {}
        for metric in self.sample.metrics:
            if metric == "auc":
                columns = [macro_auc(ranked, weights) for ranked in self._ranked]
                performance[metric] = np.stack(columns, axis=1)
            else:
                by_slot = count_metric(counts, metric, self.convention)
                together = count_metric(overall, metric, self.convention)
                performance[metric] = np.concatenate([by_slot, together[:, None]], axis=1)
        chosen = counts[:, self.comparable]
        return Values(performance, {m: gap_metric(chosen, m) for m in GAPS}, class_rates(counts, "recall"))

    def point(self) -> Values:
        """All metrics of the sample itself, as one replicate."""
        return self.values(np.ones((self._table.shape[0], 1), dtype=np.float32))

    def replicates(self, blocks: Iterable[Weights]) -> Values:
        """All metrics of every replicate."""
        return Values.join(self.values(block) for block in blocks)


class ShuffledEvaluator:
    """Evaluates the gaps of a sample under shuffled group labels of its units.

    Parameters
    ----------
    sample : the answers of the rows that have a comparable group.
    unit : (n,) unit of every row, the rows that are shuffled as one.
    n_groups : number of groups.
    null : 'label' or 'none'; the metrics registered with this null are evaluated.
    """

    def __init__(
        self, sample: Sample, unit: Index, n_groups: int, null: Literal["label", "none"], convention: Convention
    ) -> None:
        self.sample, self.n_groups, self.convention = sample, n_groups, convention
        self.performance = [m for m in sample.metrics if metric_info(m).null == null]
        self.gaps = [m for m in GAPS if metric_info(m).null == null]
        row, column = _class_columns(sample, np.zeros(unit.size, dtype=np.int64))
        self._table = incidence(unit[row], column, (int(unit.max()) + 1, 3 * sample.n_classes))
        self._ranked = []
        if "auc" in self.performance and sample.y_score is not None:
            self._ranked = rankings(sample.y_true, sample.y_score, unit)

    def values(self, labels: NDArray[np.int16]) -> Values:
        """The metrics under unit labels (U, r); one column per group."""
        inside = [(labels == g).astype(np.float32) for g in range(self.n_groups)]
        sums = np.stack([weighted_sums(self._table, w) for w in inside], axis=1)
        counts = _one_vs_rest(sums.reshape(sums.shape[0], -1), self.n_groups, self.sample.n_classes)
        performance = {
            m: np.stack([macro_auc(self._ranked, w) for w in inside], axis=1)
            if m == "auc"
            else count_metric(counts, m, self.convention)
            for m in self.performance
        }
        return Values(performance, {m: gap_metric(counts, m) for m in self.gaps}, class_rates(counts, "recall"))

    def replicates(self, blocks: Iterable[NDArray[np.int16]]) -> Values:
        """The metrics of every shuffle."""
        return Values.join(self.values(block) for block in blocks)
