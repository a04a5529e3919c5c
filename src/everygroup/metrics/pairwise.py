"""Ranking across groups: are the positives of one group ranked above the negatives of all, or of another group?

An AUC within each group cannot see that a group's scores are shifted as a whole; these metrics can.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from everygroup.errors import PredictionsError
from everygroup.metrics._grouped import class_position
from everygroup.metrics._inputs import FloatArray, IntArray, group_codes, score_codes
from everygroup.metrics.disparity import difference
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.measured import Measured
from everygroup.metrics.ranking import macro_auc, rankings
from everygroup.metrics.rates import mean_defined, ratio_of

Weights = NDArray[np.float32]


@dataclass(frozen=True)
class GroupRanking:
    """One class's scores against the rest, ordered once over all groups and used for every replicate.

    With u_1 < ... < u_m the distinct scores of the positives, `positives[g]` (m, C) counts the positives of group g at
    u_i by unit, `below[g]` and `tied[g]` (m, C) its negatives between u_(i-1) and u_i (without the ends) and at u_i.
    Rows without a group belong to no pair.
    """

    positives: tuple[sparse.csr_matrix, ...]
    below: tuple[sparse.csr_matrix, ...]
    tied: tuple[sparse.csr_matrix, ...]
    n_negative: sparse.csr_matrix

    @classmethod
    def of(
        cls,
        score: ArrayLike,
        positive: ArrayLike,
        group: ArrayLike,
        n_groups: int,
        unit: ArrayLike | None = None,
        n_units: int | None = None,
    ) -> GroupRanking:
        """Rank (n,) scores, with the group index (-1 missing) and the unit (the row itself by default) of every row."""
        s, p = np.asarray(score, dtype=np.float64), np.asarray(positive, dtype=bool)
        g = np.asarray(group, dtype=np.int64)
        column = np.arange(s.size) if unit is None else np.asarray(unit, dtype=np.int64)
        width = n_units if n_units is not None else int(column.max(initial=-1)) + 1
        levels = np.unique(s[p])
        lower = np.searchsorted(levels, s, side="left")
        at_level = lower < np.searchsorted(levels, s, side="right")

        def count(rows: NDArray[np.bool_], at: IntArray, n_rows: int) -> sparse.csr_matrix:
            ones = np.ones(int(rows.sum()), dtype=np.float32)
            return sparse.csr_matrix((ones, (at[rows], column[rows])), shape=(n_rows, width))

        inside = [g == k for k in range(n_groups)]
        return cls(
            tuple(count(p & i, lower, levels.size) for i in inside),
            tuple(count(~p & ~at_level & (lower < levels.size) & i, lower, levels.size) for i in inside),
            tuple(count(~p & at_level & i, lower, levels.size) for i in inside),
            count(~p & (g >= 0), g, n_groups),
        )

    def wins(self, weights: Weights) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Pairs won under weights (C, r), as (r, G, G), with the positives (r, G) and the negatives (r, G).

        Entry [g, h] counts the pairs of a positive of g and a negative of h in which the positive scores higher, ties
        half.
        """
        lower = []
        for below, tied in zip(self.below, self.tied, strict=True):
            at, cumulative = (tied @ weights).astype(np.float64), (below @ weights).astype(np.float64)
            cumulative[1:] += at[:-1]
            lower.append(np.cumsum(cumulative, axis=0) + at / 2.0)
        upper = [(p @ weights).astype(np.float64) for p in self.positives]
        won = np.stack([np.stack([np.einsum("ij,ij->j", u, d) for d in lower], axis=-1) for u in upper], axis=1)
        return won, np.stack([u.sum(axis=0) for u in upper], axis=-1), (self.n_negative @ weights).astype(np.float64).T

    def pairwise(self, weights: Weights) -> FloatArray:
        """PF (r, G): positives of every group against all negatives."""
        won, positive, negative = self.wins(weights)
        return ratio_of(won.sum(axis=-1), positive * negative.sum(axis=-1, keepdims=True))

    def across(self, weights: Weights) -> FloatArray:
        """xAUC (r, G): positives of every group against the negatives of all other groups."""
        won, positive, negative = self.wins(weights)
        others = 1.0 - np.eye(positive.shape[-1])
        top = (won * others).sum(axis=-1)
        return ratio_of(top, positive * (negative @ others))

    def table(self, weights: Weights) -> FloatArray:
        """xAUC (r, G, G): positives of group g against the negatives of group h."""
        won, positive, negative = self.wins(weights)
        return ratio_of(won, positive[..., :, None] * negative[..., None, :])


