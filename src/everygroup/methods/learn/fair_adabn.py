"""FairAdaBN: a batch norm per group, and a penalty on the difference between the groups' mean predictions."""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from everygroup.methods.before.resampling import balanced
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.networks import GroupBatchNorm
from everygroup.training import Batch, Learner


def statistical_disparity(probabilities: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
    """L_SD = sum over pairs of groups and classes of (P_g(k) - P_h(k))^2, P_g the group's mean probabilities.

    The public code counts hard predictions, which have no gradient; the mean probability has one.
    """
    means = [probabilities[group == g].mean(0) for g in group[group >= 0].unique()]
    pairs = [((a - b) ** 2).sum() for a, b in combinations(means, 2)]
    return torch.stack(pairs).sum() if pairs else probabilities.sum() * 0


@method(
    "FairAdaBN (adaptive batch normalisation)",
    "Xu et al. FairAdaBN: Mitigating unfairness with adaptive batch normalization. MICCAI 2023",
    needs_group_at_test=True,
    every_group=True,
    needs="batch norm",
    branch="parts by group",
)
class FairAdaBN(Learn):
    """One network whose batch norms are the group's own. Samples without a group are not trained on.

    Where no group is known, every batch norm answers with the mean over the groups of what each would give.
    """

    answers: ClassVar[Literal["by group or blind"]] = "by group or blind"

    alpha: float = Field(1.0, ge=0, description="weight of the disparity penalty; 1 in the paper's experiments")
    shared_affine: bool = Field(
        False, description="one scale and shift for all groups; only the statistics are the group's own"
    )
    balanced_batches: bool = Field(True, description="draw groups with equal probability, as the public code does")

    def draws(self, lab: Lab) -> np.ndarray | None:
        """Balance the batches."""
        return balanced(lab.train.group) if self.balanced_batches else None

    def learner(self, lab: Lab) -> Learner:
        """Build the network with its norms."""
        norms = GroupBatchNorm(lab.network(), n_groups=len(lab.groups), shared_affine=self.shared_affine)
        return AdaptiveNorms(norms, self.alpha)


class AdaptiveNorms(Learner):
    """sum_g CE_g + alpha L_SD, CE_g the mean over the group's samples in the batch."""

    net: GroupBatchNorm

    def __init__(self, net: GroupBatchNorm, alpha: float) -> None:
        super().__init__(net)
        self.alpha = alpha

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        logits = self(x, batch.group)
        losses = batch.losses(logits) * batch.weight
        by_group = torch.stack([losses[batch.group == g].mean() for g in batch.group.unique()]).sum()
        return by_group + self.alpha * statistical_disparity(logits.softmax(1), batch.group)

    def answering(self, group: int | None) -> nn.Module:
        """Return the plain network of one group, or the mean over the norms."""
        return self.net.answering(group)
