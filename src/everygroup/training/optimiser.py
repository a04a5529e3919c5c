"""Optimisers and learning-rate schedules as functions of the update."""

from __future__ import annotations

import math

import torch
from torch import nn

from everygroup.networks import Adapted
from everygroup.settings import TrainSettings


def build_optimiser(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Return SGD or AdamW over all parameters that require a gradient.

    An adapted network may part them into groups; the learning rate of a group is `lr_scale` (1 by default) times the
    schedule's.
    """
    own = network.parameter_groups() if isinstance(network, Adapted) else None
    parameters = [
        {"lr_scale": 1.0, **part, "params": [p for p in part["params"] if p.requires_grad]}
        for part in own or [{"params": network.parameters()}]
    ]
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=settings.lr,
            momentum=settings.momentum,
            nesterov=settings.nesterov,
            weight_decay=settings.weight_decay,
        )
    return torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=settings.weight_decay)


def learning_rate(update: int, n_updates: int, settings: TrainSettings) -> float:
    """Return the learning rate of update 0..n_updates-1.

    A linear warm-up over the first `warmup` share, then: cosine to 0, linear to 0, a tenth after 1/2 and a hundredth
    after 3/4 (step), or constant.
    """
    warm = int(settings.warmup * n_updates)
    if update < warm:
        return settings.lr * (update + 1) / (warm + 1)
    share = (update - warm) / max(1, n_updates - warm)
    factor = {
        "cosine": 0.5 * (1 + math.cos(math.pi * share)),
        "linear": 1 - share,
        "step": 1.0 if share < 0.5 else 0.1 if share < 0.75 else 0.01,
        "constant": 1.0,
    }[settings.schedule]
    return settings.lr * factor
