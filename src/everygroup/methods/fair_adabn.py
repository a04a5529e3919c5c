"""FairAdaBN: a batch norm per group, and a penalty on the difference between the groups' mean predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import nn

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.registry import register
from everygroup.methods.resampling import balanced_probabilities
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.networks import NetworkSpec, build_network, logits_of, resolve_backbone
from everygroup.networks.group_batchnorm import norms_act
from everygroup.settings import TrainSettings
from everygroup.training import Batch, Task


def statistical_disparity(probabilities: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
    """L_SD = sum over pairs of groups and classes of (P_g(k) - P_h(k))^2, P_g the group's mean probabilities.

    The public code counts hard predictions, which have no gradient; the mean probability has one.
    """
    means = [probabilities[group == g].mean(0) for g in group[group >= 0].unique()]
    pairs = [((a - b) ** 2).sum() for a, b in combinations(means, 2)]
    return torch.stack(pairs).sum() if pairs else probabilities.sum() * 0


@dataclass(frozen=True)
class FairAdaBNLoss:
    """sum_g CE_g + alpha L_SD, CE_g the mean over the group's samples in the batch."""

    alpha: float

    def __call__(self, network: nn.Module, x: torch.Tensor, batch: Batch, settings: TrainSettings) -> torch.Tensor:
        """Return the loss of a batch."""
        logits = logits_of(network, x, batch.group)
        losses = nn.functional.cross_entropy(
            logits, batch.y, reduction="none", label_smoothing=settings.label_smoothing
        )
        losses = losses * batch.weight
        by_group = torch.stack([losses[batch.group == g].mean() for g in batch.group.unique()]).sum()
        return by_group + self.alpha * statistical_disparity(logits.softmax(1), batch.group)


@register
class FairAdaBN(Method):
    """One network whose batch norms are the group's own. Samples without a group are not trained on.

    Where no group is known, every batch norm answers with the mean over the groups of what each would give.

    Parameters
    ----------
    alpha : float
        Weight of the disparity penalty; 1 in the paper's experiments.
    shared_affine : bool
        One scale and shift for all groups; only the statistics are the group's own.
    balanced_batches : bool
        Draw groups with equal probability, as the public code does.
    """

    learns_every_group = True
    info = MethodInfo(
        name="fair_adabn",
        title="FairAdaBN (adaptive batch normalisation)",
        paper="Xu et al. FairAdaBN: Mitigating unfairness with adaptive batch normalization. MICCAI 2023",
        family="in-processing",
        min_groups=1,
        max_groups=None,
        needs_group_at_test=True,
        cost=lambda groups: 1,
        backbone="batch norm",
    )

    def __init__(self, *, alpha: float = 1.0, shared_affine: bool = False, balanced_batches: bool = True) -> None:
        if not (math.isfinite(alpha) and alpha >= 0):
            raise SettingsError(f"alpha = {alpha}.", fix="alpha is 0 or larger")
        self.alpha, self.shared_affine, self.balanced_batches = alpha, shared_affine, balanced_batches

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        known = train.where(train.group >= 0)
        drawn = balanced_probabilities(known) if self.balanced_batches else None
        task = Task.diagnosis(self.info.name, known, validation, probabilities=drawn)
        adapter = {"name": "group_batchnorm", "n_groups": len(train.groups), "shared_affine": self.shared_affine}
        if _norms_act(train, settings):
            adapter["norms_act"] = True
        trained = store.network(
            task, settings, n_budget=len(train), objective=FairAdaBNLoss(self.alpha), adapter=adapter
        )
        return self._network_per_group(train, trained, blind=True)


def _norms_act(train: Cohort, settings: TrainSettings) -> bool:
    shape = train.sample_shape
    spec = NetworkSpec(resolve_backbone(settings.backbone, shape), len(train.classes), shape, settings.small_stem)
    with torch.device("meta"):
        return norms_act(build_network(spec))
