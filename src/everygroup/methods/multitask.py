"""Regularised multi-task learning: a shared network plus an offset per group."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.registry import register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.networks.group_offsets import GroupOffsets
from everygroup.settings import TrainSettings
from everygroup.training import Batch, Task, weighted_cross_entropy


@dataclass(frozen=True)
class OffsetLoss:
    """(1/B) sum_i CE(f_{theta_{a_i}}(x_i), y_i) + strength * mean_g ||Delta_g||^2."""

    strength: float

    def __call__(self, network: nn.Module, x: torch.Tensor, batch: Batch, settings: TrainSettings) -> torch.Tensor:
        """Return the loss of a batch."""
        assert isinstance(network, GroupOffsets)
        return weighted_cross_entropy(network, x, batch, settings) + self.strength * network.penalty()


@register
class MultiTask(Method):
    """min (1/n) sum_i CE(f_{theta_0 + Delta_{a_i}}(x_i), y_i) + strength * mean_g ||Delta_g||^2.

    The deep form of w_t = w_0 + v_t; the penalty on w_0 is the training settings' weight decay. A large strength gives
    one shared network, 0 (without weight decay) independent ones. Samples without a group are not trained on, and are
    answered by w_0 (with the mean of the groups' batch-norm statistics).

    Parameters
    ----------
    strength : float
        lambda_1 of the paper, the penalty on the offsets.
    """

    learns_every_group = True
    info = MethodInfo(
        name="multitask",
        title="Regularised multi-task learning (MTL)",
        paper="Evgeniou and Pontil. Regularized multi-task learning. KDD 2004",
        family="group-specific",
        min_groups=1,
        max_groups=None,
        needs_group_at_test=True,
        cost=lambda groups: 1,
    )

    def __init__(self, *, strength: float = 1e-2) -> None:
        if not (math.isfinite(strength) and strength >= 0):
            raise SettingsError(f"strength = {strength}.", fix="strength is 0 or larger")
        self.strength = strength

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        task = Task.diagnosis(self.info.name, train.where(train.group >= 0), validation)
        trained = store.network(
            task,
            settings,
            n_budget=len(train),
            objective=OffsetLoss(self.strength),
            adapter={"name": "group_offsets", "n_groups": len(train.groups)},
        )
        return self._network_per_group(train, trained, blind=True)
