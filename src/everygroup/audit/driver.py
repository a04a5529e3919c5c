"""The one way from what was predicted to an `Audit`, for every task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.audit.collect import Collector
from everygroup.audit.comparison import compare_families, comparison_rows
from everygroup.audit.engine import Plan
from everygroup.audit.flags import CHANCE_P, Flag, reversed_flags
from everygroup.audit.intersections import intersection_rows
from everygroup.audit.measurement import Measurement, measure
from everygroup.audit.partition import Partition, crossable, partitions
from everygroup.audit.result import Audit
from everygroup.console import told
from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics.families import Family, Index, SumFamily
from everygroup.predictions import Predictions
from everygroup.statistics import cluster_index

Features = Mapping[str, Sequence[Any]] | pd.DataFrame | ArrayLike
MakeFamilies = Callable[[Partition], list[Family]]
Rows = Sequence[Mapping[str, Any]]


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


DEFAULTS: Options = {
    "n_boot": 1000,
    "seed": 0,
    "min_n": 10,
    "attributes": None,
    "stratify": True,
    "interval": "auto",
    "intersections": 0,
    "data_set": "",
    "method": "",
    "run_seed": None,
}


@dataclass(frozen=True)
class Task:
    """What is audited: samples, the families that measure them, and what the audit is about.

    Attributes
    ----------
    name : 'classification', 'regression', 'segmentation', 'reconstruction', 'anomaly' or 'multilabel'.
    samples : the attributes and patients of the rows, from `rows_of` where there are no classes.
    families : the families for one partition of the rows.
    headline : the metric that leads.
    shown : metrics to show, in order; all by default.
    baseline : the same families for another model on the same rows.
    label : (n,) what metrics with the null 'label' keep fixed.
    positive : (n,) which samples `n_positive` counts.
    parts_of : rows and families by name, such as those of one bin of the outcome; their values go into `Audit.cells`.
    cells : further rows of `Audit.cells` for a partition, given the cluster of every row.
    crossed : families that subgroups of several attributes are measured by.
    flags, settings : of the task.
    causes : what is probably wrong where a metric of order is worse than none (`reversed_flags`).
    model, baseline_name : what the models are called.
    """

    name: str
    samples: Predictions
    families: MakeFamilies
    headline: str
    shown: tuple[str, ...] | None = None
    baseline: MakeFamilies | None = None
    label: Index | None = None
    positive: NDArray[np.bool_] | None = None
    parts_of: Mapping[str, tuple[Index, MakeFamilies]] = field(default_factory=dict)
    cells: Callable[[Partition, Index], Rows] | None = None
    crossed: Sequence[SumFamily] = ()
    flags: Sequence[Flag | str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    causes: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    baseline_name: str = "baseline"

    def heed(self, m: Measurement) -> list[Flag]:
        """What to heed about one attribute, beside what every task looks at."""
        return reversed_flags(m, self.causes)

    def tables(self, m: Measurement, cluster: Index) -> list[tuple[str, Rows]]:
        """Rows for further tables of `Audit`, by name."""
        part, plan = m.partition, m.plan
        found: list[Mapping[str, Any]] = []
        for name, (rows, make) in self.parts_of.items():
            inside = part.of_rows(rows, cluster, min_n=plan.min_n)
            found += part_rows(measure(make(inside), inside, cluster_index(cluster[rows]), plan), name)
        if self.cells is not None:
            found += self.cells(part, cluster)
        return [("cells", found)]

    def changes(self, m: Measurement, cluster: Index) -> tuple[list[dict[str, Any]], list[Flag]]:
        """Rows of `Audit.comparison` for one attribute, and flags; none without a baseline."""
        if self.baseline is None:
            return [], []
        compared = compare_families(m.families, self.baseline(m.partition), m.partition, cluster, m.plan)
        return comparison_rows(compared, m.plan)


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


def run(task: Task, options: Options) -> Audit:
    """Audit a task over every attribute.

    Raises
    ------
    SettingsError
        For an unknown option, or a number that is too small.
    PredictionsError
        Without an attribute to audit.
    """
    unknown = sorted(set(options) - set(DEFAULTS))
    if unknown:
        raise SettingsError(f"Unknown option {unknown[0]!r}.", fix=f"there are: {', '.join(DEFAULTS)}")
    o: dict[str, Any] = {**DEFAULTS, **options}
    if o["n_boot"] < 1 or o["min_n"] < 1 or o["seed"] < 0 or o["intersections"] < 0:
        shown = ", ".join(f"{name} = {o[name]}" for name in ("n_boot", "min_n", "seed", "intersections"))
        raise SettingsError(f"{shown}: too small.", fix="give at least 1, 1, 0 and 0 for them")
    cluster = task.samples.unit_index
    wanted = None if o["attributes"] is None else tuple(o["attributes"])
    parts, notes = partitions(task.samples, wanted, cluster, min_n=o["min_n"])
    if not parts:
        raise PredictionsError(
            "There is no sensitive attribute to audit.",
            fix="; ".join(notes) or "name at least one column with --group, or give sensitive_features",
        )
    plan = Plan(o["n_boot"], o["seed"], o["min_n"], o["stratify"], o["interval"])
    collector = Collector(
        plan,
        headline=task.headline,
        shown=task.shown,
        data_set=o["data_set"],
        method=o["method"] or task.model,
        seed=o["run_seed"],
        baseline=task.baseline_name,
    )
    collector.flags += [*task.flags, *notes]
    with told("Audit") as at:
        plan = replace(plan, told=at)
        clear = _attributes(task, parts, cluster, plan, collector)
        if o["intersections"]:
            at("subgroups of several attributes")
            _subgroups(task, parts, cluster, plan, collector, o["intersections"], clear)
    how = {"task": task.name, "n": len(task.samples), "n_clusters": int(cluster.max()) + 1}
    return collector.finish(how | dict(task.settings))


def _attributes(task: Task, parts: Sequence[Partition], cluster: Index, plan: Plan, collector: Collector) -> set[str]:
    """Measure one attribute after the other, and return the metrics with a gap beyond chance in some."""
    clear: set[str] = set()
    for number, part in enumerate(parts, 1):
        own = plan.about(f"attribute {number} of {len(parts)}, {part.title or part.attribute}")
        m = measure(task.families(part), part, cluster, own, label=task.label)
        clear |= {metric for metric, p in m.p.items() if p <= CHANCE_P}
        own.told("rows, curves and criteria")
        collector.add(m, positives=_counted(task.positive, part), flags=task.heed(m))
        for name, rows in task.tables(m, cluster):
            collector.extend(name, rows)
        changes, levelled = task.changes(m, cluster)
        collector.extend("comparison", changes)
        collector.flags += levelled
    return clear


def _subgroups(
    task: Task,
    parts: Sequence[Partition],
    cluster: Index,
    plan: Plan,
    collector: Collector,
    order: int,
    clear: set[str],
) -> None:
    """Measure the subgroups of up to `order` attributes."""
    subgroups: list[dict[str, Any]] = []
    for family in task.crossed:
        found, hidden = intersection_rows(
            family,
            crossable(parts),
            cluster,
            plan,
            order=order,
            label=task.label,
            positive=None if task.positive is None else task.positive.astype(np.int64),
            clear=clear,
        )
        subgroups += found
        collector.flags += hidden
    collector.extend("intersections", sorted(subgroups, key=lambda row: row["n"]))


def _counted(positive: NDArray[np.bool_] | None, part: Partition) -> Index | None:
    """(S,) how many samples of every slot are positive."""
    if positive is None:
        return None
    return np.bincount(part.slot[positive], minlength=len(part.names)).astype(np.int64)


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
