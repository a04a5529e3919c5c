"""Families of metrics: what the engine must sum over the rows of a group, and the metrics those sums give.

A metric that is a function of sums over rows (confusion counts, squared errors, Dice scores) is evaluated for every
bootstrap replicate and every shuffle from resampled sums alone, whatever the number of rows. A metric that needs ranks
(AUC) is evaluated from weights of the clusters. Every audit, of classification, regression or segmentation, is a list
of such families.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from everygroup.metrics.registry import metric_info

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Weights = NDArray[np.float32]
Sums = dict[str, Array]


class Family:
    """Metrics of one kind over the same n rows.

    Attributes
    ----------
    metrics : names of the performance metrics it yields, one value per group.
    gaps : names of metrics that are one value between groups, such as EOdds.
    """

    metrics: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()

    def null(self, metric: str) -> str:
        """What a shuffle of the groups keeps fixed for this metric: that of its record."""
        return metric_info(metric).null

    def held(self, null: str) -> Index | None:
        """(n,) values that shuffles with this null keep fixed, where they are the family's own."""
        return None

    def only(self, metrics: Iterable[str]) -> Family:
        """The family without its other metrics, where leaving them out saves work; else itself."""
        return self

    def units(self, slot: Index, cluster: Index, n_slots: int) -> dict[str, Array]:
        """Number of patients (S + 1,) that metrics rest on in every slot and in all rows, where not all of them count.

        Parameters
        ----------
        slot, cluster : (n,) of the rows, clusters numbered 0..C-1 without gaps.
        """
        return {}


class SumFamily(Family):
    """Metrics that are functions of sums of per-row features.

    Attributes
    ----------
    features : (n, J) array or sparse matrix of per-row numbers.
    counts : whether they are small whole numbers with few distinct rows: clusters with the same sums are then counted
        as one type, and the cost does not depend on n. Otherwise clusters are weighted one by one.
    """

    features: Array | sparse.csr_matrix
    counts: bool = False

    @abstractmethod
    def values(self, sums: Array) -> Sums:
        """Metrics (...) from sums (..., J) over any rows. Undefined values are NaN."""

    def gap_values(self, sums: Array) -> Sums:
        """Gap metrics (...) from the sums (..., G, J) of the groups that are compared."""
        return {}

    def proportions(self, sums: Array) -> dict[str, tuple[Array, Array]]:
        """Successes and trials (...) of the metrics that are plain proportions; they get a Wilson interval."""
        return {}

    def take(self, rows: Index) -> sparse.csr_matrix | Array:
        """Features (m, J) of some rows; a full table where most are not 0."""
        return sparse.csr_matrix(self.features[rows])

    def codes(self) -> Index:
        """(n,) number of every row's feature row among the distinct ones (`counts` families only)."""
        features = sparse.csr_matrix(self.features)
        # random numbers for the columns: rows with the same sum have the same features, short of a 1 in 2^60 accident
        key = np.random.default_rng(0).integers(-(2**60), 2**60, size=features.shape[1])
        return np.unique(features.astype(np.int64) @ key, return_inverse=True)[1].reshape(-1).astype(np.int64)


class RankFamily(Family):
    """Metrics that need the order of the rows, evaluated under weights of the units (clusters) they belong to."""

    @abstractmethod
    def bind(self, rows: Index, unit: Index, n_units: int) -> Callable[[Weights], Sums]:
        """Prepare some rows.

        Parameters
        ----------
        rows : (m,) rows to evaluate over; unit : (m,) the unit of each, of `n_units`.

        Returns
        -------
        A function of weights (n_units, r) that gives every metric as (r,), NaN where undefined.
        """

    def linear(self, rows: Index, unit: Index, n_units: int) -> Linear | None:
        """The metrics as functions of sums, where they are so to first order; None where only the order tells them.

        Parameters as of `bind`.
        """
        return None


class Linear(NamedTuple):
    """Metrics of ranks to first order: what every unit adds (U, J), and the metrics (...) of sums (..., J)."""

    features: Array
    values: Callable[[Array], Sums]
