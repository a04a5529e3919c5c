"""Resampling a part of very many clusters where every replicate would cost a pass over all rows.

Counts are resampled as tables, at a cost that does not depend on n. Metrics of ranks and of measured values need a
weight per cluster and replicate. Where a stratum has more than `MOST_CLUSTERS` clusters, a random part of it is
resampled and deviations are scaled by sqrt(part / all): the error of an estimate falls with the square root of n, which
with so many clusters in the part is no longer in doubt. Values of the sample itself always rest on all rows. Under
shuffled groups, sums over the units of the part are drawn from their limit (`everygroup.statistics.limit`).

References
----------
Politis, Romano and Wolf, Subsampling, 1999, chapter 2; Bickel, Goetze and van Zwet, Statistica Sinica 1997.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from scipy import sparse

from everygroup.audit.engine import Jackknife, Plan, Resampler, Values, strata_of
from everygroup.audit.partition import Partition
from everygroup.audit.shuffles import shuffled_values
from everygroup.metrics.families import Array, Family, Index, Linear, RankFamily, SumFamily, Sums, Weights
from everygroup.metrics.linear_ranks import LinearRanks
from everygroup.metrics.scores import Ranks
from everygroup.statistics import cluster_index

MOST_CLUSTERS = 10_000


class _Held:
    """What a family keeps fixed in some of the rows; the same array whenever it is asked for."""

    def __init__(self, family: Family, rows: Index) -> None:
        self._family, self._rows, self._found = family, rows, dict[str, Index | None]()

    def __call__(self, null: str) -> Index | None:
        if null not in self._found:
            whole = self._family.held(null)
            self._found[null] = None if whole is None else whole[self._rows]
        return self._found[null]


class _SumRows(SumFamily):
    """A family of sums over some of the rows."""

    def __init__(self, family: SumFamily, rows: Index) -> None:
        self.family, self.rows, self._of_rows = family, rows, _Held(family, rows)
        self.metrics, self.gaps, self.counts = family.metrics, family.gaps, family.counts

    def only(self, metrics: Iterable[str]) -> SumFamily:
        return _SumRows(cast(SumFamily, self.family.only(metrics)), self.rows)

    def codes(self) -> Index:
        return self.family.codes()[self.rows]

    def take(self, rows: Index) -> sparse.csr_matrix | Array:
        return self.family.take(self.rows[rows])

    def values(self, sums: Array) -> Sums:
        return self.family.values(sums)

    def gap_values(self, sums: Array) -> Sums:
        return self.family.gap_values(sums)

    def null(self, metric: str) -> str:
        return self.family.null(metric)

    def held(self, null: str) -> Index | None:
        return self._of_rows(null)


class _RankRows(RankFamily):
    """A family of ranks over some of the rows."""

    def __init__(self, family: RankFamily, rows: Index) -> None:
        self.family, self.rows, self.metrics = family, rows, family.metrics
        self._of_rows = _Held(family, rows)

    def only(self, metrics: Iterable[str]) -> RankFamily:
        return _RankRows(cast(RankFamily, self.family.only(metrics)), self.rows)

    def bind(self, rows: Index, unit: Index, n_units: int) -> Callable[[Weights], Sums]:
        return self.family.bind(self.rows[rows], unit, n_units)

    def linear(self, rows: Index, unit: Index, n_units: int) -> Linear | None:
        return self.family.linear(self.rows[rows], unit, n_units)

    def null(self, metric: str) -> str:
        return self.family.null(metric)

    def held(self, null: str) -> Index | None:
        return self._of_rows(null)


def weighted(families: Sequence[Family]) -> list[Family]:
    """The families that need a weight per cluster."""
    return [f for f in families if not (isinstance(f, SumFamily) and f.counts)]


def is_large(partition: Partition, cluster: Index, plan: Plan, most: int = MOST_CLUSTERS) -> bool:
    """Whether a stratum has more clusters than are resampled one by one."""
    return int(np.bincount(strata_of(partition, cluster, plan)).max(initial=0)) > most


class Thinned:
    """The weighted families of a large sample, resampled on a part of it.

    Parameters
    ----------
    families : weighted families over all n rows.
    most : clusters kept of every stratum.
    """

    def __init__(
        self, families: Sequence[Family], partition: Partition, cluster: Index, plan: Plan, most: int = MOST_CLUSTERS
    ) -> None:
        self.full, self.plan = partition, plan
        self.families = [LinearRanks(f) if isinstance(f, Ranks) else f for f in families]
        self.whole = Resampler(self.families, partition, cluster, plan)
        strata = self.whole.strata
        order = np.random.default_rng(plan.seed).permutation(strata.size)
        ranked = order[np.argsort(strata[order], kind="stable")]
        sizes = np.bincount(strata)
        place = np.arange(strata.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        self.rows, self.part, self.cluster = self._kept(ranked[place < most], cluster)
        # all rows together need a part in which the groups have their shares
        share = most / sizes.max()
        even = ranked[place < np.ceil(share * np.repeat(sizes, sizes))]
        self.even_rows, self.even_part, self.even_cluster = self._kept(even, cluster)

    def _kept(self, clusters: Index, cluster: Index) -> tuple[Index, Partition, Index]:
        inside = np.zeros(int(cluster.max()) + 1, dtype=bool)
        inside[clusters] = True
        rows = np.flatnonzero(inside[cluster])
        part = self.full.of_rows(rows, cluster, min_n=self.plan.min_n)
        return rows, part, cluster_index(cluster[rows])

    def _on(self, rows: Index) -> list[Family]:
        out: list[Family] = []
        for f in self.families:
            if isinstance(f, RankFamily):
                out.append(_RankRows(f, rows))
            elif isinstance(f, SumFamily):
                out.append(_SumRows(f, rows))
        return out

    def _between(self, at: list[int]) -> float:
        """Scale of a deviation between some groups."""
        if not at:
            return 1.0
        return float(np.sqrt((1 / self.full.clusters[at]).sum() / (1 / np.maximum(self.part.clusters[at], 1)).sum()))

    @property
    def n_clusters(self) -> int:
        """Clusters that are resampled."""
        return int(self.part.clusters[-1])

    @property
    def fits(self) -> bool:
        """Whether the part has the same groups to compare; patients of several groups may leave a small one out."""
        same = self.part.comparable == self.even_part.comparable == self.full.comparable
        return same and bool((self.even_part.clusters > 0).all())

    def evaluate(self, *, jackknife: bool) -> tuple[list[Values], list[Values], Sequence[Jackknife | None]]:
        """Values of all rows, replicates with the spread of all rows, and the jackknife of the part."""
        points = self.whole.point()
        part = Resampler(self._on(self.rows), self.part, self.cluster, self.plan)
        even = Resampler(self._on(self.even_rows), self.even_part, self.even_cluster, self.plan)
        scale = np.sqrt(np.append(self.part.clusters[:-1], self.even_part.clusters[-1]) / self.full.clusters)
        replicates, between = [], self._between(list(self.full.comparable))
        sources = (points, part.point(), part.replicates(), even.point(), even.replicates())
        for whole, centre, drawn, even_centre, even_drawn in zip(*sources, strict=True):
            performance = {}
            for m, values in drawn.performance.items():
                moved = values - centre.performance[m]
                moved[:, -1] = even_drawn.performance[m][:, -1] - even_centre.performance[m][:, -1]
                performance[m] = whole.performance[m] + moved * scale
            gaps = {m: whole.gaps[m] + (v - centre.gaps[m]) * between for m, v in drawn.gaps.items()}
            replicates.append(Values(performance, gaps))
        return points, replicates, part.jackknife() if jackknife else [None] * len(points)

    def shuffled(
        self,
        label: Index | None,
        slots: tuple[int, ...] | None = None,
        metrics: Collection[str] | None = None,
    ) -> Values:
        """Metrics (all by default) under shuffles of some groups (the comparable ones), with the spread of all rows."""
        at = list(self.full.comparable if slots is None else slots)
        part = replace(self.part, comparable=tuple(at))
        own = None if label is None else label[self.rows]
        null = shuffled_values(self._on(self.rows), part, self.cluster, self.plan, own, metrics=metrics, limit=True)
        if not null.performance and not null.gaps:
            return null
        n, m = self.full.clusters[at].astype(np.float64), self.part.clusters[at].astype(np.float64)
        # sampling without replacement from all units: a group that holds nearly all of them hardly varies
        scale = np.sqrt((1 / n - 1 / n.sum()) / (1 / m - 1 / m.sum()))
        performance = {}
        for metric, values in null.performance.items():
            centre = values.mean(axis=0)
            performance[metric] = centre.mean() + (values - centre) * scale
        gaps = {metric: v * self._between(at) for metric, v in null.gaps.items()}
        return Values(performance, gaps, null.limited)
