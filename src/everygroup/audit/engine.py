"""Evaluates families of metrics on the sample, its bootstrap replicates and its jackknife."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
from scipy import sparse

from everygroup.audit.cluster_sums import ClusterSums, dense, slot_sums
from everygroup.audit.partition import Partition
from everygroup.console import time_left
from everygroup.errors import SettingsError
from everygroup.metrics import difference
from everygroup.metrics.families import Array, Family, Index, RankFamily, SumFamily, Sums, Weights
from everygroup.statistics import cluster_strata, replicate_blocks
from everygroup.statistics.tables import (
    cluster_types,
    distinct,
    leave_one_out,
    multinomial_weights,
)

T = TypeVar("T")
BLOCK_NUMBERS = 8_000_000
"""Numbers of one block of replicates: bounds the memory whatever the number of classes and rows."""
JACKKNIFE_ROWS, RANK_JACKKNIFE_ROWS = 2000, 200


@dataclass(frozen=True)
class Plan:
    """How to audit: replicates and shuffles, their seed, smallest n, stratified or not, which intervals.

    `told` hears what the audit is at.
    """

    n_boot: int = 1000
    seed: int = 0
    min_n: int = 10
    stratify: bool = True
    interval: Literal["auto", "percentile"] = "auto"
    told: Callable[[str], None] = field(default=lambda text: None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.interval not in ("auto", "percentile"):
            raise SettingsError(f"The interval {self.interval!r} is unknown.", fix="choose auto or percentile")

    def about(self, what: str) -> Plan:
        """The plan of a part of the audit, which `told` hears by name."""
        return replace(self, told=lambda stage: self.told(f"{what}: {stage}"))

    def counted(self, work: str, blocks: Iterable[T], width: Callable[[T], int]) -> Iterator[T]:
        """Go through blocks of replicates, and tell how many of all are done and how long the rest of them takes."""
        done, started = 0, time.monotonic()
        for block in blocks:
            left = time_left(time.monotonic() - started, done, self.n_boot)
            self.told(f"{work} {done:,} of {self.n_boot:,}" + (f", {left}" if left else ""))
            yield block
            done += width(block)


@dataclass(frozen=True)
class Values:
    """Metrics of R replicates: `performance` (R, S + 1), slots then all rows (or (R, G), groups); `gaps` (R,).

    `limited` are those whose sums were drawn from their normal limit (`everygroup.statistics.limit`).
    """

    performance: Sums
    gaps: Sums
    limited: tuple[str, ...] = ()

    @staticmethod
    def join(parts: Iterable[Values]) -> Values:
        """Put blocks of replicates together."""
        blocks = list(parts)
        if not blocks:
            return Values({}, {})
        return Values(
            {m: np.concatenate([b.performance[m] for b in blocks]) for m in blocks[0].performance},
            {m: np.concatenate([b.gaps[m] for b in blocks]) for m in blocks[0].gaps},
            blocks[0].limited,
        )

    @staticmethod
    def merge(parts: Iterable[Values]) -> Values:
        """Put the metrics of several families together."""
        performance: Sums = {}
        gaps: Sums = {}
        limited: list[str] = []
        for part in parts:
            performance |= part.performance
            gaps |= part.gaps
            limited += part.limited
        return Values(performance, gaps, tuple(limited))

    def gap(self, metric: str, slots: Sequence[int]) -> Array:
        """Gap (R,) of any metric: max - min over the given slots for a performance metric."""
        return self.gaps[metric] if metric in self.gaps else difference(self.performance[metric][:, list(slots)])


@dataclass(frozen=True)
class Jackknife:
    """Values without one cluster (kind or block of clusters) each: `performance` (B, S + 1), `weight` (B, S + 1)."""

    performance: Sums
    weight: Array


def strata_of(partition: Partition, cluster: Index, plan: Plan) -> Index:
    """Stratum of every cluster for the bootstrap."""
    if not plan.stratify:
        return np.zeros(int(cluster.max(initial=-1)) + 1, dtype=np.int64)
    return cluster_strata(cluster, partition.group_index())


def joint_codes(families: Sequence[SumFamily], rows: Index) -> tuple[Index, Index]:
    """Number of every row's joint content in several families (m,), and one row of every content."""
    code, size = np.zeros(rows.size, dtype=np.int64), 1
    for family in families:
        own = family.codes()[rows]
        width = int(own.max(initial=0)) + 1
        _, _, code = distinct(code * width + own, size * width)
        size = int(code.max(initial=-1)) + 1
    first = np.empty(size, dtype=np.int64)
    first[code] = np.arange(rows.size)
    return code, rows[first]


