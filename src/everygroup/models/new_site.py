"""A model at a new site: what can be adapted without a label, from the new site's samples alone.

Each takes a model and a cohort without labels, and returns another model, which answers each patient by itself: what is
predicted for one does not depend on who is predicted beside. They are asked for; no prediction adapts by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.imaging.tensors import to_input
from everygroup.models.indices import group_index
from everygroup.models.routed import RoutedModel
from everygroup.models.steps.affine_logits import AffineLogits
from everygroup.networks import Classifier
from everygroup.networks.adabn import restated
from everygroup.statistics.label_shift import class_shares


def with_class_shares(
    model: RoutedModel, cohort: Cohort, *, trained: Sequence[float] | np.ndarray, pseudo_samples: float = 10.0
) -> RoutedModel:
    """Return the model for the class frequencies of a new site, which are estimated in each group.

    Right if nothing has changed but how frequent classes are, and the model is calibrated. See `class_shares`.

    Parameters
    ----------
    model : RoutedModel
    cohort : Cohort
        Samples of the new site; labels are not looked at.
    trained : (K,)
        Shares of the classes that the model reckons with: those of training, or the mean of its probabilities there.
    pseudo_samples : float
        Samples that `trained` counts for, and what is found for everybody beside a group.
    """
    step = shares_step(
        model.predict_proba(cohort),
        group_index(model.rule, model.groups, cohort),
        len(model.groups),
        trained=np.asarray(trained, dtype=np.float64),
        pseudo_samples=pseudo_samples,
    )
    return model.answering_by(step)


def shares_step(
    p: np.ndarray, group: np.ndarray, n_groups: int, *, trained: np.ndarray, pseudo_samples: float
) -> AffineLogits:
    """Return the step p -> p pi_g / pi^0, renormalised; pi_g is drawn towards that of everybody, and that to pi^0.

    Parameters
    ----------
    p : (n, K)
    group : (n,)
        -1 where missing.
    trained : (K,)
        pi^0.
    """
    everybody = class_shares(p, trained, pseudo_samples=pseudo_samples)
    groups = [
        class_shares(p[group == g], trained, towards=everybody, pseudo_samples=pseudo_samples) for g in range(n_groups)
    ]
    *shifts, shift = (np.log(np.maximum(shares, 1e-12) / trained).tolist() for shares in [*groups, everybody])
    return AffineLogits([1.0] * n_groups, shifts, 1.0, shift)


def with_statistics(model: RoutedModel, cohort: Cohort, *, prior: float = 32.0, samples: int = 256) -> RoutedModel:
    """Return the model with batch-norm statistics drawn towards those of a new site (AdaBN); see `restated`.

    A network that answers for one group sees its patients alone.

    Parameters
    ----------
    model : RoutedModel
    cohort : Cohort
        Images of the new site; labels are not looked at.
    prior : float
        Images that the statistics of training count for.
    samples : int
        Images of the new site that are looked at, spread evenly over the cohort: all at once.

    Raises
    ------
    SettingsError
        If a network is not plain, or all have no batch norm.
    """
    group = group_index(model.rule, model.groups, cohort)
    for transform in model.transforms:
        cohort = cohort.seen_through(transform)
    asked = {name: model.shares(name) for name in {*model.route.values(), *([model.pooled] if model.pooled else [])}}
    networks: dict[str, Any] = dict(model.networks)
    for name in sorted({own for shares in asked.values() for own in shares}):
        groups = [i for i, g in enumerate(model.groups) if name in model.shares(model.route[g])]
        seen = np.ones(len(cohort), bool) if name in model.shares(str(model.pooled)) else np.isin(group, groups)
        networks[name] = restated(plain(networks[name]), images(cohort.where(seen), samples), prior=prior)
    return replace(model, networks=networks)


def plain(network: torch.nn.Module) -> Classifier:
    """Return a network that is plain and has batch norms, or refuse it.

    Raises
    ------
    SettingsError
    """
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    if not isinstance(network, Classifier) or not norms:
        raise SettingsError(
            f"Statistics of a {type(network).__name__} with {len(norms)} batch norms cannot be adapted.",
            fix="use it with plain networks that have batch norms",
        )
    return network


def images(cohort: Cohort, most: int) -> torch.Tensor:
    """Return at most so many images in [0, 1], spread evenly over the cohort."""
    index = np.unique(np.linspace(0, len(cohort) - 1, min(most, len(cohort))).round().astype(int))
    return to_input(torch.from_numpy(np.ascontiguousarray(cohort.batch(index))))
