"""What the audits of all tasks share: from families of metrics and sensitive features to an `Audit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from everygroup.audit.collect import Collector
from everygroup.audit.comparison import compare_families, comparison_rows
from everygroup.audit.engine import Plan
from everygroup.audit.intersections import intersection_rows
from everygroup.audit.measurement import Measurement, measure
from everygroup.audit.partition import Partition, crossable, partitions
from everygroup.audit.result import Audit
from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics.families import Array, Family, Index, SumFamily, Sums
from everygroup.metrics.rates import ratio_of
from everygroup.predictions import Predictions
from everygroup.statistics import cluster_index

Features = Mapping[str, Sequence[Any]] | pd.DataFrame | ArrayLike
MakeFamilies = Callable[[Partition], list[Family]]
Rows = Sequence[Mapping[str, Any]]
DEFAULTS = {"n_boot": 1000, "seed": 0, "min_n": 10, "stratify": True, "interval": "auto", "intersections": 0}
EXACT_LEVELS = 256
"""Distances of distributions are exact up to this many distinct values, and from as many equally full bins above."""


class Options(TypedDict, total=False):
    """Options of every audit, with the meaning and the defaults that they have in `everygroup.audit.audit`."""

    n_boot: int
    seed: int
    min_n: int
    attributes: Sequence[str] | None
    stratify: bool
    interval: Literal["auto", "percentile"]
    intersections: int
    data_set: str
    method: str
    run_seed: int | None


class Means(SumFamily):
    """Means of measured values, NaN where undefined: (n,) by metric name."""

    def __init__(self, values: Mapping[str, Array]) -> None:
        self.metrics = tuple(values)
        columns = np.stack([np.asarray(v, dtype=np.float64) for v in values.values()], axis=1)
        known = ~np.isnan(columns)
        self.features = np.concatenate([np.where(known, columns, 0.0), known], axis=1)

    def values(self, sums: Array) -> Sums:
        """Means (...) of the defined values."""
        k = len(self.metrics)
        return {m: ratio_of(sums[..., i], sums[..., k + i]) for i, m in enumerate(self.metrics)}


class Shares(SumFamily):
    """Proportions: by metric name, (n,) whether the sample is a success and whether it is a trial."""

    counts = True

    def __init__(self, shares: Mapping[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]) -> None:
        self.metrics = tuple(shares)
        columns = [c for success, trial in shares.values() for c in (success & trial, trial)]
        self.features = np.stack(columns, axis=1).astype(np.float64)

    def proportions(self, sums: Array) -> dict[str, tuple[Array, Array]]:
        """Successes and trials."""
        return {m: (sums[..., 2 * i], sums[..., 2 * i + 1]) for i, m in enumerate(self.metrics)}

    def values(self, sums: Array) -> Sums:
        """Successes over trials."""
        return {m: ratio_of(*parts) for m, parts in self.proportions(sums).items()}


class Distances(SumFamily):
    """Largest Kolmogorov-Smirnov and Wasserstein-1 distance between the values of two groups.

    Parameters
    ----------
    values : (n,) numbers; used : (n,) which of them count.
    ks, wasserstein : names of the two gaps.
    """

    def __init__(self, values: Array, used: NDArray[np.bool_], *, ks: str, wasserstein: str) -> None:
        self.gaps = (ks, wasserstein)
        inside = np.flatnonzero(used)
        levels = np.unique(values[inside])
        self.exact = levels.size <= EXACT_LEVELS
        if not self.exact:
            levels = np.unique(np.quantile(values[inside], np.arange(1, EXACT_LEVELS + 1) / EXACT_LEVELS))
        at = np.searchsorted(levels, values[inside])
        n = np.bincount(at, minlength=levels.size)
        # a bin stands where its values are on average
        self._position = np.bincount(at, weights=values[inside], minlength=levels.size) / np.maximum(n, 1)
        shape = (values.size, max(levels.size, 1))
        self.features = sparse.csr_matrix((np.ones(inside.size), (inside, at)), shape=shape)

    def values(self, sums: Array) -> Sums:
        """No value of a single group."""
        return {}

    def gap_values(self, sums: Array) -> Sums:
        """Distances (...) from the sums (..., G, J) of the groups; undefined where a group has no value."""
        share = np.cumsum(ratio_of(sums, sums.sum(axis=-1, keepdims=True)), axis=-1)
        n_groups, shape = sums.shape[-2], sums.shape[:-2]
        ks, area = np.full(shape, -np.inf), np.full(shape, -np.inf)
        steps = np.diff(self._position)
        for a in range(n_groups):
            for b in range(a + 1, n_groups):
                apart = np.abs(share[..., a, :] - share[..., b, :])
                # an undefined pair makes the largest undefined
                ks = np.maximum(ks, apart.max(axis=-1))
                area = np.maximum(area, apart[..., :-1] @ steps)
        undefined = n_groups < 2
        return {m: np.full(shape, np.nan) if undefined else v for m, v in zip(self.gaps, (ks, area), strict=True)}


def rows_of(n: int, sensitive_features: Features, cluster: ArrayLike | None) -> Predictions:
    """The attributes and patients of n samples, read by the same rules as those of predicted classes.

    Raises
    ------
    PredictionsError
        Without attributes, or for columns of another length.
    """
    # the classes play no part: one dummy answer carries the attributes
    return Predictions.from_arrays(
        y_pred=np.zeros(n, dtype=np.int64), classes=["-"], sensitive_features=sensitive_features, units=cluster
    )


def audit_task(
    samples: Predictions,
    families: MakeFamilies,
    *,
    headline: str,
    baseline: MakeFamilies | None = None,
    label: Index | None = None,
    positive: NDArray[np.bool_] | None = None,
    parts_of: Mapping[str, tuple[Index, MakeFamilies]] | None = None,
    cells: Callable[[Partition, Index], Rows] | None = None,
    crossed: Sequence[SumFamily] = (),
    flags: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    options: Options,
) -> Audit:
    """Audit any families of metrics over every attribute.

    Parameters
    ----------
    samples : from `rows_of`.
    families : the families for one partition of the rows.
    headline : the metric that the summary is about.
    baseline : the same families for another model on the same rows.
    label : (n,) what metrics with the null 'label' keep fixed.
    positive : (n,) which samples `n_positive` counts.
    parts_of : rows and families by name, such as those of one bin of the outcome; their values go into `Audit.cells`.
    cells : further rows of `Audit.cells` for a partition, given the cluster of every row.
    crossed : families that subgroups of several attributes are measured by.
    flags, settings : of the task.
    """
    o: dict[str, Any] = {**DEFAULTS, **options}
    unknown = sorted(set(o) - set(Options.__annotations__))
    if unknown:
        raise SettingsError(f"Unknown option {unknown[0]!r}.", fix=f"there are: {', '.join(Options.__annotations__)}")
    if o["n_boot"] < 1 or o["min_n"] < 1 or o["seed"] < 0 or o["intersections"] < 0:
        shown = ", ".join(f"{name} = {o[name]}" for name in ("n_boot", "min_n", "seed", "intersections"))
        raise SettingsError(f"{shown}: too small.", fix="give at least 1, 1, 0 and 0 for them")
    cluster = samples.unit_index
    attributes = o.get("attributes")
    wanted = None if attributes is None else tuple(attributes)
    parts, notes = partitions(samples, wanted, cluster, min_n=o["min_n"])
    if not parts:
        raise PredictionsError(
            "There is no sensitive attribute to audit.", fix="; ".join(notes) or "give sensitive_features"
        )
    plan = Plan(o["n_boot"], o["seed"], o["min_n"], o["stratify"], o["interval"])
    collector = Collector(
        plan,
        headline=headline,
        data_set=o.get("data_set", ""),
        method=o.get("method", ""),
        seed=o.get("run_seed"),
        baseline="baseline",
    )
    collector.flags += [*flags, *notes]
    for part in parts:
        made = families(part)
        positives = None
        if positive is not None:
            positives = np.bincount(part.slot[positive], minlength=len(part.names)).astype(np.int64)
        collector.add(measure(made, part, cluster, plan, label=label), positives=positives)
        for name, (rows, make) in (parts_of or {}).items():
            inside = part.of_rows(rows, cluster, min_n=plan.min_n)
            m = measure(make(inside), inside, cluster_index(cluster[rows]), plan)
            collector.extend("cells", part_rows(m, name))
        if cells is not None:
            collector.extend("cells", cells(part, cluster))
        if baseline is not None:
            compared = compare_families(made, baseline(part), part, cluster, plan)
            changes, levelled = comparison_rows(compared, plan)
            collector.extend("comparison", changes)
            collector.flags += levelled
    subgroups: list[dict[str, Any]] = []
    for family in crossed if o["intersections"] else ():
        rows_found, fooled = intersection_rows(
            family, crossable(parts), cluster, plan, order=o["intersections"], label=label, positive=_whole(positive)
        )
        subgroups += rows_found
        collector.flags += fooled
    collector.extend("intersections", sorted(subgroups, key=lambda r: r["n"]))
    how = {"n": len(samples), "n_clusters": int(cluster.max()) + 1} | dict(settings or {})
    return collector.finish(how)


def _whole(mask: NDArray[np.bool_] | None) -> Index | None:
    return None if mask is None else mask.astype(np.int64)


def part_rows(m: Measurement, label: str) -> list[dict[str, Any]]:
    """Rows of `Audit.cells` for every group and metric, of samples or pixels that share a label."""
    part = m.partition
    return [
        {
            "attribute": part.attribute,
            "label": label,
            "group": name,
            "metric": metric,
            "value": float(m.point.performance[metric][0, s]),
            "low": float(m.limits[metric][0][s]),
            "high": float(m.limits[metric][1][s]),
            "n": int(part.n[s]),
        }
        for metric in m.metrics
        for s, name in enumerate(part.names)
    ]
