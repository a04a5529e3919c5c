"""Which rows belong to which group of one attribute, and which groups can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from everygroup.errors import PredictionsError
from everygroup.predictions import Predictions
from everygroup.statistics import cluster_index
from everygroup.statistics.tables import distinct

MAX_GROUPS = 12
"""Attributes with more values are not audited: bin them first."""
MAX_NAMED_GROUPS = 100
"""An attribute that is asked for by name may have this many."""
MIN_CLUSTERS = 2
"""A group needs as many patients or lesions: the bootstrap of a single one never varies."""
TOO_SMALL = "n too small"
ONE_CLUSTER = "one patient or lesion"
CONSTANT = "no interval: every resample gives this value"
RESERVED = ("overall", "gap", "worst", "missing")


@dataclass(frozen=True)
class Partition:
    """The rows by one attribute.

    Attributes
    ----------
    attribute : its name; 'group' is the grouping used in training.
    names : groups that have rows, then 'missing' if there are rows without a value.
    slot : (n,) index into `names`.
    n : (S,) number of rows.
    clusters : (S + 1,) number of patients or lesions in every slot, then in all rows.
    comparable : slots that enter gaps: groups, not 'missing', with at least `min_n` rows and two patients or lesions.
    title : for 'group', the attribute that it is made of, where there is one.
    """

    attribute: str
    names: tuple[str, ...]
    slot: NDArray[np.int64]
    n: NDArray[np.int64]
    clusters: NDArray[np.int64]
    comparable: tuple[int, ...]
    title: str = ""

    @classmethod
    def of(
        cls, attribute: str, names: Sequence[str], index: NDArray[np.int64], cluster: NDArray[np.int64], *, min_n: int
    ) -> Partition:
        """Partition the rows by group: `names` of the groups, (n,) `index` into them (-1 missing), (n,) cluster.

        Groups without a row are left out. Clusters are numbered 0..C-1 without gaps.
        """
        missing = bool((index < 0).any())
        present = np.bincount(np.where(index < 0, len(names), index), minlength=len(names) + 1) > 0
        present[-1] = missing
        rank = np.cumsum(present) - 1
        labels = [told_apart(name) for name, here in zip(names, present, strict=False) if here]
        slot = rank[np.where(index < 0, len(names), index)]
        return cls._counted(attribute, (*labels, *(["missing"] if missing else [])), slot, cluster, min_n)

    def of_rows(self, rows: NDArray[np.int64], cluster: NDArray[np.int64], *, min_n: int) -> Partition:
        """Return the same groups counted over some rows; `cluster` (n,) is that of all rows."""
        return self._counted(self.attribute, self.names, self.slot[rows], cluster_index(cluster[rows]), min_n)

    @classmethod
    def _counted(
        cls, attribute: str, names: tuple[str, ...], slot: NDArray[np.int64], cluster: NDArray[np.int64], min_n: int
    ) -> Partition:
        """Count rows and clusters of every slot, and tell which can be compared."""
        n_slots = len(names)
        n = np.bincount(slot, minlength=n_slots).astype(np.int64)
        size = int(cluster.max(initial=-1)) + 1
        inside = n
        if size < slot.size:
            pairs, _, _ = distinct(slot * size + cluster, n_slots * size)
            inside = np.bincount(pairs // max(size, 1), minlength=n_slots)
        clusters = np.array([*inside, size], dtype=np.int64)
        comparable = tuple(
            s for s, name in enumerate(names) if name != "missing" and n[s] >= min_n and clusters[s] >= MIN_CLUSTERS
        )
        return cls(attribute, names, slot, n, clusters, comparable)

    def note(self, slot: int, min_n: int) -> str:
        """Why a slot cannot be compared; empty where it can, or where only its value is missing."""
        if self.n[slot] < min_n:
            return TOO_SMALL
        return ONE_CLUSTER if self.clusters[slot] < MIN_CLUSTERS else ""

    @property
    def n_missing(self) -> int:
        """Number of rows without a value."""
        return int(self.n[-1]) if self.names and self.names[-1] == "missing" else 0

    def same_rows(self, other: Partition) -> bool:
        """Whether both put the same rows together."""
        if len(self.names) != len(other.names) or self.n_missing != other.n_missing:
            return False
        return np.unique(self.slot * len(other.names) + other.slot).size == len(self.names)

    def group_index(self) -> NDArray[np.int64]:
        """(n,) slot, -1 for missing."""
        return np.where(self.slot < len(self.names) - (self.n_missing > 0), self.slot, -1)


def told_apart(name: str) -> str:
    """The name of a group, in quotes where it is that of one of the audit's own rows."""
    return f"'{name}'" if name in RESERVED else name


def spread(low: float, high: float) -> tuple[float, float]:
    """An interval; none where resampling never changed the value, since a width of 0 would read as certainty."""
    return (float("nan"), float("nan")) if low == high else (low, high)


def no_sample(attribute: str, group: str) -> str:
    """What to heed where a group is known of and has no row."""
    return f"{attribute}: group {group} has no sample here, so nothing is known of it."


def crossable(parts: Sequence[Partition]) -> list[Partition]:
    """The partitions to form subgroups of: not the grouping used in training where the other attributes settle it."""
    others = [p for p in parts if p.attribute != "group"]
    if not others or len(others) == len(parts):
        return list(parts)
    cell = np.zeros(others[0].slot.size, dtype=np.int64)
    for part in others:
        values, _, cell = distinct(cell * len(part.names) + part.slot, (int(cell.max(initial=0)) + 1) * len(part.names))
    group = next(p for p in parts if p.attribute == "group")
    both, _, _ = distinct(cell * len(group.names) + group.slot, values.size * len(group.names))
    return others if both.size == values.size else list(parts)


def partitions(
    predictions: Predictions, attributes: tuple[str, ...] | None, cluster: NDArray[np.int64], *, min_n: int
) -> tuple[list[Partition], list[str]]:
    """Partitions of the wanted attributes (all when None), and plain sentences about those left out.

    Raises
    ------
    PredictionsError
        For a named attribute of so many values that it is an id rather than a group.
    """
    notes: list[str] = []
    wanted = attributes
    if wanted is None:
        wanted = (*(("group",) if predictions.groups else ()), *predictions.sensitive)
    found: list[Partition] = []
    for attribute in wanted:
        names, index = predictions.attribute(attribute)
        n_groups = np.unique(index[index >= 0]).size
        if n_groups > (MAX_GROUPS if attributes is None else MAX_NAMED_GROUPS):
            if attributes is not None:
                raise PredictionsError(
                    f"{attribute} has {n_groups:,} different values in {index.size:,} samples: is it an id?",
                    fix=f"give bins for {attribute}, or audit an attribute of at most {MAX_NAMED_GROUPS} groups",
                )
            notes.append(f"{attribute} has {n_groups} different values and is left out; give bins to audit it.")
            continue
        part = Partition.of(attribute, names, index, cluster, min_n=min_n)
        absent = [name for s, name in enumerate(names) if not (index == s).any()]
        notes += [no_sample(attribute, name) for name in absent]
        same = any(p.attribute == "group" and p.same_rows(part) for p in found)
        if attributes is None and attribute != "group" and same:
            found = [replace(p, title=p.title or attribute) if p.attribute == "group" else p for p in found]
        else:
            found.append(part)
    return found, notes
