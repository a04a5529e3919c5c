"""How sure a difference between two diets is: a paired bootstrap over the target group's patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from everygroup.advise.probe import FOLDS
from everygroup.metrics import OneVsRest, average_rate
from everygroup.statistics import cluster_index, detectable_difference, replicate_blocks

WIDENING = float(np.sqrt(1 + FOLDS / (FOLDS - 1)))
"""Margins of cross-validated differences are this much wider than the test rows alone would make them: the models'
training rows overlap, so folds repeat one another (Nadeau and Bengio, Inference for the generalization error, Machine
Learning 52, 2003: variance s^2 / k becomes (1/k + 1/(k-1)) s^2)."""
N_BOOT = 1000


@dataclass(frozen=True)
class Contrast:
    """One diet minus another on the same rows, with 95 % intervals; positive: the first is better.

    Attributes
    ----------
    f1, f1_low, f1_high : float
        Difference in macro F1; NaN where undefined.
    loss, loss_low, loss_high : float
        Reduction of the log-loss, in nats a sample.
    detectable : float
        Smallest difference in macro F1 that these patients would have shown (power .8 at .05).
    """

    f1: float
    f1_low: float
    f1_high: float
    loss: float
    loss_low: float
    loss_high: float
    detectable: float


@dataclass(frozen=True)
class Point:
    """Macro F1 and log-loss of one diet on the target group, and the mean number of rows it learnt from."""

    f1: float
    loss: float


class Judged:
    """Out-of-fold answers of all diets on the target group's rows, and the bootstrap they share.

    Parameters
    ----------
    y : (m,) class index
    units : (m,) patients
    probabilities : diet -> (repeats, m, K)
    """

    def __init__(self, y: np.ndarray, units: np.ndarray, probabilities: dict[str, np.ndarray], *, seed: int) -> None:
        cluster = cluster_index(units)
        self._n, self._k = int(cluster.max()) + 1, next(iter(probabilities.values())).shape[2]
        blocks = replicate_blocks(np.zeros(self._n, dtype=np.int64), N_BOOT, seed=seed, n_rows=len(y))
        self._drawn = np.concatenate(list(blocks), axis=1).T.astype(np.float64)  # (R, C)
        self._rows = np.bincount(cluster, minlength=self._n).astype(np.float64)
        self._counts = {name: self._count(y, p.argmax(2), cluster) for name, p in probabilities.items()}
        self._losses = {
            name: np.bincount(cluster, weights=-np.log(p[:, np.arange(len(y)), y]).mean(0), minlength=self._n)
            for name, p in probabilities.items()
        }

    def point(self, name: str) -> Point:
        """Return macro F1 and log-loss of a diet."""
        once = np.ones((1, self._n))
        return Point(float(self._f1(name, once)[0]), float(self._loss(name, once)[0]))

    def contrast(self, first: str, second: str) -> Contrast:
        """Return the difference between two diets with its intervals."""
        once = np.ones((1, self._n))
        f1 = self._interval(self._f1(first, once) - self._f1(second, once), self._f1(first) - self._f1(second))
        loss = self._interval(
            self._loss(second, once) - self._loss(first, once), self._loss(second) - self._loss(first)
        )
        return Contrast(*f1[:3], *loss[:3], detectable=float(detectable_difference(f1[3])))

    def _interval(self, value: np.ndarray, replicates: np.ndarray) -> tuple[float, float, float, float]:
        """Value, limits and standard error; both widened."""
        point, known = float(value[0]), replicates[np.isfinite(replicates)]
        if not np.isfinite(point) or known.size < N_BOOT / 2:
            return point, np.nan, np.nan, np.nan
        low, high = (float(q) for q in np.quantile(known, (0.025, 0.975)))
        # two models that agree on every patient do not scatter: what the next patient would do is not known the better
        least = 1.0 / self._n
        spread = WIDENING * max(float(known.std(ddof=1)), least)
        below, above = (WIDENING * max(side, 1.96 * least) for side in (point - low, high - point))
        return point, point - below, point + above, spread

    def _count(self, y: np.ndarray, answers: np.ndarray, cluster: np.ndarray) -> list[np.ndarray]:
        """Right answers, rows and answers of every class by patient, (C, K) each, over all repeats."""
        counted = [np.zeros((self._n, self._k)) for _ in range(3)]
        for answer in answers:
            for table, label, rows in zip(counted, (y, y, answer), (y == answer, y >= 0, y >= 0), strict=True):
                cells = np.bincount((cluster * self._k + label)[rows], minlength=self._n * self._k)
                table += cells.reshape(self._n, self._k)
        return counted

    def _f1(self, name: str, drawn: np.ndarray | None = None) -> np.ndarray:
        drawn = self._drawn if drawn is None else drawn
        return np.asarray(average_rate(OneVsRest(*(drawn @ table for table in self._counts[name])), "f1"))

    def _loss(self, name: str, drawn: np.ndarray | None = None) -> np.ndarray:
        drawn = self._drawn if drawn is None else drawn
        return np.asarray((drawn @ self._losses[name]) / (drawn @ self._rows))
