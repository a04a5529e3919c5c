"""Confusion counts over a fixed class list, and the one-vs-rest counts they hold. Any leading batch axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def confusion_counts(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    n_classes: int,
    group: ArrayLike | None = None,
    n_groups: int | None = None,
    weights: ArrayLike | None = None,
) -> Array:
    """Count (true, predicted) pairs.

    Every group is counted over the same classes 0..K-1, so a class absent from a group cannot shift the others.

    Parameters
    ----------
    y_true, y_pred : (n,) class index.
    n_classes : K.
    group : (n,) group index; rows with -1 (missing) are left out.
    n_groups : G; one more than the largest index when not given.
    weights : (n,) weights, 1 when not given.

    Returns
    -------
    (K, K), rows true; (G, K, K) with `group`.
    """
    true, pred = np.asarray(y_true, dtype=np.int64), np.asarray(y_pred, dtype=np.int64)
    w = np.ones(true.size) if weights is None else np.asarray(weights, dtype=np.float64)
    cell = true * n_classes + pred
    square = n_classes * n_classes
    if group is None:
        flat: Array = np.bincount(cell, weights=w, minlength=square).astype(np.float64)
        return flat.reshape(n_classes, n_classes)
    g = np.asarray(group, dtype=np.int64)
    groups = int(g.max(initial=-1)) + 1 if n_groups is None else n_groups
    known = g >= 0
    cells = (g * square + cell)[known]
    counts: Array = np.bincount(cells, weights=w[known], minlength=groups * square).astype(np.float64)
    return counts.reshape(groups, n_classes, n_classes)


@dataclass(frozen=True)
class OneVsRest:
    """One-vs-rest counts of every class, arrays of shape (..., K).

    `support` counts the samples of a class, `predicted` those answered with it, `tp` those right. These three hold
    all that rates and averages need, in 3K numbers instead of K x K.
    """

    tp: Array
    support: Array
    predicted: Array

    @property
    def n(self) -> Array:
        """Number of samples, shape (..., 1)."""
        return self.support.sum(axis=-1, keepdims=True)

    @property
    def fn(self) -> Array:
        """Samples of the class answered otherwise."""
        return self.support - self.tp

    @property
    def fp(self) -> Array:
        """Samples of other classes answered with this one."""
        return self.predicted - self.tp

    @property
    def tn(self) -> Array:
        """Samples of other classes answered otherwise."""
        return self.n - self.support - self.predicted + self.tp

    def __getitem__(self, key: Any) -> OneVsRest:
        """Index the leading axes."""
        return OneVsRest(self.tp[key], self.support[key], self.predicted[key])

    def total(self, axis: int = -2) -> OneVsRest:
        """Sum over one leading axis, such as the groups."""
        return OneVsRest(self.tp.sum(axis=axis), self.support.sum(axis=axis), self.predicted.sum(axis=axis))


def one_vs_rest(counts: ArrayLike) -> OneVsRest:
    """Reduce confusion counts (..., K, K) to one-vs-rest counts (..., K)."""
    c = np.asarray(counts, dtype=np.float64)
    return OneVsRest(np.diagonal(c, axis1=-2, axis2=-1).copy(), c.sum(axis=-1), c.sum(axis=-2))
