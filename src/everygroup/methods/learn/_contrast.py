"""Contrasts between the samples of a batch: which are drawn together, which apart."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn

from everygroup.training import Learner

Against = Literal["all", "same_group"]


def supervised_contrast(
    u: torch.Tensor, y: torch.Tensor, temperature: float, against: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the supervised contrastive loss (Khosla et al. 2020) of directions (B, d), 0 where nobody has a partner.

    -(1/|P(i)|) sum over j in P(i) of log(exp(u_i.u_j / T) / sum over l != i of exp(u_i.u_l / T)), averaged over the
    samples with a partner; P(i) are the others of the class.

    Parameters
    ----------
    against : (B, B) bool, optional
        Which samples of other classes stand in i's denominator; all by default.
    """
    itself = torch.eye(len(u), dtype=torch.bool, device=u.device)
    same = (y[:, None] == y) & ~itself
    apart = y[:, None] != y
    compared = same | (apart if against is None else apart & against)
    z = (u @ u.T / temperature).masked_fill(~compared, -torch.inf)
    has = same.any(1)
    if not bool(has.any()):
        return u.sum() * 0
    log_p = z[has] - z[has].logsumexp(1, keepdim=True)
    return -(torch.where(same[has], log_p, 0).sum(1) / same[has].sum(1)).mean()


def released_contrast(u: torch.Tensor, y: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return FairDisCo's contrast as its code has it: each pair's own term against the other classes only.

    The mean over all pairs of a class of -log(e_ij / (e_ij + sum over l of another class of e_il)).
    """
    itself = torch.eye(len(u), dtype=torch.bool, device=u.device)
    same = (y[:, None] == y) & ~itself
    if not bool(same.any()):
        return u.sum() * 0
    z = u @ u.T / temperature
    others = z.masked_fill(y[:, None] == y, -torch.inf).logsumexp(1, keepdim=True)
    return (torch.logaddexp(z, others.expand_as(z)) - z)[same].mean()


class Projected(Learner):
    """A network with a projection of its features onto directions (B, d), in which samples are compared."""

    net: Any

    def __init__(self, net: nn.Module, width: int) -> None:
        super().__init__(net)
        q = self.net.head.in_features
        self.projection = nn.Sequential(nn.Linear(q, width), nn.ReLU(), nn.Linear(width, width))

    def directions(self, h: torch.Tensor) -> torch.Tensor:
        """Return unit vectors."""
        return F.normalize(self.projection(h).float(), dim=1)
