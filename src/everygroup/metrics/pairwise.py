"""Ranking across groups: are the positives of one group ranked above the negatives of all, or of another group?

An AUC within each group cannot see that a group's scores are shifted as a whole; these metrics can.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from everygroup.errors import PredictionsError
from everygroup.metrics._grouped import class_position, record
from everygroup.metrics._inputs import FloatArray, group_codes, score_codes
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import mean_defined, ratio_of


def outscored(score: FloatArray, negative: FloatArray) -> FloatArray:
    """How many of the negatives' scores lie below each of (n,) scores, ties half."""
    ordered = np.sort(negative)
    return (np.searchsorted(ordered, score, side="left") + np.searchsorted(ordered, score, side="right")) / 2.0


@dataclass(frozen=True)
class Pairs:
    """Pairs of a positive of group g and a negative of group h, for every class c that is ranked.

    Attributes
    ----------
    won : (c, G, G) pairs in which the positive scores higher, ties half.
    positive, negative : (c, G) samples.
    overall : (c,) AUC of all samples, with a group or not.
    names, sizes : the groups, and their samples; n, n_missing : of all samples.
    """

    won: FloatArray
    positive: FloatArray
    negative: FloatArray
    overall: FloatArray
    names: list[Hashable]
    sizes: list[int]
    n: int
    n_missing: int

    @classmethod
    def of(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        sensitive_features: ArrayLike,
        classes: Sequence[Hashable] | None = None,
        positive: Hashable | None = None,
    ) -> Pairs:
        """Count the pairs of every class against the rest; of two classes only the second, or one class alone."""
        index, score = score_codes(y_true, y_score, classes)
        group, names = group_codes(sensitive_features)
        if group.size != index.size:
            raise PredictionsError(f"sensitive_features has {group.size} values but there are {index.size} samples.")
        if not names:
            raise PredictionsError("No sample has a group.", fix="give sensitive_features with at least one value")
        wanted: Sequence[int] = range(score.shape[1]) if score.shape[1] > 2 else [1]
        if positive is not None:
            wanted = [class_position(positive, y_true, classes, score.shape[1])]
        inside = [group == g for g in range(len(names))]
        won, up, down, overall = [], [], [], []
        for k in wanted:
            s, hit = score[:, k], index == k
            ups, downs = [s[hit & i] for i in inside], [s[~hit & i] for i in inside]
            won.append([[outscored(u, d).sum() for d in downs] for u in ups])
            up.append([u.size for u in ups])
            down.append([d.size for d in downs])
            overall.append(ratio_of(outscored(s[hit], s[~hit]).sum(), hit.sum() * (~hit).sum()))
        pairs, positives, negatives, areas = (np.array(c, dtype=np.float64) for c in (won, up, down, overall))
        sizes = [int(i.sum()) for i in inside]
        return cls(pairs, positives, negatives, areas, names, sizes, index.size, int((group < 0).sum()))

    def measured(self, values: FloatArray, overall: FloatArray) -> Measured:
        """Put values (c, G) and (c,) together over the classes in which they are defined."""
        means = dict(zip(self.names, mean_defined(values, axis=0).tolist(), strict=True))
        sizes, undefined = dict(zip(self.names, self.sizes, strict=True)), int(np.isnan(values).sum())
        return Measured(float(mean_defined(overall)), means, sizes, self.n, self.n_missing, undefined)


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
    positives, when every row has a group (rows without one are in no PF_g). With more than two classes the mean of
    one-vs-rest, or one class with `positive`.

    References
    ----------
    Lin et al., Nature Communications 2023.

    Examples
    --------
    >>> y, score, group = [1, 1, 0, 0], [0.9, 0.3, 0.5, 0.1], ["a", "b", "a", "b"]
    >>> pairwise_fairness(y, score, sensitive_features=group).per_group
    {'a': 1.0, 'b': 0.5}
    """
    pairs = Pairs.of(y_true, y_score, sensitive_features, classes, positive)
    values = ratio_of(pairs.won.sum(axis=-1), pairs.positive * pairs.negative.sum(axis=-1, keepdims=True))
    return pairs.measured(values, pairs.overall)


def pairwise_fairness_difference(
    y_true: ArrayLike, y_score: ArrayLike, *, sensitive_features: ArrayLike, **options: Any
) -> Measured:
    """PFD: ``max_g PF_g - min_g PF_g`` of `pairwise_fairness`, in [0, 1]; 0 is equal. Options as there.

    References
    ----------
    Lin et al., Nature Communications 2023.

    Examples
    --------
    >>> y, score, group = [1, 1, 0, 0], [0.9, 0.3, 0.5, 0.1], ["a", "b", "a", "b"]
    >>> pairwise_fairness_difference(y, score, sensitive_features=group).value
    0.5
    """
    found = pairwise_fairness(y_true, y_score, sensitive_features=sensitive_features, **options)
    return replace(found, value=found.gap)


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
    pairs = Pairs.of(y_true, y_score, sensitive_features, classes, positive)
    apart = 1.0 - np.eye(len(pairs.names))
    won, met = pairs.won * apart, pairs.positive[:, :, None] * pairs.negative[:, None, :] * apart
    return pairs.measured(
        ratio_of(won.sum(axis=-1), met.sum(axis=-1)), ratio_of(won.sum(axis=(-1, -2)), met.sum(axis=(-1, -2)))
    )


def xauc_difference(
    y_true: ArrayLike, y_score: ArrayLike, *, sensitive_features: ArrayLike, **options: Any
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
    found = xauc(y_true, y_score, sensitive_features=sensitive_features, **options)
    return replace(found, value=found.gap)


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
    pairs = Pairs.of(y_true, y_score, sensitive_features, classes, positive)
    values = ratio_of(pairs.won, pairs.positive[:, :, None] * pairs.negative[:, None, :])
    return pd.DataFrame(mean_defined(values, axis=0), index=pairs.names, columns=pairs.names)


_of_lin = partial(record, requires="y_score", null="label", source="Lin et al., Nature Communications 2023")
_of_kallus = partial(record, requires="y_score", null="label", source="Kallus and Zhou, NeurIPS 2019")
METRICS: tuple[MetricInfo, ...] = (
    _of_lin("pairwise_fairness", "Pairwise fairness (positives of the group, all negatives)", pairwise_fairness),
    _of_kallus("xauc", "xAUC (positives of the group, negatives of the others)", xauc),
    _of_lin(
        "pairwise_fairness_difference", "Pairwise fairness difference (PFD)", pairwise_fairness_difference, kind="gap"
    ),
    _of_kallus("xauc_difference", "xAUC disparity", xauc_difference, kind="gap"),
)
"""Registry records of this file."""
