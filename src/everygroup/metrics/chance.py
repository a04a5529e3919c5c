"""The chance level of a gap: its values when the groups are shuffled, so that there is nothing to find."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import SettingsError
from everygroup.metrics._inputs import class_codes, group_codes
from everygroup.metrics.confusion import OneVsRest, confusion_counts, one_vs_rest

Array = NDArray[np.float64]
BLOCK = 4_000_000


@dataclass(frozen=True)
class Chance:
    """What a gap is by chance.

    Attributes
    ----------
    observed : the gap itself.
    values : (R,) gaps under shuffled groups.
    """

    observed: float
    values: Array

    @property
    def mean(self) -> float:
        """Mean gap by chance: the part of a published value that says nothing."""
        return float(self.values.mean())

    @property
    def high(self) -> float:
        """95th percentile of the gaps by chance."""
        return float(np.percentile(self.values, 95.0))

    @property
    def p(self) -> float:
        """Share of shuffles with a gap at least as large, (1 + count) / (1 + R)."""
        reached = int((self.values >= self.observed - 1e-12).sum())
        return (1 + reached) / (1 + self.values.size)


def chance_level(
    gap: Callable[[OneVsRest], Array],
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: ArrayLike,
    within: Literal["label", "none"] = "label",
    n_permutations: int = 1000,
    seed: int = 0,
    classes: Sequence[Hashable] | None = None,
) -> Chance:
    """Shuffle the groups of the samples and measure the gap again.

    Gaps are never negative, so noise alone makes one, the larger the more classes and the fewer samples there are. For
    EOpp and EOdds on more than a hundred classes the chance level is most of the value: a table that compares methods
    by such numbers compares noise unless the chance level stands beside them.

    Parameters
    ----------
    gap : function of one-vs-rest counts (..., G, K), such as ``partial(lineage_gap, name="eopp1")``.
    within : 'label' shuffles within the true classes, so that every group keeps its number of samples of each: the null
        of gaps that condition on the true class. 'none' shuffles all samples.
    n_permutations : number of shuffles; of samples, each on its own. Where patients have several samples use the audit,
        which shuffles patients.

    >>> from functools import partial
    >>> from everygroup.metrics import lineage_gap
    >>> rng = np.random.default_rng(0)
    >>> y, sex = rng.integers(0, 114, 1500), rng.integers(0, 2, 1500)
    >>> y_pred = np.where(rng.random(1500) < 0.5, y, rng.integers(0, 114, 1500))  # the sex plays no role
    >>> chance = chance_level(partial(lineage_gap, name="eopp1"), y, y_pred, sensitive_features=sex, n_permutations=99)
    >>> round(chance.observed, 2), round(chance.mean, 2)
    (0.23, 0.25)
    """
    if n_permutations < 1:
        raise SettingsError(f"n_permutations is {n_permutations}.", fix="give at least 1; 1000 is usual")
    true, pred, names = class_codes(y_true, y_pred, classes)
    group, groups = group_codes(sensitive_features)
    known = group >= 0
    true, pred, group = true[known], pred[known], group[known]
    k, n_groups, n = len(names), len(groups), true.size
    observed = gap(one_vs_rest(confusion_counts(true, pred, n_classes=k, group=group, n_groups=n_groups)))
    order = np.argsort(true, kind="stable") if within == "label" else np.arange(n)
    true, pred, group = true[order], pred[order], group[order]
    edges = np.flatnonzero(np.diff(true)) + 1 if within == "label" else np.empty(0, dtype=np.int64)
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK // max(n, n_groups * k))
    found = []
    for start in range(0, n_permutations, step):
        r = min(step, n_permutations - start)
        shuffled = np.tile(group, (r, 1))
        for part in np.split(shuffled, edges, axis=1):
            rng.permuted(part, axis=1, out=part)
        found.append(np.asarray(gap(_counts(true, pred, shuffled, n_groups, k))))
    return Chance(float(observed), np.concatenate(found))


def _counts(true: NDArray[np.int64], pred: NDArray[np.int64], group: NDArray[np.int64], g: int, k: int) -> OneVsRest:
    """One-vs-rest counts (r, G, K) of the groups (r, n)."""
    r = len(group)
    base = (np.arange(r)[:, None] * g + group) * k

    def count(columns: NDArray[np.int64]) -> Array:
        counted: Array = np.bincount(columns.reshape(-1), minlength=r * g * k).astype(np.float64)
        return counted.reshape(r, g, k)

    right = true == pred
    return OneVsRest(count(base[:, right] + true[right]), count(base + true), count(base + pred))