def group_rankings(
    index: IntArray,
    score: FloatArray,
    group: IntArray,
    n_groups: int,
    unit: ArrayLike | None = None,
    n_units: int | None = None,
    *,
    at: int | None = None,
) -> list[GroupRanking]:
    """Rank every class of (n, K) scores against the rest; of two classes only the second, or one class alone."""
    wanted = range(score.shape[1]) if score.shape[1] > 2 else [1]
    chosen = wanted if at is None else [at]
    return [GroupRanking.of(score[:, k], index == k, group, n_groups, unit, n_units) for k in chosen]


def _measure(
    y_true: ArrayLike,
    y_score: ArrayLike,
    sensitive_features: ArrayLike,
    classes: Sequence[Hashable] | None,
    positive: Hashable | None,
    values_of: Callable[[GroupRanking, Weights], FloatArray],
) -> tuple[list[Hashable], list[GroupRanking], FloatArray, Measured]:
    """Group names, rankings, values (classes, G...) and the result without its overall value."""
    index, score = score_codes(y_true, y_score, classes)
    group, names = group_codes(sensitive_features)
    if group.size != index.size:
        raise PredictionsError(f"sensitive_features has {group.size} values but there are {index.size} samples.")
    at = None if positive is None else class_position(positive, y_true, classes, score.shape[1])
    if not names:
        raise PredictionsError("No sample has a group.", fix="give sensitive_features with at least one value")
    ranked = group_rankings(index, score, group, len(names), at=at)
    ones = np.ones((index.size, 1), dtype=np.float32)
    values = np.stack([values_of(r, ones)[0] for r in ranked])
    means = mean_defined(values, axis=0)
    sizes = np.bincount(group[group >= 0], minlength=len(names))
    result = Measured(
        value=float("nan"),
        per_group=dict(zip(names, means.tolist(), strict=True)) if means.ndim == 1 else {},
        n_per_group=dict(zip(names, sizes.tolist(), strict=True)),
        n=int(index.size),
        n_missing=int((group < 0).sum()),
        n_undefined=int(np.isnan(values).sum()),
    )
    return names, ranked, values, result


def _with(result: Measured, value: float) -> Measured:
    return Measured(value, result.per_group, result.n_per_group, result.n, result.n_missing, result.n_undefined)


def pairwise_fairness(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike,
    classes: Sequence[Hashable] | None = None,
    positive: Hashable | None = None,
) -> Measured:
    """PF_g: the chance that a positive of group g scores higher than a negative of any group, ties 1/2.

    In [0, 1], 1 is best. The overall value is the AUC of all rows: exactly the mean of PF_g weighted by the number of
    positives, when every row has a group (rows without one are in no PF_g). With
    more than two classes the mean of one-vs-rest, or one class with `positive`.

    References
    ----------
    Lin et al., Nature Communications 2023.

    Examples
    --------
    >>> y, score, group = [1, 1, 0, 0], [0.9, 0.3, 0.5, 0.1], ["a", "b", "a", "b"]
    >>> pairwise_fairness(y, score, sensitive_features=group).per_group
    {'a': 1.0, 'b': 0.5}
    """
    result = _measure(y_true, y_score, sensitive_features, classes, positive, lambda r, w: r.pairwise(w))[3]
    index, score = score_codes(y_true, y_score, classes)
    if positive is not None:
        at = class_position(positive, y_true, classes, score.shape[1])
        index, score = (index == at).astype(np.int64), np.stack([1.0 - score[:, at], score[:, at]], axis=1)
    overall = macro_auc(rankings(index, score), np.ones((index.size, 1), dtype=np.float32))
    return _with(result, float(overall[0]))


def pairwise_fairness_difference(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike,
    classes: Sequence[Hashable] | None = None,
    positive: Hashable | None = None,
) -> Measured:
    """PFD: ``max_g PF_g - min_g PF_g`` of `pairwise_fairness`, in [0, 1]; 0 is equal.

    References
    ----------
    Lin et al., Nature Communications 2023.

    Examples
    --------
    >>> y, score, group = [1, 1, 0, 0], [0.9, 0.3, 0.5, 0.1], ["a", "b", "a", "b"]
    >>> pairwise_fairness_difference(y, score, sensitive_features=group).value
    0.5
    """
    values = pairwise_fairness(
        y_true, y_score, sensitive_features=sensitive_features, classes=classes, positive=positive
    )
    return _with(values, values.gap)


