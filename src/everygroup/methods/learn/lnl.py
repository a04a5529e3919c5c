"""Learning not to learn: features that tell little of the group, by entropy and by reversed gradients."""

from __future__ import annotations

import torch
from pydantic import Field

from everygroup.methods.lab import Lab
from everygroup.methods.learn._probe import VECTOR_TARGETS, Watched, group_loss, of_known
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner


@method(
    "LNL (learning not to learn)",
    "Kim et al. Learning not to learn: training deep neural networks with biased data. CVPR 2019",
    targets=VECTOR_TARGETS,
    needs="hidden layer",
    branch="adversarial",
)
class LNL(Learn):
    r"""The network makes CE(f(x), y) + lam mean sum_g q_g log q_g - mu CE(D(h), a) small, the probe D makes CE(D(h), a)
    small, in turns; q = softmax(D(h)).

    The first term in lam bounds the mutual information of features and group (the negative entropy of what D says), the
    second is the reversed gradient. The paper's D looks at the maps of an early layer; here it sees the penultimate
    features, which every backbone has.
    """

    lam: float = Field(0.01, ge=0, description="weight of the negative entropy, the paper's")
    mu: float = Field(0.1, ge=0, description="scale of the reversed gradient, the paper's; 0 with lam=0 is ERM")
    hidden: int = Field(128, ge=1, description="width of the probe's hidden layer")

    def learner(self, lab: Lab) -> Learner:
        """Build the network and its probe."""
        net = lab.network()
        if not self.lam and not self.mu:
            return Learner(net)
        return Unlearning(net, len(lab.groups), self.hidden, self.lam, self.mu)


class Unlearning(Watched):
    """Losses by optimiser: the network's, and the probe's."""

    def __init__(self, net: torch.nn.Module, n_groups: int, hidden: int, lam: float, mu: float) -> None:
        super().__init__(net, n_groups, hidden)
        self.lam, self.mu = lam, mu

    def loss(self, x: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """Return both losses of a batch."""
        h, outputs = self.seen(x)
        logits, known = self.probe(h), batch.group >= 0
        log_q = logits.log_softmax(1)
        told = of_known((log_q.exp() * log_q).sum(1), known)  # q log q by log_softmax: 0 where q is
        learnt = of_known(group_loss(logits, batch.group), known)
        return {"main": batch.loss(outputs) + self.lam * told - self.mu * learnt, "probe": learnt}
