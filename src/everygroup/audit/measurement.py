"""What was measured of one attribute: values, intervals, nulls and pairwise differences of every metric."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from everygroup.audit.engine import Jackknife, Plan, Resampler, Values
from everygroup.audit.partition import MIN_CLUSTERS, Partition
from everygroup.audit.shuffles import shuffled_values
from everygroup.audit.thinning import Thinned, is_large, weighted
from everygroup.metrics import difference, metric_info
from everygroup.metrics.families import Array, Family, Index, SumFamily
from everygroup.statistics import percentile_interval, permutation_p
from everygroup.statistics.detectable import detectable_gap
from everygroup.statistics.folded import lowest_interval, moved_interval, widening
from everygroup.statistics.gaps import gap_interval, simultaneous_differences
from everygroup.statistics.intervals import bca_interval
from everygroup.statistics.proportions import effective_size, wilson_interval

FloatArray = NDArray[np.floating]
Limits = tuple[FloatArray, FloatArray]
MOST_PAIRS = 45
"""With more pairs of groups (ten groups have as many), the differences have an interval and no p."""


@dataclass(frozen=True)
class Measurement:
    """Values of one attribute.

    Attributes
    ----------
    families : what was measured, in order.
    point, replicates : every metric of the sample (as one replicate) and of its bootstrap replicates.
    null : every metric under shuffled groups: performance (R, G) over the comparable groups, gaps (R,).
    limits : metric -> low and high (S + 1,) of every slot and of all rows.
    method : metric -> which interval `limits` holds: 'wilson', 'bca' or 'percentile'.
    sums : family -> (S, J) sums of the sample.
    part : how many clusters were resampled where that was a part of them; 0 otherwise.
    of_part : metrics whose intervals and nulls rest on that part.
    shuffle : gives some metrics (R, 2) under shuffles of two groups alone; None where nothing was shuffled.
    """

    partition: Partition
    plan: Plan
    families: tuple[Family, ...]
    point: Values
    replicates: Values
    null: Values
    limits: dict[str, Limits]
    method: dict[str, str]
    sums: dict[Family, Array] = field(default_factory=dict)
    part: int = 0
    of_part: tuple[str, ...] = ()
    shuffle: Callable[[tuple[int, int], Collection[str]], Values] | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every performance metric, in the order of the families."""
        return tuple(self.point.performance)

    @property
    def gaps(self) -> tuple[str, ...]:
        """Every metric that is one value between groups."""
        return tuple(self.point.gaps)

    def slots(self, metric: str) -> tuple[int, ...]:
        """Comparable slots in which a performance metric is defined."""
        values = self.point.performance[metric][0]
        return tuple(s for s in self.partition.comparable if not np.isnan(values[s]))

    @cached_property
    def trials(self) -> dict[str, tuple[Array, Array]]:
        """Metric -> successes and trials (S + 1,) of every slot and of all rows, of those that are proportions."""
        found: dict[str, tuple[Array, Array]] = {}
        for family, sums in self.sums.items():
            if isinstance(family, SumFamily):
                found |= family.proportions(np.concatenate([sums, sums.sum(axis=0, keepdims=True)]))
        return found

    @cached_property
    def p(self) -> dict[str, float]:
        """Permutation p of every gap.

        Where a metric is undefined in a comparable group its gap has no p: there is no null with the same groups.
        """
        comparable = self.partition.comparable
        return {m: float(permutation_p(self.point.gap(m, comparable)[0], null)) for m, null in self.null_gaps.items()}

    @cached_property
    def null_gaps(self) -> dict[str, Array]:
        """(R,) gaps of every metric under shuffled groups; empty with fewer than two comparable groups."""
        return {m: difference(values) for m, values in self.null.performance.items()} | self.null.gaps

    def chance(self, metric: str) -> tuple[float, float]:
        """Mean and 95th percentile of the gap under shuffled groups; NaN where the gap has no null."""
        null = self.null_gaps.get(metric)
        if null is None or np.isnan(self.p[metric]) or np.isnan(null).all():
            return float("nan"), float("nan")
        return float(np.nanmean(null)), float(np.nanpercentile(null, 95.0))

    def null_differences(self, pair: tuple[int, int], metrics: Collection[str]) -> dict[str, Array]:
        """(R,) distances between two comparable slots of some metrics under shuffles of these two groups alone.

        Shuffling all groups together would ask whether all are equal, which a third group can answer. Empty where
        nothing was shuffled, or with more than `MOST_PAIRS` pairs.
        """
        groups = self.partition.comparable
        if len(groups) == 2:
            found = self.null.performance
        elif self.shuffle is None or len(groups) * (len(groups) - 1) // 2 > MOST_PAIRS:
            return {}
        else:
            found = self.shuffle(pair, metrics).performance
        return {m: np.abs(found[m][:, 0] - found[m][:, 1]) for m in metrics if m in found}

    @cached_property
    def _groups(self) -> tuple[Array, Array, Limits]:
        """Point (M, G), replicates (R, M, G) and limits (M, G) of every performance metric in comparable groups."""
        at = list(self.partition.comparable)
        point = np.array([self.point.performance[m][0, at] for m in self.metrics])
        replicates = np.stack([self.replicates.performance[m][:, at] for m in self.metrics], axis=1)
        low, high = (np.array([self.limits[m][side][at] for m in self.metrics]) for side in (0, 1))
        return point, replicates, (low, high)

    @cached_property
    def gap_limits(self) -> dict[str, tuple[float, float]]:
        """Interval of every gap: folded from simultaneous ones of the differences, within the metric's range.

        A metric that is itself a gap has the interval of a distance (`moved_interval`). All have the plain percentile
        interval where that is asked for.
        """
        out: dict[str, tuple[float, float]] = {}
        if self.plan.interval == "percentile":
            for m in self.metrics:
                low, high = percentile_interval(self.replicates.gap(m, self.slots(m)))
                out[m] = float(low), float(high)
        elif len(self.partition.comparable) >= 2:
            point, replicates, limits = self._groups
            lows, highs = (side.clip(0.0, self._spans) for side in gap_interval(point, replicates, limits=limits))
            out = {m: (float(lows[i]), float(highs[i])) for i, m in enumerate(self.metrics)}
        for m in self.gaps:
            drawn, null = self.replicates.gaps[m], self.null_gaps.get(m)
            plain = self.plan.interval == "percentile"
            low, high = percentile_interval(drawn) if plain else moved_interval(self.point.gaps[m][0], drawn, null)
            out[m] = float(low), float(high)
        return out

    @property
    def gap_method(self) -> str:
        """Which interval a metric that is itself a gap has: 'percentile' or 'moved'."""
        return "percentile" if self.plan.interval == "percentile" else "moved"

    @cached_property
    def _spans(self) -> FloatArray:
        """(M,) width of the range of every performance metric: no difference is larger."""
        return np.array([info.high - info.low for info in map(metric_info, self.metrics)])

    @cached_property
    def pair_limits(self) -> Limits:
        """Simultaneous intervals (M, G, G) of the differences between comparable groups."""
        point, replicates, limits = self._groups
        most = self._spans[:, None, None]
        low, high = simultaneous_differences(point, replicates, limits=limits)
        return low.clip(-most, most), high.clip(-most, most)

    @cached_property
    def detectable(self) -> dict[str, float]:
        """The smallest gap that would have been told from chance with 80 % power at 5 %."""
        comparable = self.partition.comparable
        # with fewer shuffles no gap could reach 5 %
        if len(comparable) < 2 or self.plan.n_boot < 19:
            return {}
        _, replicates, _ = self._groups
        null = np.stack([self.null_gaps[m] for m in self.metrics], axis=1)
        found, rates = np.empty(len(self.metrics)), np.array([_bounded(m) for m in self.metrics])
        for rate in (True, False):
            at = np.flatnonzero(rates == rate)
            if at.size:
                found[at] = detectable_gap(replicates[:, at], null=null[:, at], rate=rate)
        # where no resample moves a value nothing is known of what could be detected, and 0 would say: everything
        return {m: float(found[i]) for i, m in enumerate(self.metrics) if not np.isnan(self.p[m]) and found[i] > 0}

    def worst(self, metric: str) -> tuple[int, float, float] | None:
        """The slot with the worst value, and the interval of the worst value.

        The interval is that of the lowest (or highest) of the groups' true values. Of a metric that is best in the
        middle of its range it is that of the worst group, widened for having chosen among G.

        Returns
        -------
        None where neither more nor less is better, as for a prevalence.
        """
        info, slots = metric_info(metric), list(self.slots(metric))
        if np.isnan(info.optimum):
            return None
        values = self.point.performance[metric][0][slots]
        lows, highs = (side[slots] for side in self.limits[metric])
        at = int(_badness(values, metric).argmax())
        if self.plan.interval == "percentile":
            low, high = percentile_interval(_worst(self.replicates.performance[metric][:, slots], metric))
        elif info.higher_is_better:
            low, high = lowest_interval(lows, highs, values)
        elif info.higher_is_better is not None:
            high, low = (-side for side in lowest_interval(-highs, -lows, -values))
        else:
            widen = widening(len(slots))
            low, high = (values[at] + widen * (side[at] - values[at]) for side in (lows, highs))
        return slots[at], float(np.clip(low, info.low, info.high)), float(np.clip(high, info.low, info.high))


