"""GroupDRO: training for the group that has the largest loss."""

from __future__ import annotations

import math

import numpy as np
import torch
from pydantic import Field
from torch import nn

from everygroup.methods.before.resampling import Over, balanced, cells
from everygroup.methods.info import ALL_TARGETS
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner


@method(
    "GroupDRO (group distributionally robust optimisation)",
    "Sagawa et al. Distributionally robust neural networks for group shifts. ICLR 2020",
    targets=ALL_TARGETS,
    branch="robust",
)
class GroupDRO(Learn):
    """min max_q sum_g q_g L_g by exponentiated gradient ascent on q."""

    step_size: float = Field(0.01, ge=0, description="eta; 0 keeps all groups equal")
    adjustment: float = Field(0.0, ge=0, description="C of the generalisation adjustment C / sqrt(n_g)")
    over: Over = Field("group", description="groups, or (label, group) cells as in the paper's experiments")
    balanced_batches: bool = Field(
        True, description="draw groups (cells) with equal probability, as in the paper's code"
    )

    def check(self, lab: Lab) -> None:
        """Refuse, besides, cells where there are no classes."""
        super().check(lab)
        cells(lab, self.over, what=self.info.name)

    def draws(self, lab: Lab) -> np.ndarray | None:
        """Balance the batches."""
        return balanced(cells(lab, self.over, what=self.info.name)) if self.balanced_batches else None

    def learner(self, lab: Lab) -> Learner:
        """Build the network and the weights of its groups."""
        n_cells = len(lab.groups) * (lab.target.n_outputs if self.over == "cell" else 1)
        code = cells(lab, self.over, what=self.info.name)
        size = np.bincount(code[lab.known], minlength=n_cells)
        margin = [self.adjustment / math.sqrt(n) if n else 0.0 for n in size.tolist()]
        start = (size > 0) / (size > 0).sum()  # an empty cell has no loss and no weight
        return Robust(lab.network(), len(lab.groups), start, margin, self.step_size, self.over)


class Robust(Learner):
    """sum_c q_c L_c with q_c <- q_c exp(step_size (L_c + margin_c)), renormalised; L_c the batch mean of cell c.

    A cell that is absent from the batch keeps its weight. Samples without a group count with their share of the batch.
    """

    q: torch.Tensor

    def __init__(
        self, net: nn.Module, n_groups: int, start: np.ndarray, margin: list[float], step_size: float, over: Over
    ) -> None:
        super().__init__(net)
        self.n_groups, self.step_size, self.over, self.margin = n_groups, step_size, over, margin
        self.register_buffer("q", torch.tensor(start, dtype=torch.float32))

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The robust loss of a batch."""
        losses = batch.losses(self.net(x)) * batch.weight
        known = batch.group >= 0
        cell = batch.y * self.n_groups + batch.group if self.over == "cell" else batch.group
        cell, inside = cell[known], losses[known]
        zeros = torch.zeros_like(self.q)
        count = zeros.index_add(0, cell, torch.ones_like(inside, dtype=zeros.dtype))
        mean = zeros.index_add(0, cell, inside.to(zeros.dtype)) / count.clamp_min(1)
        with torch.no_grad():
            moved = (self.step_size * (mean + torch.tensor(self.margin, device=mean.device))).exp()
            q = self.q * torch.where(count > 0, moved, torch.ones_like(moved))
            q = batch.notes["q"] = q / q.sum()
        share = known.to(losses.dtype).mean()
        return share * (q * mean).sum() + losses[~known].sum() / len(losses)

    def after_update(self, batch: Batch) -> None:
        """Take over the weights."""
        self.q.copy_(batch.notes["q"])
