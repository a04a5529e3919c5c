"""Ranking across groups: are the positives of one group ranked above the negatives of all, or of another group?

An AUC within each group cannot see that a group's scores are shifted as a whole; these metrics can.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, Unpack, cast

import numpy as np
from numpy.typing import ArrayLike

from everygroup.errors import PredictionsError
from everygroup.metrics._grouped import groups_of
from everygroup.metrics._inputs import FloatArray, IntArray
from everygroup.metrics.define import ScoreMetric
from everygroup.metrics.info import MetricInfo, Told
from everygroup.metrics.measured import Measured
from everygroup.metrics.rates import mean_defined, ratio_of

_LIN, _KALLUS = "Lin et al., Nature Communications 2023", "Kallus and Zhou, NeurIPS 2019"
_LABEL: Told = {"null": "label"}
Values = tuple[FloatArray, FloatArray]


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
    def of(cls, index: IntArray, score: FloatArray, sensitive_features: ArrayLike | None) -> Pairs:
        """Count the pairs of every class against the rest; of two classes only those of the second."""
        group, names = groups_of(sensitive_features, index.size)
        if not names:
            raise PredictionsError("No sample has a group.", fix="give sensitive_features with at least one value")
        inside = [group == g for g in range(len(names))]
        won, up, down, overall = [], [], [], []
        for k in range(score.shape[1]) if score.shape[1] > 2 else [1]:
            s, hit = score[:, k], index == k
            ups, downs = [s[hit & i] for i in inside], [s[~hit & i] for i in inside]
            won.append([[outscored(u, d).sum() for d in downs] for u in ups])
            up.append([u.size for u in ups])
            down.append([d.size for d in downs])
            overall.append(ratio_of(outscored(s[hit], s[~hit]).sum(), hit.sum() * (~hit).sum()))
        pairs, positives, negatives, areas = (np.array(c, dtype=np.float64) for c in (won, up, down, overall))
        sizes = [int(i.sum()) for i in inside]
        return cls(pairs, positives, negatives, areas, names, sizes, index.size, int((group < 0).sum()))


class PairMetric(ScoreMetric):
    """A metric of pairs, from (c, G) values of groups and (c,) of everybody; as a gap the largest less the smallest."""

    skipped = 1
    probabilities = False

    def measure(self, index: IntArray, score: FloatArray, sensitive_features: ArrayLike | None, **_: Any) -> Measured:
        """Put the values of the classes together in which they are defined."""
        pairs = Pairs.of(index, score, sensitive_features)
        values, overall = self.definition(pairs)
        means, undefined = mean_defined(values, axis=0), int(np.isnan(values).sum())
        sizes = {"n": pairs.n, "n_missing": pairs.n_missing, "n_undefined": undefined}
        found = Measured.of(mean_defined(overall), pairs.names, means, pairs.sizes, **sizes)
        return replace(found, value=found.gap) if self.info.kind == "gap" else found


def _of_pairs(title: str, **told: Unpack[Told]) -> Callable[[Callable[[Pairs], Values]], PairMetric]:
    return lambda definition: PairMetric(definition, title, "", {**_LABEL, **told})


@_of_pairs("Pairwise fairness (positives of the group, all negatives)", source=_LIN)
def pairwise_fairness(pairs: Pairs) -> Values:
    """PF_g: the chance that a positive of group g scores higher than a negative of any group, ties 1/2.

    In [0, 1], 1 is best. The overall value is the AUC of all rows: exactly the mean of PF_g weighted by the number of
    positives, when every row has a group (rows without one are in no PF_g). With more than two classes the mean of
    one-vs-rest, or one class with `positive`. Source: Lin et al., Nature Communications 2023.

    >>> y, score, group = [1, 1, 0, 0], [0.9, 0.3, 0.5, 0.1], ["a", "b", "a", "b"]
    >>> pairwise_fairness(y, score, sensitive_features=group).per_group
    {'a': 1.0, 'b': 0.5}
    >>> pairwise_fairness_difference(y, score, sensitive_features=group).value
    0.5
    """
    met = pairs.positive * pairs.negative.sum(axis=-1, keepdims=True)
    return ratio_of(pairs.won.sum(axis=-1), met), pairs.overall


@_of_pairs("xAUC (positives of the group, negatives of the others)", source=_KALLUS)
def xauc(pairs: Pairs) -> Values:
    """xAUC: the chance that a positive of group g scores higher than a negative of the other groups, ties 1/2.

    In [0, 1], 1 is best; of two groups exactly the xAUC of the paper (Kallus and Zhou, NeurIPS 2019). The overall value
    is that of all pairs across groups. Missing groups are left out.

    >>> y, score, group = [1, 1, 0, 0], [0.9, 0.3, 0.5, 0.1], ["a", "b", "a", "b"]
    >>> xauc(y, score, sensitive_features=group).per_group  # a over b's 0.1; b under a's 0.5
    {'a': 1.0, 'b': 0.0}
    """
    apart = 1.0 - np.eye(len(pairs.names))
    won, met = pairs.won * apart, pairs.positive[:, :, None] * pairs.negative[:, None, :] * apart
    return ratio_of(won.sum(axis=-1), met.sum(axis=-1)), ratio_of(won.sum(axis=(-1, -2)), met.sum(axis=(-1, -2)))


@_of_pairs("Pairwise fairness difference (PFD)", kind="gap", source=_LIN)
def pairwise_fairness_difference(pairs: Pairs) -> Values:
    """PFD: ``max_g PF_g - min_g PF_g`` of `pairwise_fairness`, in [0, 1]; 0 is equal."""
    return cast(Values, pairwise_fairness.definition(pairs))


@_of_pairs("xAUC disparity", kind="gap", source=_KALLUS)
def xauc_difference(pairs: Pairs) -> Values:
    """Largest less smallest `xauc` of the groups, in [0, 1]; 0 is equal. Of two groups the paper's disparity."""
    return cast(Values, xauc.definition(pairs))


METRICS: tuple[MetricInfo, ...] = tuple(
    m.info for m in (pairwise_fairness, xauc, pairwise_fairness_difference, xauc_difference)
)
"""Records of the metrics above."""