def _badness(values: Array, metric: str) -> Array:
    """Larger is worse, whatever the direction of the metric."""
    info = metric_info(metric)
    if info.higher_is_better is None:
        return np.abs(values - info.optimum)
    return -values if info.higher_is_better else values


def _worst(replicates: Array, metric: str) -> Array:
    """Worst value (R,) of (R, G)."""
    badness = _badness(replicates, metric)
    at = np.where(np.isnan(badness), -np.inf, badness).argmax(axis=1)
    worst = np.take_along_axis(replicates, at[:, None], axis=1)[:, 0]
    return np.where(np.isnan(badness).any(axis=1), np.nan, worst)


def measure(
    families: Sequence[Family],
    partition: Partition,
    cluster: Index,
    plan: Plan,
    label: Index | None = None,
    *,
    shuffles: bool = True,
) -> Measurement:
    """Evaluate the sample, its bootstrap replicates, its jackknife and its permutation nulls.

    Parameters
    ----------
    families : what to measure; no two may share the name of a metric.
    cluster : (n,) index 0..C-1 of the cluster of every row.
    label : (n,) true class, which some nulls keep fixed; None where there is none.
    shuffles : whether to evaluate the permutation null; without it gaps and differences have no p.
    """
    slow = weighted(families)
    thin = Thinned(slow, partition, cluster, plan) if slow and is_large(partition, cluster, plan) else None
    if thin is not None and not thin.fits:
        thin = None
    direct = [f for f in families if thin is None or f not in slow]
    resampler = Resampler(direct, partition, cluster, plan)
    points, replicates = resampler.point(), resampler.replicates()
    auto = plan.interval == "auto"
    jackknives: Sequence[Jackknife | None] = resampler.jackknife() if auto else [None] * len(direct)
    sums: dict[Family, Array] = {f: resampler.sums(f) for f in direct if isinstance(f, SumFamily)}
    if thin is not None:
        more = thin.evaluate(jackknife=auto)
        order = [[*direct, *slow].index(f) for f in families]
        points, replicates = ([[*a, *b][i] for i in order] for a, b in ((points, more[0]), (replicates, more[1])))
        jackknives = [[*jackknives, *more[2]][i] for i in order]
        sums |= {f: thin.whole.sums(f) for f in slow if isinstance(f, SumFamily)}
    limits: dict[str, Limits] = {}
    method: dict[str, str] = {}
    known = partition.clusters >= MIN_CLUSTERS
    for f, point, drawn, jackknife in zip(families, points, replicates, jackknives, strict=True):
        units = f.units(partition.slot, cluster, len(partition.names)) if jackknife is not None else {}
        found = _family_limits(f, point, drawn, jackknife, sums.get(f), partition, units)
        for metric, (low, high, name) in found.items():
            limits[metric] = np.where(known, low, np.nan), np.where(known, high, np.nan)
            method[metric] = name
    null = Values({}, {})
    if shuffles:
        null = shuffled_values(direct, partition, cluster, plan, label)
        null = null if thin is None else Values.merge([null, thin.shuffled(label)])

    def of_pair(pair: tuple[int, int], metrics: Collection[str]) -> Values:
        found = shuffled_values(direct, replace(partition, comparable=pair), cluster, plan, label, metrics=metrics)
        return found if thin is None else Values.merge([found, thin.shuffled(label, pair, metrics)])

    merged = Values.merge(points), Values.merge(replicates)
    part = 0 if thin is None else thin.n_clusters
    of_part = () if thin is None else tuple(m for f in slow for m in (*f.metrics, *f.gaps))
    return Measurement(
        partition,
        plan,
        tuple(families),
        *merged,
        null,
        limits,
        method,
        sums,
        part,
        of_part,
        of_pair if shuffles else None,
    )


