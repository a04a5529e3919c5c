"""How sure a gain in macro F1 on validation is: a paired bootstrap over patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from everygroup.metrics.confusion import OneVsRest
from everygroup.metrics.rates import average_rate
from everygroup.statistics.bootstrap import cluster_index, replicate_blocks


@dataclass(frozen=True)
class Gain:
    """Macro F1 of a candidate minus that of a reference on the same samples; `low` is the lower end of a one-sided
    interval. NaN where undefined."""

    gain: float
    low: float


def paired_gain(
    y_true: np.ndarray,
    candidate: np.ndarray,
    reference: np.ndarray,
    units: np.ndarray,
    *,
    n_classes: int,
    level: float,
    n_boot: int = 1000,
    seed: int = 0,
) -> Gain:
    """Estimate a gain and the lower end of its one-sided bootstrap interval.

    Patients are drawn with replacement; both answers of a drawn patient's samples count together. The lower end is the
    (1 - level) quantile of the replicates' gains. Classes without a drawn sample are left out of the macro average.

    Parameters
    ----------
    y_true, candidate, reference : (n,) class index
    units : (n,) patients or lesions
    level : float
        Coverage of the one-sided interval.
    """
    cluster = cluster_index(units)
    n_clusters = int(cluster.max()) + 1
    tables = [_counts(y_true, answer, cluster, n_clusters, n_classes) for answer in (candidate, reference)]
    observed = [float(_macro_f1(t.sum(0, keepdims=True))[0]) for t in tables]
    gains = []
    for weights in replicate_blocks(np.zeros(n_clusters, dtype=np.int64), n_boot, seed=seed, n_rows=len(y_true)):
        sums = [np.einsum("cr,cpk->rpk", weights.astype(np.float64), t, optimize=True) for t in tables]
        gains.append(_macro_f1(sums[0]) - _macro_f1(sums[1]))
    replicates = np.concatenate(gains)
    known = replicates[~np.isnan(replicates)]
    low = float(np.quantile(known, 1 - level)) if len(known) > n_boot / 2 else float("nan")
    return Gain(observed[0] - observed[1], low)


def _counts(y: np.ndarray, answer: np.ndarray, cluster: np.ndarray, n_clusters: int, n_classes: int) -> np.ndarray:
    """Right answers, samples and answers of every class by cluster, (C, 3, K)."""

    def count(value: np.ndarray, rows: np.ndarray) -> np.ndarray:
        cells = (cluster * n_classes + value)[rows]
        return np.bincount(cells, minlength=n_clusters * n_classes).reshape(n_clusters, n_classes).astype(np.float64)

    everybody = np.ones(len(y), dtype=bool)
    return np.stack([count(y, y == answer), count(y, everybody), count(answer, everybody)], 1)


def _macro_f1(sums: np.ndarray) -> np.ndarray:
    """Macro F1 (r,) of sums (r, 3, K)."""
    result: np.ndarray = average_rate(OneVsRest(sums[:, 0], sums[:, 1], sums[:, 2]), "f1", average="macro")
    return result
