"""CFair: an adversary for each diagnosis, and errors that count the same in every class and group."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.learn._probe import Probe, Watched, group_loss, reverse
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner


@method(
    "CFair (conditional learning of fair representations)",
    "Zhao et al. Conditional learning of fair representations. ICLR 2020",
    needs="hidden layer",
    branch="adversarial",
)
class CFair(Learn):
    r"""CE(f(x), y) + the reversed losses of K adversaries, the k-th of which sees the features of class k alone.

    A sample of group a weighs 1 / P(a | y = k), over G, in its adversary's loss, which then is the balanced error: a
    small group is not to be overlooked. `balanced` weighs the diagnosis by 1 / P(y), over K, too (CFair; without it
    CFair-EO). A class whose training samples are of one group has no adversary.
    """

    mu: float = Field(0.1, ge=0, description="strength; 0, without balanced, is ERM")
    balanced: bool = Field(False, description="balance the classes in the loss of the diagnosis")
    hidden: int = Field(128, ge=1, description="width of an adversary's hidden layer")

    def learner(self, lab: Lab) -> Learner:
        """Build the network and its adversaries."""
        net = lab.network()
        if not self.mu and not self.balanced:
            return Learner(net)
        y, group, known = lab.target.truth(lab.train)[:], lab.train.group, lab.known
        size = np.zeros((lab.target.n_outputs, len(lab.groups)))
        np.add.at(size, (y[known], group[known]), 1)
        share = size / np.maximum(size.sum(1, keepdims=True), 1)
        weight = np.where(size > 0, 1 / np.maximum(share, 1e-12) / len(lab.groups), 0.0)
        weight[(size > 0).sum(1) < 2] = 0  # nothing to tell apart
        classes = np.bincount(y, minlength=len(size)) / len(y)
        own = 1 / np.maximum(classes, 1e-12) / len(size) if self.balanced else np.ones(len(size))
        return Conditional(net, self.hidden, self.mu, weight, own)


class Conditional(Watched):
    """The losses above.

    Parameters
    ----------
    weight : ndarray (K, G)
        Of a sample of class k and group g in its adversary's loss.
    own : ndarray (K,)
        Of a class in the loss of the diagnosis.
    """

    alternates: ClassVar[bool] = False
    weight: torch.Tensor
    own: torch.Tensor

    def __init__(self, net: nn.Module, hidden: int, mu: float, weight: np.ndarray, own: np.ndarray) -> None:
        super().__init__(net, weight.shape[1], hidden)
        self.mu = mu
        more = [Probe(self.net.head.in_features, self.n_groups, hidden) for _ in weight[1:]]
        self.probe = nn.ModuleList([self.probe, *more])  # type: ignore[assignment]
        self.register_buffer("weight", torch.tensor(weight, dtype=torch.float32), persistent=False)
        self.register_buffer("own", torch.tensor(own, dtype=torch.float32), persistent=False)

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        h, outputs = self.seen(x)
        task = (batch.losses(outputs) * batch.weight * self.own[batch.y]).mean()
        return task + self.adversaries(reverse(h, self.mu), batch)

    def adversaries(self, shown: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The mean over the batch's classes of their adversaries' weighted losses."""
        found = []
        probes: Any = self.probe
        for k, probe in enumerate(probes):
            rows = ((batch.y == k) & (batch.group >= 0)).nonzero().squeeze(1)
            if rows.numel() and bool(self.weight[k].any()):
                group = batch.group[rows]
                found.append((group_loss(probe(shown[rows]), group) * self.weight[k][group]).mean())
        return torch.stack(found).mean() if found else shown.sum() * 0
