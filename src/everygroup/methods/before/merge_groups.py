"""Groups that look alike, put together before anything is trained: the outlook of the SPARE paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import squareform

from everygroup.console import say
from everygroup.methods.info import ALL_TARGETS
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, method


def mean_distances(distances: Sequence[np.ndarray], group: np.ndarray) -> np.ndarray:
    """Return D (G, G): the mean similarity distance of group g's samples to group t, symmetrised, 0 on the diagonal.

    Parameters
    ----------
    distances : sequence of G arrays (n,)
        Similarity distances of all samples to each group; NaN (none was found) counts as the largest found.
    group : (n,) group index
        -1 where it is missing. Every group has samples.
    """
    columns = np.stack(distances, 1)
    largest = columns[np.isfinite(columns)].max(initial=0.0)
    columns = np.where(np.isnan(columns), largest, columns)
    mean = np.stack([columns[group == g].mean(0) for g in range(columns.shape[1])])
    symmetric = (mean + mean.T) / 2
    np.fill_diagonal(symmetric, 0.0)
    return symmetric


def clusters(distance: np.ndarray, n_clusters: int) -> list[list[int]]:
    """Return the groups (by index) of each cluster of average linkage, in order of their first group."""
    tree = linkage(squareform(distance, checks=False), method="average")
    label = cut_tree(tree, n_clusters=n_clusters).ravel()
    found = [np.flatnonzero(label == c).tolist() for c in np.unique(label)]
    return sorted(found)


@method(
    "Merging of groups that look alike",
    "Xu et al. Rethinking fairness in medical imaging: Maximizing group-specific performance with application to skin "
    "disease diagnosis. Medical Image Analysis 109 (2026) 103950 (its outlook)",
    groups=(2, None),
    cost=lambda groups: 1 + (groups > 2),
    every_group=True,
    targets=ALL_TARGETS,
    branch="groups",
)
class MergeGroups(Before):
    """Average linkage on the mean similarity distances between groups, symmetrised, down to a number of clusters.

    What follows sees clusters for groups; each group is then answered by its cluster's network. Patients without a
    group are routed by the predictor of the groups, as ever. `info["merged"]` holds the clusters and the distances.
    """

    to: int = Field(2, ge=2, description="number of clusters; with no more groups than this nothing is merged")

    def cost(self, groups: Sequence[str]) -> float:
        """Return ERM's one network and, where there is something to merge, the predictor of the groups."""
        return 1 + (self.to < len(groups))

    def groups_after(self, groups: Sequence[str]) -> Sequence[str]:
        """Return as many as there are clusters."""
        return groups[: self.to]

    def prepare(self, lab: Lab) -> Lab:
        """Measure, cluster, and put groups together."""
        if self.to >= len(lab.groups):
            return lab
        predictor = lab.group_predictor().network
        found = [lab.distances(predictor, target=t).distance for t in range(len(lab.groups))]
        distance = mean_distances(found, lab.train.group)
        members = clusters(distance, self.to)
        named = [[lab.groups[g] for g in inside] for inside in members]
        for inside in named:
            if len(inside) > 1:
                say(f"  merged: {' + '.join(inside)}")
        merged = {g: " + ".join(inside) for inside in named for g in inside}
        return lab.merged(members, merged={"clusters": merged, "distances": distance.tolist()})
