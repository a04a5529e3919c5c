"""Evaluates families of metrics under shuffled groups: the permutation null of every gap."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from everygroup.audit.cluster_sums import dense
from everygroup.audit.engine import Plan, Values, joint_codes
from everygroup.audit.partition import Partition
from everygroup.metrics.families import Array, Family, Index, RankFamily, SumFamily, Sums
from everygroup.statistics import majority, permutation_units, permuted_blocks
from everygroup.statistics.limit import has_limit, limiting_sums, shuffled_sums
from everygroup.statistics.tables import cluster_types, shuffled_weights


def shuffled_values(
    families: Sequence[Family],
    partition: Partition,
    cluster: Index,
    plan: Plan,
    label: Index | None = None,
    *,
    metrics: Collection[str] | None = None,
    limit: bool = False,
) -> Values:
    """Every metric (R, G) and gap (R,) under groups shuffled between clusters, within what its null keeps fixed.

    Parameters
    ----------
    partition : its comparable groups are shuffled; with fewer than two there are no values.
    label : (n,) true class, for the null 'label' of families without a label of their own. Where neither has what a
        null keeps fixed, the shuffle is free.
    metrics : which; all by default.
    limit : whether to draw sums of measured values from their limit, since there are very many units.
    """
    comparable = partition.comparable
    if len(comparable) < 2:
        return Values({}, {})
    if len(comparable) == 2:
        plan = plan.about(" and ".join(partition.names[s] for s in comparable))
    rows = np.flatnonzero(np.isin(partition.slot, comparable))
    group = np.searchsorted(comparable, partition.slot[rows]).astype(np.int64)
    unit = permutation_units(cluster[rows], group)
    labels = majority(unit, group, len(comparable))
    found = []
    for held, names in _by_null(families, label, metrics):
        strata = np.zeros(labels.size, dtype=np.int64)
        if held is not None:
            strata = majority(unit, held[rows], int(held.max()) + 1)
        used = {f.only(some): some for f, some in names.items()}
        counted = [f for f in used if isinstance(f, SumFamily) and f.counts]
        weighted = {f: some for f, some in used.items() if f not in counted}
        parts: dict[Family, list[Values]] = {f: [] for f in used}
        if counted:
            _counted(parts, counted, rows, unit, labels, strata, plan)
        if weighted and limit:
            weighted = _limited(parts, weighted, rows, unit, labels, strata, plan)
        if weighted:
            _weighted(parts, weighted, rows, unit, labels, strata, plan)
        found += [_only(Values.join(parts[f]), some) for f, some in used.items()]
    return Values.merge(found)


def _by_null(
    families: Sequence[Family], label: Index | None, metrics: Collection[str] | None
) -> list[tuple[Index | None, dict[Family, frozenset[str]]]]:
    """What is kept fixed (None: nothing), with the metrics of every family of which it is."""
    out: dict[int, tuple[Index | None, dict[Family, frozenset[str]]]] = {}
    for f in families:
        for m in (*f.metrics, *f.gaps):
            if metrics is not None and m not in metrics:
                continue
            null = f.null(m)
            held = f.held(null)
            if held is None and null == "label":
                held = label
            # families that keep the same array fixed share their shuffles
            names = out.setdefault(id(held), (held, {}))[1]
            names[f] = names.get(f, frozenset()) | {m}
    return list(out.values())


def _only(values: Values, names: frozenset[str]) -> Values:
    return Values(
        {m: v for m, v in values.performance.items() if m in names},
        {m: v for m, v in values.gaps.items() if m in names},
        tuple(m for m in values.limited if m in names),
    )


def _counted(
    parts: dict[Family, list[Values]],
    families: Sequence[SumFamily],
    rows: Index,
    unit: Index,
    labels: Index,
    strata: Index,
    plan: Plan,
) -> None:
    """Deal the types of units to the groups."""
    n_groups = int(labels.max()) + 1
    code, shown = joint_codes(families, rows)
    types = cluster_types(unit, code, strata, shown.size)
    of_type = {f: sparse.csr_matrix(types.counts @ f.take(shown)) for f in families}
    if has_limit(types, n_groups):
        together, ends = (
            sparse.hstack(list(of_type.values()), format="csr"),
            np.cumsum([m.shape[1] for m in of_type.values()]),
        )
        blocks = shuffled_sums(types, together, labels, n_groups, plan.n_boot, seed=plan.seed + 1)
        for block in plan.counted("shuffling groups", blocks, len):
            for f, sums in zip(of_type, np.split(block, ends[:-1], axis=-1), strict=True):
                parts[f].append(Values(f.values(sums), f.gap_values(sums), limited=(*f.metrics, *f.gaps)))
        return
    columns = max(m.shape[1] for m in of_type.values())
    shuffles = shuffled_weights(types, labels, n_groups, plan.n_boot, seed=plan.seed + 1, columns=columns)
    for block in plan.counted("shuffling groups", shuffles, len):
        flat = block.reshape(-1, len(types))
        for f in families:
            sums = dense(of_type[f].T @ flat.T).T.reshape(len(block), n_groups, -1)
            parts[f].append(Values(f.values(sums), f.gap_values(sums)))


def _limited(
    parts: dict[Family, list[Values]],
    families: Mapping[Family, frozenset[str]],
    rows: Index,
    unit: Index,
    labels: Index,
    strata: Index,
    plan: Plan,
) -> dict[Family, frozenset[str]]:
    """Draw what is a sum over units from its limit, and return the families that are none, or have too many sums."""
    n_groups, n_units = int(labels.max()) + 1, labels.size
    left = {}
    for f, some in families.items():
        features: Array | sparse.csr_matrix
        values: Callable[[Array], Sums]
        gaps: Callable[[Array], Sums]
        if isinstance(f, SumFamily):
            features, values, gaps = _unit_sums(f, rows, unit, n_units), f.values, f.gap_values
        elif isinstance(f, RankFamily) and (found := f.linear(rows, unit, n_units)) is not None:
            features, values, gaps = found.features, found.values, _no_gaps
        else:
            left[f] = some
            continue
        plan.told("shuffling groups")
        sums = limiting_sums(features, strata, labels, n_groups, plan.n_boot, seed=plan.seed + 1)
        if sums is None:
            left[f] = some
            continue
        parts[f].append(Values(values(sums), gaps(sums), limited=(*f.metrics, *f.gaps)))
    return left


def _no_gaps(sums: Array) -> Sums:
    return {}


def _weighted(
    parts: dict[Family, list[Values]],
    families: Collection[Family],
    rows: Index,
    unit: Index,
    labels: Index,
    strata: Index,
    plan: Plan,
) -> None:
    """Shuffle the labels of the units one by one."""
    n_groups, n_units = int(labels.max()) + 1, labels.size
    of_unit = {f: _unit_sums(f, rows, unit, n_units) for f in families if isinstance(f, SumFamily)}
    bound = {f: f.bind(rows, unit, n_units) for f in families if isinstance(f, RankFamily)}
    shuffles = permuted_blocks(labels, strata, plan.n_boot, seed=plan.seed + 1, n_rows=rows.size)
    for block in plan.counted("shuffling groups", shuffles, lambda block: block.shape[1]):
        for f, sums_of in of_unit.items():
            sums = np.stack([dense(sums_of.T @ w).T for w in _inside(block, n_groups)], axis=1)
            parts[f].append(Values(f.values(sums), f.gap_values(sums)))
        for r, evaluate in bound.items():
            columns = [evaluate(w) for w in _inside(block, n_groups)]
            parts[r].append(Values({m: np.stack([c[m] for c in columns], axis=1) for m in columns[0]}, {}))


def _inside(block: NDArray[np.int16], n_groups: int) -> Iterator[NDArray[np.float32]]:
    """Weights (U, r) of every group in turn: 1 for the units that were dealt to it."""
    for g in range(n_groups):
        yield (block == g).astype(np.float32)


def _unit_sums(family: SumFamily, rows: Index, unit: Index, n_units: int) -> sparse.csr_matrix | Array:
    """(U, J) sums over the rows of every unit."""
    of_row = sparse.csr_matrix((np.ones(unit.size), (unit, np.arange(unit.size))), shape=(n_units, unit.size))
    sums = of_row @ family.take(rows)
    return sparse.csr_matrix(sums) if sparse.issparse(sums) else np.asarray(sums)