def _onehot(index: Index, n_columns: int) -> sparse.csr_matrix:
    """(n, columns) matrix with a 1 in every row."""
    return sparse.csr_matrix((np.ones(index.size), index, np.arange(index.size + 1)), shape=(index.size, n_columns))


def _repeat_by_slot(features: sparse.csr_matrix, n_slots: int) -> sparse.csr_matrix:
    """(slots * codes, slots * J) block diagonal of (codes, J) features."""
    return sparse.csr_matrix(sparse.kron(sparse.identity(n_slots, format="csr"), features, format="csr"))


class Resampler:
    """Several families on the same rows, clusters and groups, evaluated on the same replicates.

    Parameters
    ----------
    families : what to evaluate; results come as one `Values` a family, in this order.
    partition : the groups.
    cluster : (n,) index of the cluster of every row.
    """

    def __init__(
        self,
        families: Sequence[Family],
        partition: Partition,
        cluster: Index,
        plan: Plan,
    ) -> None:
        self.families, self.partition, self.cluster, self.plan = families, partition, cluster, plan
        self.strata = strata_of(partition, cluster, plan)
        self.n_slots, self.n_clusters = len(partition.names), self.strata.size
        self._counted = [f for f in families if isinstance(f, SumFamily) and f.counts]
        self._meant = [f for f in families if isinstance(f, SumFamily) and not f.counts]
        self._ranked = [f for f in families if isinstance(f, RankFamily)]
        self._sums: dict[Family, Array] = {}
        everything = np.arange(cluster.size)
        if self._counted:
            code, shown = joint_codes(self._counted, everything)
            self._types = cluster_types(
                cluster, partition.slot * shown.size + code, self.strata, self.n_slots * shown.size
            )
            self._of_type = {
                f: sparse.csr_matrix(self._types.counts @ _repeat_by_slot(f.take(shown), self.n_slots))
                for f in self._counted
            }
        parts = [np.flatnonzero(partition.slot == s) for s in range(self.n_slots)] + [everything]
        self._bound = {f: [f.bind(p, cluster[p], self.n_clusters) for p in parts] for f in self._ranked}

    @cached_property
    def _of_cluster(self) -> dict[Family, ClusterSums]:
        """Sums over the rows of every cluster, by slot; only resamples need them."""
        where = (self.cluster, self.partition.slot, self.n_clusters, self.n_slots)
        return {f: ClusterSums(f, *where) for f in self._meant}

    # ---- values from sums and weights ------------------------------------------------------------------------------

    def _values(self, family: SumFamily, flat: Array) -> Values:
        """Metrics of (r, S * J) sums."""
        sums = flat.reshape(flat.shape[0], self.n_slots, -1)
        together = np.concatenate([sums, sums.sum(axis=1, keepdims=True)], axis=1)
        gaps = family.gap_values(sums[:, list(self.partition.comparable)]) if family.gaps else {}
        return Values(family.values(together), gaps)

    def _ranks(self, family: RankFamily, weights: Weights) -> Values:
        columns = [evaluate(weights) for evaluate in self._bound[family]]
        return Values({m: np.stack([c[m] for c in columns], axis=1) for m in family.metrics}, {})

    def _assemble(self, found: dict[Family, Values]) -> list[Values]:
        return [found[f] for f in self.families]

    def sums(self, family: SumFamily) -> Array:
        """(S, J) sums of the sample itself."""
        if family.counts:
            flat = self._of_type[family].T @ self._types.multiplicity.astype(np.float64)
            return np.asarray(flat).reshape(self.n_slots, -1)
        if family not in self._sums:
            self._sums[family] = slot_sums(family, self.partition.slot, self.n_slots)
        return self._sums[family]

    def point(self) -> list[Values]:
        """Every metric of the sample itself, as one replicate."""
        found: dict[Family, Values] = {}
        for f in (*self._counted, *self._meant):
            found[f] = self._values(f, self.sums(f).reshape(1, -1))
        ones = np.ones((self.n_clusters, 1), dtype=np.float32)
        found |= {f: self._ranks(f, ones) for f in self._ranked}
        return self._assemble(found)

    def replicates(self) -> list[Values]:
        """Every metric of every bootstrap replicate; families of counts share the drawn tables, the others weights."""
        found: dict[Family, list[Values]] = {f: [] for f in self.families}
        if self._counted:
            tables = multinomial_weights(
                self._types, self.plan.n_boot, seed=self.plan.seed, width=self._width(len(self._types))
            )
            for weights in self.plan.counted("resampling counts", tables, len):
                for f in self._counted:
                    found[f].append(self._values(f, dense(self._of_type[f].T @ weights.T).T))
        if self._meant or self._ranked:
            blocks = replicate_blocks(self.strata, self.plan.n_boot, seed=self.plan.seed, n_rows=self.cluster.size)
            for block in self.plan.counted("resampling", blocks, lambda block: block.shape[1]):
                for f in self._meant:
                    found[f].append(self._values(f, self._of_cluster[f].under(block)))
                for r in self._ranked:
                    found[r].append(self._ranks(r, block))
        return self._assemble({f: Values.join(parts) for f, parts in found.items()})

    def _width(self, n_types: int) -> int:
        columns = max([n_types, *(2 * m.shape[1] for m in self._of_type.values())])
        return max(1, BLOCK_NUMBERS // columns)

    # ---- jackknife -------------------------------------------------------------------------------------------------

    def jackknife(self) -> list[Jackknife]:
        """Every metric without each cluster, kind of cluster, or block of clusters where there are many."""
        self.plan.told("leaving patients out")
        found: dict[Family, Jackknife] = {}
        if self._counted:
            left_out, multiplicity = leave_one_out(self._types, max_rows=JACKKNIFE_ROWS, seed=self.plan.seed)
            rows = self._types.counts @ np.kron(np.eye(self.n_slots), np.ones((self._codes_per_slot, 1)))
            touched = left_out @ rows > 0
            weight = multiplicity[:, None] * np.column_stack([touched, np.ones(len(touched))])
            step = self._width(len(self._types))
            for f in self._counted:
                flat = self.sums(f).reshape(1, -1)
                parts = [
                    self._values(f, flat - dense(left_out[i : i + step] @ self._of_type[f]))
                    for i in range(0, left_out.shape[0], step)
                ]
                found[f] = Jackknife(Values.join(parts).performance, weight)
        if self._meant:
            block = self._blocks(JACKKNIFE_ROWS)
            left_out = _onehot(block, int(block.max()) + 1).T
            weight = self._touching(left_out)
            for f in self._meant:
                flat = self.sums(f).reshape(1, -1) - self._of_cluster[f].of(left_out)
                found[f] = Jackknife(self._values(f, flat).performance, weight)
        if self._ranked:
            block = self._blocks(RANK_JACKKNIFE_ROWS)
            left_out = _onehot(block, int(block.max()) + 1).T
            weights_of = np.ones((self.n_clusters, left_out.shape[0]), dtype=np.float32)
            weights_of[np.arange(self.n_clusters), block] = 0
            weight = self._touching(left_out)
            found |= {r: Jackknife(self._ranks(r, weights_of).performance, weight) for r in self._ranked}
        return [found[f] for f in self.families]

    @property
    def _codes_per_slot(self) -> int:
        return int(self._types.counts.shape[1]) // self.n_slots

    def _blocks(self, most: int) -> Index:
        """(C,) block of every cluster: its own, or a random one of `most`."""
        if self.n_clusters <= most:
            return np.arange(self.n_clusters)
        return np.random.default_rng(self.plan.seed).permutation(self.n_clusters) % most

    def _touching(self, left_out: sparse.spmatrix) -> Array:
        """(B, S + 1) whether leaving a block out takes rows from a slot."""
        ones = np.ones(self.cluster.size)
        rows = sparse.csr_matrix((ones, (self.cluster, self.partition.slot)), shape=(self.n_clusters, self.n_slots))
        touched = dense(left_out @ rows) > 0
        return np.column_stack([touched, np.ones(len(touched))]).astype(np.float64)
