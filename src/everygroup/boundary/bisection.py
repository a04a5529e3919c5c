"""From a flipped point back to the boundary, along the straight line to the original image."""

from __future__ import annotations

import torch
from torch import Tensor

from everygroup.boundary.oracle import Oracle

_FIRST_LOOK = 0.997  # the searches end just past the boundary
_MAX_ROUNDS = 60


def to_boundary(oracle: Oracle, index: Tensor, delta: Tensor, margin: Tensor, *, tolerance: float) -> Tensor:
    """Return the part t of each flipped perturbation at which the flip happens, 0 < t <= 1, itself flipped.

    Parameters
    ----------
    oracle : Oracle
    index : Tensor of int64, (b,)
        The samples' rows in the oracle.
    delta : Tensor, (b, D)
        Flipped perturbations.
    margin : Tensor, (b,)
        Their margins, all negative.
    tolerance : float
        The boundary lies in [t (1 - tolerance), t].

    Notes
    -----
    Bisection with secant guesses (regula falsi with halved end values), so that a straight or gently curved margin
    takes 2 to 4 forward passes instead of 17. Every returned t was seen to flip. A margin that crosses zero several
    times along the line yields one of its crossings.
    """
    rows = torch.arange(len(index), device=delta.device)
    high = delta.new_ones(len(index))
    low = torch.zeros_like(high)
    value_high = margin.clone()
    value_low = oracle.start[index].clone()
    width = high - low
    previous_flipped = torch.ones_like(high, dtype=torch.bool)
    for turn in range(_MAX_ROUNDS):
        rows = rows[(high[rows] - low[rows]) > tolerance * high[rows]]
        if len(rows) == 0:
            break
        a, b = low[rows], high[rows]
        if turn == 0:
            guess = b * _FIRST_LOOK
        else:
            secant = b - value_high[rows] * (b - a) / (value_high[rows] - value_low[rows]).clamp_max(-1e-30)
            # aim half a tolerance past the guess, to the side not seen last: two looks then close the bracket
            guess = secant + torch.where(previous_flipped[rows], -0.4, 0.4) * tolerance * b
            stuck = (b - a) > 0.5 * width[rows] if turn % 3 == 0 else torch.zeros_like(b, dtype=torch.bool)
            guess = torch.where(stuck | ~torch.isfinite(guess), (a + b) / 2, guess)
            edge = 0.45 * tolerance * b
            guess = torch.minimum(torch.maximum(guess, a + edge), b - edge)
        if turn % 3 == 0:
            width[rows] = b - a
        value = oracle.margin(index[rows], guess[:, None] * delta[rows])
        flipped = value < 0
        again = (flipped == previous_flipped[rows]) & (turn > 0)
        # the end that stays put loses half its value, or the secant would creep in from one side
        value_low[rows] = torch.where(flipped, torch.where(again, value_low[rows] / 2, value_low[rows]), value)
        value_high[rows] = torch.where(flipped, value, torch.where(again, value_high[rows] / 2, value_high[rows]))
        low[rows] = torch.where(flipped, a, guess)
        high[rows] = torch.where(flipped, guess, b)
        previous_flipped[rows] = flipped
    return high
