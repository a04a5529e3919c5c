"""The paper's formulation by name: descend ||delta|| + beta * margin until the first flip."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from everygroup.boundary.oracle import Oracle
from everygroup.boundary.search import Best


@dataclass(frozen=True)
class Penalty:
    """Settings of the penalty search.

    Attributes
    ----------
    beta : float
        Weight of the hinge on the margin.
    step : float
        Step length per value of the image: an L2-normalised step has norm step * sqrt(D), an Adam step moves
        (nearly) every value by `step`.
    optimiser : {"normalised", "adam"}
    max_steps : int
    """

    beta: float = 100.0
    step: float = 1e-3
    optimiser: str = "normalised"
    max_steps: int = 500


def penalty_search(oracle: Oracle, index: Tensor, settings: Penalty) -> tuple[Best, int]:
    """Minimise ||delta||_2 + beta * max(0, margin) by gradient steps; every sample stops at its first flip.

    Returns
    -------
    best : Best
        First flipped iterates.
    early : int
        How many flipped on the very first step: their norm is that of the step, not of the sample.
    """
    best = Best(oracle.origin)
    rows = index
    delta = torch.zeros_like(oracle.origin[rows])
    mean, square = torch.zeros_like(delta), torch.zeros_like(delta)
    early = 0
    length = settings.step * delta.shape[1] ** 0.5
    for turn in range(settings.max_steps + 1):
        margin, gradient, _ = oracle.slope(rows, delta)
        done = margin < 0
        best.offer(rows, delta, margin)
        if turn == 1:
            early = int(done.sum())
        # a sample without slope cannot move any more
        stay = ~done & ((gradient != 0).any(dim=1) | (turn > 0))
        rows, delta, gradient = rows[stay], delta[stay], gradient[stay]
        mean, square = mean[stay], square[stay]
        if len(rows) == 0:
            break
        norm = torch.linalg.vector_norm(delta, dim=1, keepdim=True)
        descent = delta / norm.clamp_min(1e-30) + settings.beta * gradient
        if settings.optimiser == "adam":
            mean = 0.9 * mean + 0.1 * descent
            square = 0.999 * square + 0.001 * descent**2
            corrected = (square / (1 - 0.999 ** (turn + 1))).sqrt() + 1e-8
            move = settings.step * mean / (1 - 0.9 ** (turn + 1)) / corrected
        else:
            move = length * descent / torch.linalg.vector_norm(descent, dim=1, keepdim=True).clamp_min(1e-30)
        delta = oracle.feasible(rows, delta - move)
    return best, early
