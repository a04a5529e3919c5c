"""Bias-balanced softmax: what is known of the diagnosis from the group alone is not learnt from the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from sklearn.metrics import roc_curve
from torch import nn

from everygroup.errors import SettingsError
from everygroup.files import hash_json
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner

_EPS = 1e-9  # as the paper's code adds it to a share


@method(
    "Bias-balanced softmax",
    "Luo et al. Pseudo bias-balanced learning for debiased chest X-ray classification. MICCAI 2022",
    cost=1,
    branch="constraint",
)
class BalancedSoftmax(Learn):
    r"""Cross-entropy of z_k + tau log P(y = k | b) in training, plain z at prediction; b is the group.

    P are shares of the training samples; a sample without a group has those of everybody. So the network need not learn
    how frequent a diagnosis is in a group, only what an image says beyond it. With `pseudo` the groups are not looked
    at: of two classes, b is whether a network that was biased on purpose (generalised cross-entropy, q = .7, which
    learns the easy first; Nam et al., NeurIPS 2020) gives the second one more than a cut, Youden's on training samples.
    """

    tau: float = Field(1.0, ge=0, description="strength; 0 is ERM")
    pseudo: bool = Field(False, description="find the bias with a biased network instead of taking the groups")

    def cost(self, groups: Any) -> float:
        """Count the biased network."""
        return 1 + self.pseudo

    def check(self, lab: Lab) -> None:
        """Refuse, besides, a pseudo-bias of other than two classes."""
        super().check(lab)
        if self.pseudo and lab.target.n_outputs != 2:
            raise SettingsError("pseudo=true is for two classes.", fix="use the groups, or regroup(pseudo=clusters)")

    def learner(self, lab: Lab) -> Learner:
        """Build the network, and find the shares."""
        net = lab.network()
        if not self.tau:
            return Learner(net)
        y, bias = lab.target.truth(lab.train)[:], lab.train.group
        if self.pseudo:
            with torch.random.fork_rng(devices=[]):
                biased = lab.train_network(Biased(), "biased")
            score = lab.answers(lab.one_model("biased", biased), lab.train)[:, 1]
            bias = (score >= youden(y, score)).astype(np.int64)
        count = np.zeros((int(bias.max(initial=0)) + 2, lab.target.n_outputs))  # the last row is of everybody
        np.add.at(count, (bias[bias >= 0], y[bias >= 0]), 1)
        count[-1] = np.bincount(y, minlength=count.shape[1])
        share = count / np.maximum(count.sum(1, keepdims=True), 1)
        return Shifted(net, (self.tau * np.log(share + _EPS))[bias])


def youden(y: np.ndarray, score: np.ndarray) -> float:
    """Return the cut with the largest sensitivity + specificity."""
    wrong, right, cuts = roc_curve(y, score)
    return float(cuts[int((right - wrong).argmax())])


class Shifted(Learner):
    """Cross-entropy of the logits plus what is known of every training sample, (n, K)."""

    shift: torch.Tensor

    def __init__(self, net: nn.Module, shift: np.ndarray) -> None:
        super().__init__(net)
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32), persistent=False)

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        index = torch.from_numpy(batch.index).to(self.shift.device)
        return batch.loss(self(x, batch.group) + self.shift[index])


@dataclass(frozen=True)
class Biased:
    """How a network learns what is easy: (1 - p_y^q) / q (Zhang and Sabuncu, NeurIPS 2018)."""

    q: float = 0.7

    @property
    def key(self) -> str:
        """Content hash."""
        return hash_json(["generalised cross-entropy", self.q])

    def learner(self, lab: Lab) -> Learner:
        """Build the network."""
        return Easy(lab.network(), self.q)


class Easy(Learner):
    """Generalised cross-entropy."""

    def __init__(self, net: nn.Module, q: float) -> None:
        super().__init__(net)
        self.q = q

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        p = self(x, batch.group).float().softmax(1).gather(1, batch.y[:, None])[:, 0]
        return ((1 - p.clamp_min(_EPS) ** self.q) / self.q * batch.weight).mean()
