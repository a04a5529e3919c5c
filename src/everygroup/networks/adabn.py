"""Batch-norm statistics of other images than those of training."""

from __future__ import annotations

import copy

import torch
from torch import nn

from everygroup.networks.classifier import Classifier


def restated(network: Classifier, x: torch.Tensor, *, prior: float) -> Classifier:
    """Return the network with batch-norm statistics drawn towards those of other images, in one pass, layer by layer:
    mean and variance are N / (N + n) times those of training and n / (N + n) times those of x.

    Parameters
    ----------
    network : Classifier
    x : (n, C, H, W) images in [0, 1]; without any, nothing changes.
    prior : float
        N, the images that the statistics of training count for; at least 0.
    """
    network = copy.deepcopy(network).eval()
    share = len(x) / (prior + len(x)) if len(x) else 0.0

    def restate(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        values = inputs[0].float()
        norm.running_mean.lerp_(values.mean((0, 2, 3)), share)
        if values[:, 0].numel() > 1:
            norm.running_var.lerp_(values.var((0, 2, 3)), share)

    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d) and m.running_mean is not None]
    hooks = [norm.register_forward_pre_hook(restate) for norm in norms]
    if share:
        with torch.no_grad():
            network(x)
    for hook in hooks:
        hook.remove()
    return network
