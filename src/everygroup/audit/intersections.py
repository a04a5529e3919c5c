"""Every subgroup of one or more attributes: fair on sex and on age need not be fair on both.

Marginal audits miss a model that fails young women and old men only ("fairness gerrymandering"). Here every conjunction
of attributes is a subgroup, small ones are shrunk towards no difference, and the tests are adjusted for their number.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy import sparse

from everygroup.audit.engine import Plan
from everygroup.audit.flags import Flag
from everygroup.audit.measurement import Measurement, measure
from everygroup.audit.partition import CONSTANT, Partition, spread
from everygroup.audit.shuffles import shuffled_values
from everygroup.errors import SettingsError
from everygroup.metrics import metric_info
from everygroup.metrics.families import Array, Index, SumFamily, Sums
from everygroup.statistics import permutation_p
from everygroup.statistics.multiple import benjamini_hochberg
from everygroup.statistics.proportions import difference_of_limits

MAX_SUBGROUPS = 2000
ALPHA = 0.05
_Z = 1.959963984540054


class Versus(SumFamily):
    """The metrics of a family in every group minus those in all other groups together."""

    def __init__(self, family: SumFamily) -> None:
        self.family, self.metrics, self.counts = family, family.metrics, family.counts

    def take(self, rows: Index) -> sparse.csr_matrix | Array:
        """Features of the family."""
        return self.family.take(rows)

    def codes(self) -> Index:
        """Codes of the family."""
        return self.family.codes()

    def null(self, metric: str) -> str:
        """Null of the family's metric."""
        return self.family.null(metric)

    def held(self, null: str) -> Index | None:
        """What the family keeps fixed."""
        return self.family.held(null)

    def values(self, sums: Array) -> Sums:
        """Differences (..., G) from sums (..., G, J)."""
        own, rest = self.family.values(sums), self.family.values(sums.sum(axis=-2, keepdims=True) - sums)
        return {m: own[m] - rest[m] for m in self.metrics}


def crossed(parts: Sequence[Partition], cluster: Index, *, min_n: int) -> Partition:
    """Partition of all conjunctions of several attributes; rows with a missing value are missing."""
    index, names = np.zeros(parts[0].slot.size, dtype=np.int64), [""]
    missing = np.zeros(index.size, dtype=bool)
    for part in parts:
        own = part.names[: len(part.names) - (part.n_missing > 0)]
        missing |= part.group_index() < 0
        index = index * len(own) + part.group_index()
        names = [f"{a}, {b}" if a else b for a in names for b in own]
    index[missing] = -1
    return Partition.of(" x ".join(p.attribute for p in parts), names, index, cluster, min_n=min_n)


def intersection_rows(
    family: SumFamily,
    parts: Sequence[Partition],
    cluster: Index,
    plan: Plan,
    *,
    order: int,
    label: Index | None = None,
    positive: Index | None = None,
    clear: Collection[str] = (),
) -> tuple[list[dict[str, Any]], list[Flag]]:
    """Rows of every subgroup of up to `order` attributes, smallest n first, and flags.

    `p` tests that the subgroup is as good as the other subgroups of the same attributes together, by shuffling who
    belongs to which; `p_adjusted` is Benjamini-Hochberg's over all subgroups of a metric. `shrunken` is the difference
    to all samples times tau^2 / (tau^2 + se^2), tau^2 being the variance of the true differences by moments.
    `violation` is the difference weighted by the subgroup's share of the samples.

    Parameters
    ----------
    family : metrics to compare.
    parts : the partitions of the attributes.
    label : (n,) true class, which some nulls keep fixed.
    positive : (n,) 1 for samples of the second of two classes.
    clear : metrics whose gap between the groups of one attribute is larger than chance gives.

    Raises
    ------
    SettingsError
        If there are more than `MAX_SUBGROUPS` subgroups.

    References
    ----------
    Kearns, Neel, Roth and Wu, Preventing fairness gerrymandering, ICML 2018; Benjamini and Hochberg 1995.
    """
    rows: list[dict[str, Any]] = []
    n_subgroups = sum(
        int(np.prod([len(p.names) for p in some])) for k in range(1, order + 1) for some in combinations(parts, k)
    )
    if n_subgroups > MAX_SUBGROUPS:
        raise SettingsError(
            f"The attributes have {n_subgroups:,} subgroups of up to {order} attributes.",
            fix=f"name fewer attributes or lower the order: at most {MAX_SUBGROUPS:,} are audited",
        )
    for k in range(1, order + 1):
        for some in combinations(parts, k):
            part = crossed(some, cluster, min_n=plan.min_n)
            rows += _subgroups(family, part, cluster, plan, k, label, positive)
    for metric in family.metrics if rows else ():
        own = [r for r in rows if r["metric"] == metric]
        _shrink(own)
        for row, p in zip(own, benjamini_hochberg([r["p"] for r in own]), strict=True):
            row["p_adjusted"] = float(p)
    # what a single attribute shows in its own table must not be denied here
    quiet = [metric for metric in family.metrics if metric not in clear]
    flags = [flag for metric in quiet for flag in _flags([r for r in rows if r["metric"] == metric])]
    return sorted(rows, key=lambda r: r["n"]), flags


