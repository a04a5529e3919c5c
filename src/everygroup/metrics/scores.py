"""Families of metrics of scores: calibration and losses from sums over rows, areas under curves from ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from everygroup.errors import SettingsError
from everygroup.metrics.define import RowFamily, RowMetric
from everygroup.metrics.families import Array, Index, RankFamily, Sums, Weights
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
    """

    def __init__(
        self, y_true: Index, y_score: Array, classes: Sequence[str], *, metrics: Sequence[str] = RANKED[:2]
    ) -> None:
        of_class = {f"{m}[{c}]": (m, k) for m in RANKED[:2] for k, c in enumerate(classes)}
        self.metrics = _known(metrics, (*RANKED, *of_class))
        self.y_true, self.y_score, self.classes = y_true, y_score, tuple(classes)
        self._of_class = {m: of_class[m] for m in self.metrics if m in of_class}

    def only(self, metrics: Iterable[str]) -> Ranks:
        """Some of the metrics, in the same order."""
        wanted = set(metrics)
        return Ranks(self.y_true, self.y_score, self.classes, metrics=[m for m in self.metrics if m in wanted])

    def bind(self, rows: Index, unit: Index, n_units: int) -> Callable[[Weights], Sums]:
        """Rank some rows once for all weights."""
        true, score = self.y_true[rows], self.y_score[rows]
        wanted = [m for m in self.metrics if m in RANKED[:2]]
        # of two classes only the second is ranked, unless the first is asked for
        averaged = ([1] if score.shape[1] == 2 else list(range(score.shape[1]))) if wanted else []
        needed = sorted({*averaged, *(k for _, k in self._of_class.values())})
        by = {k: Ranking.of(score[:, k], true == k, unit, n_units) for k in needed}
        wrong = score.argmax(axis=1) != true
        error = selective = None
        if "entropy_error_auc" in self.metrics:
            error = Ranking.of(predictive_entropy(score).round(12), wrong, unit, n_units)
        if {"aurc", "accuracy_at_80"} & set(self.metrics):
            selective = Selective.of(wrong, score.max(axis=1), unit, n_units)

        precise = any(m.startswith("auprc") for m in self.metrics)

        def evaluate(weights: Weights) -> Sums:
            found = {k: dict(zip(RANKED[:2], r.areas(weights, precision=precise), strict=True)) for k, r in by.items()}
            out = {m: mean_defined(np.stack([found[k][m] for k in averaged]), axis=0) for m in wanted}
            out |= {name: found[k][m] for name, (m, k) in self._of_class.items()}
            if error is not None:
                out["entropy_error_auc"] = error.auc(weights)
            if selective is not None:
                area, accuracy = selective.evaluate(weights, aurc="aurc" in self.metrics)
                out |= {"aurc": area, "accuracy_at_80": accuracy}
            return {m: out[m] for m in self.metrics}

        return evaluate


def _known(metrics: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    wrong = [m for m in metrics if m not in known]
    if wrong:
        raise SettingsError(f"{wrong[0]!r} is no metric of this family.", fix=f"choose among {', '.join(known[:8])}")
    return tuple(metrics)