def xauc(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike,
    classes: Sequence[Hashable] | None = None,
    positive: Hashable | None = None,
) -> Measured:
    """xAUC: the chance that a positive of group g scores higher than a negative of the other groups, ties 1/2.

    In [0, 1], 1 is best; of two groups exactly the xAUC of the paper. The overall value is that of all pairs across
    groups. Missing groups are left out.

    References
    ----------
    Kallus and Zhou, NeurIPS 2019.

    Examples
    --------
    >>> y, score, group = [1, 1, 0, 0], [0.9, 0.3, 0.5, 0.1], ["a", "b", "a", "b"]
    >>> xauc(y, score, sensitive_features=group).per_group  # a over b's 0.1; b under a's 0.5
    {'a': 1.0, 'b': 0.0}
    """
    _, ranked, _, result = _measure(y_true, y_score, sensitive_features, classes, positive, lambda r, w: r.across(w))
    ones = np.ones((result.n, 1), dtype=np.float32)
    values = []
    for r in ranked:
        won, up, down = (a[0] for a in r.wins(ones))
        apart = 1.0 - np.eye(up.size)
        values.append(float(ratio_of((won * apart).sum(), (np.outer(up, down) * apart).sum())))
    return _with(result, float(mean_defined(values)))


def xauc_difference(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike,
    classes: Sequence[Hashable] | None = None,
    positive: Hashable | None = None,
) -> Measured:
    """Largest minus smallest `xauc` of the groups, in [0, 1]; 0 is equal. Of two groups the paper's absolute disparity.

    References
    ----------
    Kallus and Zhou, NeurIPS 2019.

    Examples
    --------
    >>> y, score, group = [1, 1, 0, 0], [0.9, 0.3, 0.5, 0.1], ["a", "b", "a", "b"]
    >>> xauc_difference(y, score, sensitive_features=group).value
    1.0
    """
    values = xauc(y_true, y_score, sensitive_features=sensitive_features, classes=classes, positive=positive)
    return _with(values, float(difference(list(values.per_group.values()))))


def xauc_table(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: ArrayLike,
    classes: Sequence[Hashable] | None = None,
    positive: Hashable | None = None,
) -> pd.DataFrame:
    """xAUC of every pair of groups: rows are the group of the positive, columns that of the negative.

    The diagonal holds the AUC within each group.

    Examples
    --------
    >>> y, score, group = [1, 1, 0, 0], [0.9, 0.3, 0.5, 0.1], ["a", "b", "a", "b"]
    >>> xauc_table(y, score, sensitive_features=group).loc["b"].to_dict()
    {'a': 0.0, 'b': 1.0}
    """
    names, _, values, _ = _measure(y_true, y_score, sensitive_features, classes, positive, lambda r, w: r.table(w))
    return pd.DataFrame(mean_defined(values, axis=0), index=names, columns=names)


_LIN, _KALLUS = "Lin et al., Nature Communications 2023", "Kallus and Zhou, NeurIPS 2019"
METRICS: tuple[MetricInfo, ...] = (
    MetricInfo(
        "pairwise_fairness",
        "Pairwise fairness (positives of the group, all negatives)",
        "performance",
        0.0,
        1.0,
        1.0,
        True,
        "y_score",
        "label",
        _LIN,
        pairwise_fairness,
    ),
    MetricInfo(
        "xauc",
        "xAUC (positives of the group, negatives of the others)",
        "performance",
        0.0,
        1.0,
        1.0,
        True,
        "y_score",
        "label",
        _KALLUS,
        xauc,
    ),
    MetricInfo(
        "pairwise_fairness_difference",
        "Pairwise fairness difference (PFD)",
        "gap",
        0.0,
        1.0,
        0.0,
        False,
        "y_score",
        "label",
        _LIN,
        pairwise_fairness_difference,
    ),
    MetricInfo(
        "xauc_difference",
        "xAUC disparity",
        "gap",
        0.0,
        1.0,
        0.0,
        False,
        "y_score",
        "label",
        _KALLUS,
        xauc_difference,
    ),
)
