"""CIRCLe: an image and the same image in another group's look give the same features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import nn

from everygroup.methods.before.z_score import moments
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner


@method(
    "CIRCLe (colour invariant representation learning)",
    "Pakzad, Abhishek and Hamarneh. CIRCLe: color invariant representation learning for unbiased classification of "
    "skin lesions. ECCV Workshops 2022",
    needs="hidden layer",
    branch="contrastive",
)
class CIRCLe(Learn):
    r"""CE(f(x), y) + alpha mean (h(x) - h(x'))^2 + beta CE(f(x'), y), x' the sample in the look of a random group.

    The paper translates skin types with a StarGAN that it trains; here the mean and the spread of every channel (of
    every value of a vector) are moved from those of the sample's group to those of the other one, as estimated on
    training samples (Reinhard et al. 2001). That changes colours and brightness, and keeps the lesion's contrast.
    Samples without a group stay as they are. The other group may be the sample's own.
    """

    alpha: float = Field(0.1, ge=0, description="weight of the difference of features, the paper's")
    beta: float = Field(0.0, ge=0, description="weight of the other image's loss; 0 with alpha=0 is ERM")

    def learner(self, lab: Lab) -> Learner:
        """Estimate the looks of the groups, and build the network."""
        net = lab.network()
        if not self.alpha and not self.beta:
            return Learner(net)
        return Translated(net, *looks(lab), self.alpha, self.beta, lab.settings.seed)


def looks(lab: Lab) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and spread of every channel by group, (G, C) each, in the units a network sees."""
    mean, spread, _ = moments(lab, lab.train.group, len(lab.groups))
    return mean, np.maximum(spread, 1e-6)


class Translated(Learner):
    """The loss above. Which group an image is moved to is drawn from the seed and its place in the cohort."""

    net: Any
    mean: torch.Tensor
    spread: torch.Tensor
    updates: torch.Tensor

    def __init__(
        self, net: nn.Module, mean: np.ndarray, spread: np.ndarray, alpha: float, beta: float, seed: int
    ) -> None:
        super().__init__(net)
        self.alpha, self.beta, self.seed = alpha, beta, seed
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32), persistent=False)
        self.register_buffer("spread", torch.tensor(spread, dtype=torch.float32), persistent=False)
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        rng = np.random.default_rng([self.seed, 16, int(self.updates)])
        to = torch.from_numpy(rng.integers(0, len(self.mean), len(x))).to(x.device)
        h, other = self.net.features(x), self.net.features(self.translated(x, batch.group, to))
        loss = batch.loss(self.net.head(h)) + self.alpha * (h - other).square().mean()
        return loss + self.beta * batch.loss(self.net.head(other)) if self.beta else loss

    def translated(self, x: torch.Tensor, group: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
        """Return samples (B, C, ...) in the look of other groups, images within [0, 1]."""
        shape = (len(x), -1, *[1] * (x.ndim - 2))
        own = group.clamp_min(0)
        ratio = (self.spread[to] / self.spread[own]).view(shape)
        moved = (x - self.mean[own].view(shape)) * ratio + self.mean[to].view(shape)
        moved = moved.clamp(0, 1) if x.ndim > 2 else moved
        return torch.where((group >= 0).view(-1, *[1] * (x.ndim - 1)), moved, x)

    def after_update(self, batch: Batch) -> None:
        """Count."""
        self.updates += 1
