"""Metrics of predicted labels as one family: from the counts of every class in the rows of a group."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
from scipy import sparse

from everygroup.errors import SettingsError
from everygroup.metrics.confusion import OneVsRest
from everygroup.metrics.define import CountMetric
from everygroup.metrics.families import Array, Index, SumFamily, Sums
from everygroup.metrics.lineage import Name, Variant, lineage_gap
from everygroup.metrics.performance import OF_POSITIVE
from everygroup.metrics.rates import RATES, SAME_RATE, class_rates
from everygroup.metrics.registry import list_metrics, metric_info
from everygroup.statistics import joint_units
from everygroup.statistics.tables import distinct

Convention = Literal["skip", "lab"]

LINEAGE = ("eopp0_lab", "eopp1_lab", "eodds_lab", "eopp0_strict", "eopp1_strict", "eodds_strict")


MEAN_RECALLS = ("macro_recall", "balanced_accuracy")
CLASS_RATES = tuple(RATES)
"""Rates of one class, written ``recall[class]``."""
_NOT_SHOWN = ("tpr", "tnr", "fnr", "ppv", "ovr_accuracy")
"""Rates that are another one by another name, or its complement; not shown unless asked for."""


class Classification(SumFamily):
    """Every metric of predicted labels, from the counts (support, predicted, right) of every class.

    Parameters
    ----------
    y_true, y_pred : (n,) class index.
    classes : K names.
    convention : how macro averages treat 0/0 and absent classes.
    metrics : 'all' or names (see `counted_names`); the gaps are always the lineage's.
    """

    counts = True

    def __init__(
        self,
        y_true: Index,
        y_pred: Index,
        classes: Sequence[str],
        *,
        convention: Convention = "skip",
        metrics: Sequence[str] | Literal["all"],
    ) -> None:
        self.y_true, self.y_pred, self.classes, self.convention = y_true, y_pred, tuple(classes), convention
        self.metrics = counted_names(metrics, self.classes)
        self.gaps = LINEAGE
        self._whole = {m: _metric(m) for m in self.metrics if not m.endswith("]")}
        self._rates: dict[str, list[tuple[str, int]]] = {}
        for name in self.metrics:
            if name.endswith("]"):
                rate, _, label = name[:-1].partition("[")
                self._rates.setdefault(rate, []).append((name, self.classes.index(label)))

    def held(self, null: str) -> Index | None:
        """The answers, for rates that condition on them."""
        return self.y_pred if null == "answer" else None

    def take(self, rows: Index) -> sparse.csr_matrix:
        """Features (m, 3K) of some rows: 1 in the column of the true class, of the answer, and of the right answer."""
        k, true, pred = len(self.classes), self.y_true[rows], self.y_pred[rows]
        right = true == pred
        columns = np.stack([true, k + pred, 2 * k + true], axis=1)
        kept = np.stack([np.ones_like(right), np.ones_like(right), right], axis=1)
        start = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
        return sparse.csr_matrix((np.ones(int(start[-1])), columns[kept], start), shape=(rows.size, 3 * k))

    def codes(self) -> Index:
        """(n,) the (true, predicted) pair."""
        return np.asarray(self.y_true * len(self.classes) + self.y_pred, dtype=np.int64)

    def counted(self, sums: Array) -> OneVsRest:
        """One-vs-rest counts (..., K) of sums (..., 3K)."""
        k = len(self.classes)
        return OneVsRest(sums[..., 2 * k :], sums[..., :k], sums[..., k : 2 * k])

    def values(self, sums: Array) -> Sums:
        """Metrics (...) from sums (..., 3K)."""
        counts = self.counted(sums)
        lenient = self.convention == "lab"
        out = {name: m.of(counts, **(m.lenient if lenient else {})) for name, m in self._whole.items()}
        for rate, names in self._rates.items():
            values = class_rates(counts, rate)
            out |= {name: values[..., k] for name, k in names}
        return {m: out[m] for m in self.metrics}

    def gap_values(self, sums: Array) -> Sums:
        """EOpp and EOdds in the variants of `LINEAGE`."""
        counts = self.counted(sums)
        split = {m: m.split("_") for m in self.gaps}
        return {m: lineage_gap(counts, cast(Name, n), variant=cast(Variant, v)) for m, (n, v) in split.items()}

    def proportions(self, sums: Array) -> dict[str, tuple[Array, Array]]:
        """Successes and trials of every metric that is defined so, and of the one-class rates but F1."""
        counts = self.counted(sums)
        found = {name: metric.trials(counts) for name, metric in self._whole.items()}
        out = {name: parts for name, parts in found.items() if parts is not None}
        for rate, names in self._rates.items():
            if rate != "f1":
                top, bottom = RATES[rate](counts)
                out |= {name: (top[..., k], bottom[..., k]) for name, k in names}
        return out

    def units(self, slot: Index, cluster: Index, n_slots: int) -> dict[str, Array]:
        """A mean of recalls is as unsure as its rarest class: its patients are those of the classes, joined."""
        names = [m for m in MEAN_RECALLS if m in self.metrics]
        if not names:
            return {}
        k, size = len(self.classes), int(cluster.max(initial=-1)) + 1
        patients = []
        for width, code in ((n_slots, slot * k + self.y_true), (1, self.y_true)):
            if size < cluster.size:
                code = distinct(code * size + cluster, width * k * size)[0] // size
            patients.append(np.bincount(code, minlength=width * k).reshape(width, k))
        joint = np.asarray(joint_units(np.concatenate(patients)), dtype=np.float64)
        return dict.fromkeys(names, joint)


def _metric(name: str) -> CountMetric:
    """The metric of counts of this name.

    Raises
    ------
    SettingsError
        For any other name.
    """
    metric = metric_info(name).function
    if not isinstance(metric, CountMetric):
        raise SettingsError(f"{name!r} is no metric of predicted labels.", fix="`everygroup list metrics` names all")
    return metric


def count_metrics(*, binary: bool = True) -> list[str]:
    """Names of the metrics of counts; those of the positive one of two classes only where asked for."""
    found = {name: metric_info(name).function for name in list_metrics("performance")}
    return [n for n, metric in found.items() if isinstance(metric, CountMetric) and (binary or not metric.binary)]


def counted_names(metrics: Sequence[str] | Literal["all"], classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the count metrics meant by 'all' or by names.

    A bare rate, such as 'recall' or 'tpr', is that of the second of two classes, which is the positive one; of more
    classes it means the rate of every class.

    Raises
    ------
    SettingsError
        For a name that is no count metric of these classes.
    """
    two, rates = len(classes) == 2, [r for r in CLASS_RATES if r not in _NOT_SHOWN]
    if metrics == "all":
        per_class = [f"{rate}[{label}]" for rate in rates for label in classes]
        return (*count_metrics(binary=two), *per_class)
    of_class = {f"{r}[{c}]" for r in CLASS_RATES for c in classes}
    of_all = count_metrics(binary=False)
    names: list[str] = []
    for name in metrics:
        rate = SAME_RATE.get(name, name)
        base, bracket, label = name.partition("[")
        of_one = SAME_RATE.get(base, base) + bracket + label
        if name in of_all:
            names.append(name)
        elif of_one in of_class:
            names.append(of_one)
        elif two and rate in OF_POSITIVE:
            names.append(OF_POSITIVE[rate])
        elif rate in CLASS_RATES:
            names += [f"{rate}[{label}]" for label in classes]
        else:
            near = difflib.get_close_matches(name, [*count_metrics(), *CLASS_RATES, *of_class], n=3)
            hint = f"did you mean {', '.join(near)}? " if near else ""
            raise SettingsError(
                f"{name!r} is no metric of these predictions.",
                fix=f"{hint}there are {', '.join([*of_all, *rates])}, auc and losses of scores, and the rate of "
                f"a class, such as recall[{classes[0]}]",
            )
    return tuple(dict.fromkeys(names))