def _family_limits(
    family: Family,
    point: Values,
    replicates: Values,
    jackknife: Jackknife | None,
    sums: Array | None,
    partition: Partition,
    units: dict[str, Array],
) -> dict[str, tuple[FloatArray, FloatArray, str]]:
    """Return low and high (S + 1,) and the interval's name of every performance metric of a family.

    `units` (S + 1,) are the patients of metrics that rest on fewer than all.
    """
    out: dict[str, tuple[FloatArray, FloatArray, str]] = {}
    if jackknife is None:
        for m, values in replicates.performance.items():
            out[m] = (*percentile_interval(values), "percentile")
        return out
    if isinstance(family, SumFamily) and sums is not None:
        together = np.concatenate([sums, sums.sum(axis=0, keepdims=True)])
        n = np.append(partition.n, partition.n.sum())
        for m, (successes, trials) in family.proportions(together).items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # undefined throughout: NaN
                variance = np.nanvar(replicates.performance[m], axis=0)
            # trials are as clustered as the rows they are among
            worth = effective_size(successes, trials, variance, trials * partition.clusters / np.maximum(n, 1))
            out[m] = (*wilson_interval(successes, trials, n_effective=worth), "wilson")
    for bounded in (True, False):
        names = [m for m in family.metrics if m not in out and _bounded(m) == bounded]
        if names:
            low, high = bca_interval(
                _stacked(point, names)[0],
                _stacked(replicates, names),
                _stacked(Values(jackknife.performance, {}), names),
                jackknife.weight[:, :, None],
                n_units=np.stack([units.get(m, partition.clusters) for m in names], axis=-1).astype(np.float64),
                unit_range=bounded,
            )
            out |= {m: (low[:, i], high[:, i], "bca") for i, m in enumerate(names)}
    return out


def _bounded(metric: str) -> bool:
    info = metric_info(metric)
    return (info.low, info.high) == (0.0, 1.0)


def _stacked(values: Values, names: Sequence[str]) -> NDArray[np.float64]:
    return np.stack([values.performance[m] for m in names], axis=-1)
