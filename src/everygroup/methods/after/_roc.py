"""The rates that every threshold gives a group, and mixtures of thresholds that give groups the same rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

NEVER, ALWAYS = 2.0, 0.0
"""Thresholds that no probability, and that every probability reaches."""


@dataclass(frozen=True)
class Roc:
    """Thresholds from the largest down, and the rates of 'yes' from each on.

    Attributes
    ----------
    threshold : (m,)
        `NEVER`, every distinct score, `ALWAYS`.
    tpr, fpr, ppv : (m,)
        NaN where undefined.
    positives, negatives : int
    """

    threshold: np.ndarray
    tpr: np.ndarray
    fpr: np.ndarray
    ppv: np.ndarray
    positives: int
    negatives: int

    @classmethod
    def of(cls, scores: np.ndarray, positive: np.ndarray) -> Roc:
        """Count.

        Parameters
        ----------
        scores : (n,) probabilities of the second class
        positive : (n,) bool
        """
        threshold = np.unique([NEVER, ALWAYS, *scores])[::-1]
        hits, false = (
            len(part) - np.searchsorted(np.sort(part), threshold, side="left")
            for part in (scores[positive], scores[~positive])
        )
        n = int(positive.sum())
        with np.errstate(invalid="ignore"):
            return cls(threshold, hits / n, false / (len(scores) - n), hits / (hits + false), n, int(len(scores) - n))

    @property
    def balanced_accuracy(self) -> np.ndarray:
        """(TPR + TNR) / 2 of every threshold, (m,)."""
        accuracy: np.ndarray = (self.tpr + 1 - self.fpr) / 2
        return accuracy

    def hull(self) -> np.ndarray:
        """Return the thresholds on the upper hull of (FPR, TPR), by index from never to always."""
        kept: list[int] = []
        for i in range(len(self.threshold)):
            while len(kept) >= 2 and self._turn(kept[-2], kept[-1], i) >= 0:
                kept.pop()
            kept.append(i)
        return np.array(kept)

    def _turn(self, a: int, b: int, c: int) -> float:
        """Larger than 0 for a turn to the left."""
        x, y = self.fpr[[a, b, c]], self.tpr[[a, b, c]]
        return float((x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0]))


def equal_odds(curves: Sequence[Roc]) -> list[list[list[float]]]:
    """Return for every curve the lot over thresholds under which all have the same expected TPR and FPR, and the
    largest balanced accuracy at that: the linear programme of Hardt et al., solved over the corners of the hulls.

    Parameters
    ----------
    curves : sequence of Roc
        Each with positives and negatives.
    """
    hulls = [curve.hull() for curve in curves]
    sizes = [len(hull) for hull in hulls]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    tpr, fpr = (
        np.concatenate([getattr(c, rate)[h] for c, h in zip(curves, hulls, strict=True)]) for rate in ("tpr", "fpr")
    )
    rows, right = [], []
    for g in range(len(curves)):
        own = np.zeros(starts[-1])
        own[starts[g] : starts[g + 1]] = 1
        first = np.zeros(starts[-1])
        first[: starts[1]] = 1
        rows += [own, *[(own - first) * rate for rate in (tpr, fpr) if g]]
        right += [1.0, *[0.0, 0.0][: 2 * bool(g)]]
    share = linprog(fpr - tpr, A_eq=np.stack(rows), b_eq=right, bounds=(0, 1), method="highs").x
    parts = np.split(share, starts[1:-1])
    return [_lot(curve.threshold[hull], part) for curve, hull, part in zip(curves, hulls, parts, strict=True)]


def nearest_lot(curve: Roc, fpr: float, tpr: float) -> list[list[float]]:
    """Return the lot over a curve's thresholds whose rates differ least, in sum, from these."""
    hull = curve.hull()
    m = len(hull)
    # shares, then what FPR and TPR are above and below
    equal = np.zeros((3, m + 4))
    equal[0, :m], equal[1, :m], equal[2, :m] = 1, curve.fpr[hull], curve.tpr[hull]
    equal[1, m : m + 2], equal[2, m + 2 :] = (-1, 1), (-1, 1)
    cost = np.concatenate([np.zeros(m), np.ones(4)])
    share = linprog(cost, A_eq=equal, b_eq=[1, fpr, tpr], bounds=(0, None), method="highs").x[:m]
    return _lot(curve.threshold[hull], share)


def rates(curve: Roc, lot: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return the expected TPR and FPR of a lot; NaN where undefined."""
    threshold, share = np.asarray(lot, dtype=np.float64).T
    place = len(curve.threshold) - np.searchsorted(curve.threshold[::-1], threshold, side="left") - 1
    return {"tpr": float(share @ curve.tpr[place]), "fpr": float(share @ curve.fpr[place])}


def _lot(threshold: np.ndarray, share: np.ndarray) -> list[list[float]]:
    share = np.where(share > 1e-12, share, 0.0)
    share = share / share.sum()
    return [[float(t), float(p)] for t, p in zip(threshold, share, strict=True) if p]
