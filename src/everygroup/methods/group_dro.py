"""GroupDRO: training for the group that has the largest loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.registry import register
from everygroup.methods.resampling import OVER, balanced_probabilities
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.networks.group_weights import GroupWeights
from everygroup.settings import TrainSettings
from everygroup.training import Batch, Task, sample_losses


@dataclass(frozen=True)
class GroupDROLoss:
    """sum_c q_c L_c with q_c <- q_c exp(step_size L_c), renormalised; L_c the batch mean of cell c.

    A cell that is absent from the batch keeps its weight. Samples without a group count with their share of the batch.

    Parameters
    ----------
    n_groups : int
    over_cells : bool
        Cells (label, group) instead of groups.
    step_size : float
    margin : tuple of float
        Generalisation adjustment C / sqrt(n_c) added to the losses that move q.
    """

    n_groups: int
    over_cells: bool
    step_size: float
    margin: tuple[float, ...]

    def __call__(self, network: nn.Module, x: torch.Tensor, batch: Batch, settings: TrainSettings) -> torch.Tensor:
        """Return the robust loss of the batch and move the weights."""
        assert isinstance(network, GroupWeights)
        losses = sample_losses(network, x, batch, settings) * batch.weight
        known = batch.group >= 0
        cell = batch.y * self.n_groups + batch.group if self.over_cells else batch.group
        cell, inside = cell[known], losses[known]
        zeros = torch.zeros_like(network.q)
        count = zeros.index_add(0, cell, torch.ones_like(inside, dtype=zeros.dtype))
        mean = zeros.index_add(0, cell, inside.to(zeros.dtype)) / count.clamp_min(1)
        if network.training:
            with torch.no_grad():
                seen = count > 0
                moved = mean + torch.tensor(self.margin, device=mean.device)
                network.q.mul_(torch.where(seen, (self.step_size * moved).exp(), torch.ones_like(moved)))
                network.q.div_(network.q.sum())
        robust = (network.q * mean).sum()
        share = known.to(losses.dtype).mean()
        rest = losses[~known].sum() / len(losses)
        return share * robust + rest


@register
class GroupDRO(Method):
    """min max_q sum_g q_g L_g by exponentiated gradient ascent on q.

    Parameters
    ----------
    step_size : float
        eta; 0 keeps all groups equal.
    adjustment : float
        C of the generalisation adjustment C / sqrt(n_g).
    over : {'group', 'cell'}
        Groups, or (label, group) cells as in the paper's experiments.
    balanced_batches : bool
        Draw groups (cells) with equal probability, as in the paper's code.
    """

    info = MethodInfo(
        name="group_dro",
        title="GroupDRO (group distributionally robust optimisation)",
        paper="Sagawa et al. Distributionally robust neural networks for group shifts. ICLR 2020",
        family="in-processing",
        min_groups=1,
        max_groups=None,
        needs_group_at_test=False,
        cost=lambda groups: 1,
    )

    def __init__(
        self, *, step_size: float = 0.01, adjustment: float = 0.0, over: str = "group", balanced_batches: bool = True
    ) -> None:
        if over not in OVER:
            raise SettingsError(f"over = {over!r}.", fix=f"choose one of {', '.join(OVER)}")
        for name, value in (("step_size", step_size), ("adjustment", adjustment)):
            if not (math.isfinite(value) and value >= 0):
                raise SettingsError(f"{name} = {value}.", fix=f"{name} is 0 or larger")
        self.step_size, self.adjustment, self.over, self.balanced_batches = (
            step_size,
            adjustment,
            over,
            balanced_batches,
        )

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        n_groups, cells = len(train.groups), self.over == "cell"
        known = train.group >= 0
        code = train.y * n_groups + train.group if cells else train.group
        size = np.bincount(code[known], minlength=n_groups * (len(train.classes) if cells else 1))
        margin = tuple(self.adjustment / math.sqrt(n) if n else 0.0 for n in size.tolist())
        loss = GroupDROLoss(n_groups, cells, self.step_size, margin)
        drawn = balanced_probabilities(train, over=self.over) if self.balanced_batches else None
        task = Task.diagnosis(self.info.name, train, validation, probabilities=drawn)
        start = ((size > 0) / (size > 0).sum()).tolist()  # an empty cell has no loss and no weight
        adapter = {"name": "group_weights", "start": start}
        trained = store.network(task, settings, n_budget=len(train), objective=loss, adapter=adapter)
        return self._one_network(train, trained.answering())
