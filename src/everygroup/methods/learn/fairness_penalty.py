"""Fairness penalty: soft rates of the groups that differ in a batch cost something."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.learn._rates import cell_means, spread
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner

Criterion = Literal["equalized_odds", "equal_opportunity", "demographic_parity", "covariance"]


@method(
    "Fairness penalty on soft rates",
    "soft rates: Padala and Gujar. FNNC: achieving fairness through neural networks. IJCAI 2020; covariance: Zafar et "
    "al. Fairness constraints: mechanisms for fair classification. AISTATS 2017",
    branch="constraint",
)
class FairnessPenalty(Learn):
    r"""CE(f(x), y) + lam R, R of the probabilities p_k of K classes in a batch; a rate's gap is the largest group's
    less the smallest's, with two groups the absolute difference.

    - `demographic_parity`: mean over k of the gap of E[p_k | a], squared.
    - `equal_opportunity`: mean over k of the gap of E[p_k | y = k, a].
    - `equalized_odds`: that, plus the mean over k of the gap of E[p_k | y != k, a].
    - `covariance`: mean over groups and k of |cov(1[a = g], p_k)|.

    A small batch has few samples of a cell: `smoothing` keeps running means of the rates, so that the sign of a gap
    comes from many batches, and the gradient from this one. Cells that a batch lacks, and samples without a group, have
    no part. A penalty that training samples meet need not be met by new ones; look at the change of every group.
    """

    lam: float = Field(1.0, ge=0, description="strength; 0 is ERM")
    criterion: Criterion = Field("equalized_odds", description="what is to be equal")
    smoothing: float = Field(0.9, ge=0, lt=1, description="weight of the running means of rates; 0: this batch alone")

    def learner(self, lab: Lab) -> Learner:
        """Build the network and its running rates."""
        net = lab.network()
        return Penalised(net, len(lab.groups), lab.target.n_outputs, self) if self.lam else Learner(net)


class Penalised(Learner):
    """The loss above. Rates are (2, G, K): of those with y = k (or all), and of those without."""

    rates: torch.Tensor
    seen: torch.Tensor

    def __init__(self, net: nn.Module, n_groups: int, n_classes: int, options: FairnessPenalty) -> None:
        super().__init__(net)
        self.n_groups, self.lam, self.criterion = n_groups, options.lam, options.criterion
        self.smoothing = options.smoothing
        self.register_buffer("rates", torch.zeros(2, n_groups, n_classes))
        self.register_buffer("seen", torch.zeros(2, n_groups, n_classes, dtype=torch.bool))

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        outputs = self(x, batch.group)
        return batch.loss(outputs) + self.lam * self.penalty(outputs.float().softmax(1), batch)

    def penalty(self, p: torch.Tensor, batch: Batch) -> torch.Tensor:
        """R, from probabilities (B, K)."""
        if self.criterion == "covariance":
            known = batch.group >= 0
            inside = torch.nn.functional.one_hot(batch.group[known], self.n_groups).to(p.dtype)
            centred = inside - inside.mean(0) if len(inside) else inside
            return (centred.T @ p[known] / known.sum().clamp_min(1)).abs().mean()
        mean, there = self._rates_of(p, batch)
        kept = self.rates.to(p.dtype)
        with torch.no_grad():
            moved = torch.where(self.seen, self.smoothing * kept + (1 - self.smoothing) * mean, mean)
            told = torch.where(there, moved, kept)
            batch.notes["rates"] = told
            batch.notes["seen"] = self.seen | there
        # the value of the running means, the gradient of this batch
        rate = told + torch.where(there, mean - mean.detach(), 0)
        usable = batch.notes["seen"]
        gaps = [spread(rate[i], usable[i]) for i in range(2)]
        if self.criterion == "demographic_parity":
            return gaps[0].square().mean()
        return gaps[0].mean() + (gaps[1].mean() if self.criterion == "equalized_odds" else 0)

    def _rates_of(self, p: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean probabilities of a batch, (2, G, K), and of which there are samples."""
        n_classes = p.shape[1]
        if self.criterion == "demographic_parity":
            mean, there = cell_means(p, batch.group, self.n_groups)
            both = torch.stack([mean, torch.zeros_like(mean)])
            return both, torch.stack([there, torch.zeros_like(there)])[..., None].expand_as(both)
        is_class = torch.nn.functional.one_hot(batch.y, n_classes).bool()
        means, found = [], []
        for mask in (is_class, ~is_class):
            mask = mask & (batch.group >= 0)[:, None]
            total, _ = cell_means(torch.where(mask, p, 0), batch.group, self.n_groups)
            share, _ = cell_means(mask.to(p.dtype), batch.group, self.n_groups)
            means.append(total / share.clamp_min(torch.finfo(p.dtype).tiny))
            found.append(share > 0)
        return torch.where(torch.stack(found), torch.stack(means), 0), torch.stack(found)

    def after_update(self, batch: Batch) -> None:
        """Take over the running means."""
        if "rates" in batch.notes:
            self.rates.copy_(batch.notes["rates"])
            self.seen.copy_(batch.notes["seen"])
