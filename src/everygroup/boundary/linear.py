"""Boundary distances of linear models of vectors, in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from everygroup.boundary.projection import nearest_step

_AT_ONCE = 1 << 24  # values of the differences between classes' weights that are held at once


def linear_layer(model: nn.Module) -> nn.Linear | None:
    """Return the one layer that a linear model of vectors consists of; None for any other model."""
    layer: Any = model if isinstance(model, nn.Linear) else getattr(model, "linear", None)
    return layer if isinstance(layer, nn.Linear) else None


def linear_distances(layer: nn.Linear, x: np.ndarray, *, target: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    r"""Return exact boundary distances and the model's answers, both (n,).

    Without `target` the distance to the nearest hyperplane, min over k of (z_y - z_k) / ||w_y - w_k||; with it, that to
    the polyhedron where the target's logit is the largest, 0 inside. NaN where no step changes the answer.

    Parameters
    ----------
    layer : Linear
        K logits.
    x : (n, D)
    target : int, optional
        The class to reach.
    """
    weight, bias = layer.weight.detach().cpu().double(), layer.bias.detach().cpu().double()
    points = torch.from_numpy(np.asarray(x, dtype=np.float64))
    logits = points @ weight.T + bias
    answer = logits.argmax(1)
    if target is None:
        apart = torch.cdist(weight, weight)[answer]
        gaps = (logits.gather(1, answer[:, None]) - logits) / apart
        gaps.scatter_(1, answer[:, None], torch.inf)
        distance = gaps.amin(1)
        return torch.where(torch.isfinite(distance), distance, torch.nan).numpy(), answer.numpy()
    others = [k for k in range(len(weight)) if k != target]
    slopes = weight[others] - weight[target]
    distance = torch.zeros(len(points)).double()
    outside = torch.nonzero(answer != target)[:, 0]
    for rows in outside.split(max(1, _AT_ONCE // slopes.numel())):
        margins = logits[rows][:, others] - logits[rows, target, None]
        step = nearest_step(margins, slopes.expand(len(rows), *slopes.shape))
        reached = (margins + step @ slopes.T).amax(1) <= 1e-6 * margins.abs().amax(1)
        distance[rows] = torch.where(reached, torch.linalg.vector_norm(step, dim=1), torch.nan)
    return distance.numpy(), answer.numpy()
