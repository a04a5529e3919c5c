"""Conditional VAE: codes that need not hold the group, since what reads them is told it."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import nn

from everygroup.files import hash_json
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, method
from everygroup.models.transforms.base import Tensors
from everygroup.models.transforms.encoder import Encoder


@method(
    "Conditional variational autoencoder",
    "Aguila et al. Conditional VAEs for confound removal and normative modelling of neurodegenerative diseases. "
    "MICCAI 2022; Sohn, Lee and Yan. Learning structured output representation using deep conditional generative "
    "models. NeurIPS 2015",
    targets=("classes", "labels", "number"),
    needs="vectors",
    branch="disentanglement",
)
class ConditionalVAE(Before):
    r"""Vectors x as the mean of q(z | x), a code of `width` values that is learnt on training samples without labels:

    .. math:: \min\ E_q \|x - d(z, c)\|^2 / 2 + \beta\, KL(q(z | x) \| N(0, I))

    The decoder d is told the group c (one-hot; zeros where it is missing), so that a code that also held the group
    would pay for it in the second term and gain nothing in the first. The paper's encoder is told c, too; here it is
    not, so that no group is needed at prediction. Values of x are standardised. What an attacker could still read off
    the code is to be measured; what the group shares with the diagnosis is lost in part.
    """

    width: int = Field(16, ge=1, description="values of the code")
    hidden: int = Field(64, ge=1, description="width of the hidden layers")
    beta: float = Field(0.5, ge=0, description="weight of the code's divergence")
    updates: int = Field(600, ge=1, description="updates of 256 samples, with Adam")

    def prepare(self, lab: Lab) -> Lab:
        """Train the autoencoder, and see vectors through its encoder."""
        seed = lab.settings.seed
        key = hash_json(["conditional_vae", self.hyperparameters, seed, lab.train.content_hash])
        return lab.seen_through(Encoder.build({}, lab.store.tensors(key, lambda: self._trained(lab, seed))))

    def _trained(self, lab: Lab, seed: int) -> Tensors:
        x = lab.train.batch(slice(None)).astype(np.float64)
        mean, scale = x.mean(0), np.maximum(x.std(0), 1e-6)
        values = torch.tensor((x - mean) / scale, dtype=torch.float32)
        groups = torch.tensor(np.eye(len(lab.groups) + 1)[lab.train.group][:, :-1], dtype=torch.float32)
        rng = np.random.default_rng([seed, 20])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            d, g = values.shape[1], groups.shape[1]
            encoder = nn.Sequential(nn.Linear(d, self.hidden), nn.ReLU(), nn.Linear(self.hidden, 2 * self.width))
            decoder = nn.Sequential(nn.Linear(self.width + g, self.hidden), nn.ReLU(), nn.Linear(self.hidden, d))
            optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 2e-3)
            for _ in range(self.updates):
                rows = torch.from_numpy(rng.integers(0, len(values), min(256, len(values))))
                code, spread = encoder(values[rows]).chunk(2, 1)
                spread = spread.clamp(-8, 8)
                z = code + (spread / 2).exp() * torch.randn_like(code)
                apart = (decoder(torch.cat([z, groups[rows]], 1)) - values[rows]).square().sum(1) / 2
                divergence = (code.square() + spread.exp() - 1 - spread).sum(1) / 2
                optimiser.zero_grad()
                (apart + self.beta * divergence).mean().backward()
                optimiser.step()
            w1, b1, w2, b2 = encoder.parameters()
            numbers = {"w1": w1, "b1": b1, "w2": w2[: self.width], "b2": b2[: self.width]}
        found = {k: v.detach().clone().contiguous() for k, v in numbers.items()}
        more = {"mean": torch.tensor(mean, dtype=torch.float32), "scale": torch.tensor(scale, dtype=torch.float32)}
        return found | more
