"""Networks that learn without labels: their output is how badly they give back what they see."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from everygroup.networks.autoencoder import VariationalAutoencoder

_VARIANCE = 0.01  # of a pixel around its reconstruction, in squares of the range [0, 1]


class Reconstructing(nn.Module):
    """An autoencoder as an anomaly score, (N, 1), small for what looks like the samples it was trained on.

    The score is (1/P) sum_p (x_p - r_p(x))^2 over P pixels. Of a variational autoencoder it is minus the evidence lower
    bound, in the same units: with a normal likelihood of variance v = 0.01 a pixel, 2 v / P times the bound is, but for
    a constant, (1/P) sum_p (x_p - r_p(z))^2 + (2 v / P) KL(q(z|x) || N(0, 1)); z is drawn from q in training and is its
    mean in evaluation.

    References
    ----------
    Kingma and Welling, Auto-encoding variational Bayes, ICLR 2014; as anomaly score: Baur et al., Autoencoders for
    unsupervised anomaly segmentation in brain MR images, Medical Image Analysis 2021.
    """

    spec: Any  # the NetworkSpec it was built from; set by `build_network`

    def __init__(self, autoencoder: nn.Module) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return one score for each image (N, C, H, W), (N, 1)."""
        if not isinstance(self.autoencoder, VariationalAutoencoder):
            return _error(x, self.autoencoder(x))
        mean, log_variance = self.autoencoder.posterior(x)
        code = mean + (log_variance / 2).exp() * torch.randn_like(mean) if self.training else mean
        distance = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1, keepdim=True) / 2
        return _error(x, self.autoencoder.head(code)) + 2 * _VARIANCE / x[0].numel() * distance

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the code, (N, q)."""
        code: torch.Tensor = self.autoencoder.features(x)  # type: ignore[operator]
        return code

    def reconstruction(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the network takes the images for, (N, C, H, W)."""
        images: torch.Tensor = self.autoencoder(x)
        return images


def _error(x: torch.Tensor, given_back: torch.Tensor) -> torch.Tensor:
    return (x - given_back).square().flatten(1).mean(1, keepdim=True)
