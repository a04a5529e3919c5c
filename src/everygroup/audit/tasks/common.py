"""What the audits of all tasks share: from families of metrics and sensitive features to an `Audit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.audit.collect import Collector
from everygroup.audit.comparison import compare_families, comparison_rows
from everygroup.audit.engine import Plan
from everygroup.audit.flags import CHANCE_P, Flag
from everygroup.audit.intersections import intersection_rows
from everygroup.audit.measurement import Measurement, measure
from everygroup.audit.partition import Partition, crossable, partitions
from everygroup.audit.result import Audit
from everygroup.errors import PredictionsError, SettingsError
from everygroup.metrics.families import Family, Index, SumFamily
from everygroup.predictions import Predictions
from everygroup.statistics import cluster_index

Features = Mapping[str, Sequence[Any]] | pd.DataFrame | ArrayLike
MakeFamilies = Callable[[Partition], list[Family]]
Rows = Sequence[Mapping[str, Any]]
DEFAULTS = {"n_boot": 1000, "seed": 0, "min_n": 10, "stratify": True, "interval": "auto", "intersections": 0}


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
    flags: Sequence[Flag | str] = (),
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
    clear: set[str] = set()
    for part in parts:
        made = families(part)
        positives = None
        if positive is not None:
            positives = np.bincount(part.slot[positive], minlength=len(part.names)).astype(np.int64)
        measured = measure(made, part, cluster, plan, label=label)
        collector.add(measured, positives=positives)
        clear |= {metric for metric, p in measured.p.items() if p <= CHANCE_P}
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
            family,
            crossable(parts),
            cluster,
            plan,
            order=o["intersections"],
            label=label,
            positive=_whole(positive),
            clear=clear,
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
