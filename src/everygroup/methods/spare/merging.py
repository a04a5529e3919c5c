"""Groups that look alike, put together before SPARE trains a network for each: the paper's outlook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import squareform

from everygroup.cohort import Cohort
from everygroup.console import say
from everygroup.methods.routed import RoutedModel
from everygroup.methods.spare.distances import search_options, train_predictor
from everygroup.methods.spare.options import SpareOptions
from everygroup.methods.store import Store
from everygroup.settings import TrainSettings

PREDICTOR = "group predictor"


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


def merged_cohort(cohort: Cohort, members: Sequence[Sequence[int]]) -> Cohort:
    """Return the same samples with clusters for groups, named after their groups."""
    cluster = np.full(len(cohort.groups) + 1, -1)  # the last is the missing group's
    for c, inside in enumerate(members):
        cluster[list(inside)] = c
    return Cohort(
        cohort.images,
        cohort.table,
        label=cohort.label,
        y=cohort.y,
        classes=cohort.classes,
        rule=cohort.rule,
        group=cluster[cohort.group],
        groups=[" + ".join(cohort.groups[g] for g in inside) for inside in members],
        ids=cohort.ids,
        units=cohort.units,
        rows=cohort.rows,
        provenance=cohort.provenance,
        images_hash=cohort.images_hash,
    )


def fit_merged(
    spare: SpareOptions, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store
) -> RoutedModel:
    """Put groups together, run Algorithm 1 on the clusters, and let each group be answered by its cluster's network.

    Patients without a group are routed by the predictor of the groups, as ever. `info["merged"]` holds the clusters and
    the distances they were found by.
    """
    assert spare.merge_to is not None
    predictor = train_predictor(train, validation, settings, store)
    options = search_options(spare, settings)
    found = [store.distances(predictor, train, **options, target=t).distance for t in range(len(train.groups))]
    distance = mean_distances(found, train.group)
    members = clusters(distance, spare.merge_to)
    parts = [merged_cohort(part, members) for part in (train, validation)]
    for name, inside in zip(parts[0].groups, members, strict=True):
        if len(inside) > 1:
            say(f"  merged: {name}")
    plain = type(spare)(**{**spare.hyperparameters, "merge_to": None})
    plain.label = spare.label
    model = plain.fit(parts[0], parts[1], settings=settings, store=store)
    cluster_of = {train.groups[g]: name for name, inside in zip(parts[0].groups, members, strict=True) for g in inside}
    networks = {name: network for name, network in model.networks.items() if name != PREDICTOR}
    specs = {name: model.specs[name] for name in networks}
    described = {name: model.info["networks"][name] for name in networks}
    return replace(
        model,
        networks={**networks, PREDICTOR: predictor.network},
        specs={**specs, PREDICTOR: predictor.spec},
        route={g: model.route[cluster_of[g]] for g in train.groups},
        groups=train.groups,
        group_predictor=PREDICTOR,
        info={
            **model.info,
            "hyperparameters": spare.hyperparameters,
            "networks": {**described, PREDICTOR: {"key": predictor.key, "epoch": predictor.selected_epoch}},
            "merged": {"clusters": cluster_of, "distances": distance.tolist()},
        },
    )
