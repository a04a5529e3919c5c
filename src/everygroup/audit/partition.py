"""Which rows belong to which group of one attribute, and which groups can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from everygroup.predictions import Predictions
from everygroup.statistics import cluster_index, percentile_interval

MAX_GROUPS = 12
"""Attributes with more values are not audited: bin them first."""
MIN_CLUSTERS = 2
"""A group needs as many patients or lesions: the bootstrap of a single one never varies."""
TOO_SMALL = "n too small"
ONE_CLUSTER = "one patient or lesion"
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
    """

    attribute: str
    names: tuple[str, ...]
    slot: NDArray[np.int64]
    n: NDArray[np.int64]
    clusters: NDArray[np.int64]
    comparable: tuple[int, ...]

    @classmethod
    def of(cls, predictions: Predictions, attribute: str, *, min_n: int) -> Partition:
        """Partition the rows by an attribute."""
        names, index = predictions.attribute(attribute)
        present = [g for g in range(len(names)) if (index == g).any()]
        # a group that bears the name of one of the audit's own rows is told apart by quotes
        labels = [f"'{names[g]}'" if names[g] in RESERVED else names[g] for g in present]
        slot = np.full(index.size, len(present), dtype=np.int64)
        for s, g in enumerate(present):
            slot[index == g] = s
        if (index < 0).any():
            labels.append("missing")
        return cls._counted(attribute, tuple(labels), slot, cluster_index(predictions.units.astype(str)), min_n)

    def of_rows(self, rows: NDArray[np.int64], cluster: NDArray[np.int64], *, min_n: int) -> Partition:
        """Return the same groups counted over some rows; `cluster` (n,) is that of all rows."""
        return self._counted(self.attribute, self.names, self.slot[rows], cluster_index(cluster[rows]), min_n)

    @classmethod
    def _counted(
        cls, attribute: str, names: tuple[str, ...], slot: NDArray[np.int64], cluster: NDArray[np.int64], min_n: int
    ) -> Partition:
        """Count rows and clusters of every slot, and tell which can be compared."""
        n = np.bincount(slot, minlength=len(names)).astype(np.int64)
        inside = [np.unique(cluster[slot == s]).size for s in range(len(names))]
        clusters = np.array([*inside, np.unique(cluster).size], dtype=np.int64)
        comparable = tuple(
            s for s, name in enumerate(names) if name != "missing" and n[s] >= min_n and clusters[s] >= MIN_CLUSTERS
        )
        return cls(attribute, names, slot, n, clusters, comparable)

    def note(self, slot: int, min_n: int) -> str:
        """Why a slot cannot be compared; empty where it can, or where only its value is missing."""
        if self.n[slot] < min_n:
            return TOO_SMALL
        return ONE_CLUSTER if self.clusters[slot] < MIN_CLUSTERS else ""

    def interval(self, replicates: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Percentile intervals (S + 1,) of (R, S + 1) replicates; NaN where one cluster cannot say how values vary."""
        known = self.clusters >= MIN_CLUSTERS
        low, high = percentile_interval(replicates)
        return np.where(known, low, np.nan), np.where(known, high, np.nan)

    @property
    def n_missing(self) -> int:
        """Number of rows without a value."""
        return int(self.n[-1]) if self.names and self.names[-1] == "missing" else 0

    def same_rows(self, other: Partition) -> bool:
        """Whether both put the same rows together."""
        if len(self.names) != len(other.names) or self.n_missing != other.n_missing:
            return False
        return len(set(zip(self.slot.tolist(), other.slot.tolist(), strict=True))) == len(self.names)

    def group_index(self) -> NDArray[np.int64]:
        """(n,) slot, -1 for missing."""
        return np.where(self.slot < len(self.names) - (self.n_missing > 0), self.slot, -1)


def partitions(
    predictions: Predictions, attributes: tuple[str, ...] | None, *, min_n: int
) -> tuple[list[Partition], list[str]]:
    """Partitions of the wanted attributes (all when None), and plain sentences about those left out."""
    notes: list[str] = []
    wanted = attributes
    if wanted is None:
        wanted = (*(("group",) if predictions.groups else ()), *predictions.sensitive)
    found: list[Partition] = []
    for attribute in wanted:
        part = Partition.of(predictions, attribute, min_n=min_n)
        n_groups = len(part.names) - (part.n_missing > 0)
        if attributes is None and n_groups > MAX_GROUPS:
            notes.append(f"{attribute} has {n_groups} different values and is left out; give bins to audit it.")
        elif (
            attributes is None
            and found
            and attribute != "group"
            and any(p.attribute == "group" and p.same_rows(part) for p in found)
        ):
            notes.append(f"{attribute} is the grouping used in training; it is shown as 'group'.")
        else:
            found.append(part)
    return found, notes