def _subgroups(
    family: SumFamily,
    part: Partition,
    cluster: Index,
    plan: Plan,
    order: int,
    label: Index | None,
    positive: Index | None,
) -> list[dict[str, Any]]:
    """Rows of the subgroups of one partition, not yet shrunk and adjusted."""
    m = measure([family], part, cluster, plan, label, shuffles=False)
    comparable = list(part.comparable)
    versus = Versus(family)
    observed = versus.values(m.sums[family][comparable]) if len(comparable) >= 2 else {}
    null = shuffled_values([versus], part, cluster, plan, label).performance
    positives = None
    if positive is not None:
        positives = np.bincount(part.slot, weights=positive, minlength=len(part.names)).astype(np.int64)
    rows = []
    for metric in family.metrics:
        low, high = _limits(m, metric)
        values = m.point.performance[metric][0]
        for s, name in enumerate(part.names[: len(part.names) - (part.n_missing > 0)]):
            p = float("nan")
            own = spread(*(float(side[s]) for side in m.limits[metric]))
            against = spread(float(low[s]), float(high[s]))
            constant = np.isnan(own[0]) and not np.isnan(m.limits[metric][0][s])
            if s in comparable and metric in observed:
                at = comparable.index(s)
                p = float(permutation_p(abs(observed[metric][at]), np.abs(null[metric][:, at])))
            rows.append(
                {
                    "attribute": part.attribute,
                    "order": order,
                    "group": name,
                    "metric": metric,
                    "value": float(values[s]),
                    "low": own[0],
                    "high": own[1],
                    "n": int(part.n[s]),
                    "n_positive": None if positives is None else int(positives[s]),
                    "difference": float(values[s] - values[-1]),
                    "difference_low": against[0],
                    "difference_high": against[1],
                    "p": p,
                    "violation": float(part.n[s] / part.slot.size * abs(values[s] - values[-1])),
                    "note": part.note(s, plan.min_n)
                    or ("undefined" if np.isnan(values[s]) else CONSTANT if constant else ""),
                }
            )
    return rows


def _limits(m: Measurement, metric: str) -> tuple[Array, Array]:
    """Limits (S,) of the difference of every slot to all rows, whose replicates it is part of."""
    drawn, values = m.replicates.performance[metric], m.point.performance[metric][0]
    low, high = (np.asarray(side) for side in m.limits[metric])
    defined = np.nan_to_num(drawn - values)
    scale = np.sqrt((defined**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.nan_to_num((defined[:, :-1] * defined[:, -1:]).sum(axis=0) / (scale[:-1] * scale[-1]))
    found = difference_of_limits(
        values[:-1], low[:-1], high[:-1], values[-1], low[-1], high[-1], correlation=np.clip(correlation, -1, 1)
    )
    return np.asarray(found[0], dtype=np.float64), np.asarray(found[1], dtype=np.float64)


def _shrink(rows: Sequence[dict[str, Any]]) -> None:
    """Write the empirical-Bayes estimate of every difference of one metric."""
    difference = np.array([r["difference"] for r in rows])
    error = np.array([r["difference_high"] - r["difference_low"] for r in rows]) / (2 * _Z)
    used = ~np.isnan(difference + error) & np.array([not r["note"] for r in rows])
    tau2 = max(0.0, float((difference[used] ** 2 - error[used] ** 2).mean())) if used.any() else 0.0
    for row, d, e in zip(rows, difference, error, strict=True):
        row["shrunken"] = float(d * tau2 / (tau2 + e**2)) if tau2 + e**2 > 0 else float(d * (tau2 > 0))


def _flags(rows: Sequence[dict[str, Any]]) -> list[Flag]:
    """Say where single attributes look fair but conjunctions do not."""
    clear = [r for r in rows if r["p_adjusted"] <= ALPHA]
    if not clear or any(r["order"] == 1 for r in clear):
        return []
    worst = max(clear, key=lambda r: (r["violation"], -r["n"]))
    title = metric_info(worst["metric"]).title
    text = (
        f"{worst['attribute']}: no single attribute shows a difference in {title}, but {len(clear)} "
        f"subgroup{'s' if len(clear) > 1 else ''} of several do{'' if len(clear) > 1 else 'es'}: {worst['group']} has "
        f"{worst['value']:.3f}, {worst['difference']:+.3f} to all samples "
        f"(n = {worst['n']}, adjusted p = {worst['p_adjusted']:.3f})."
    )
    return [Flag("caution", text, worst["attribute"], worst["metric"])]
