"""Means by cell of a batch: what soft rates, and losses of groups, are made of."""

from __future__ import annotations

import torch


def cell_means(values: torch.Tensor, cell: torch.Tensor, n_cells: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean of values (B, ...) in every cell, (n_cells, ...), 0 where it is empty; and which are not.

    Parameters
    ----------
    cell : (B,) int64
        -1 for a sample that is in none.
    """
    inside = cell >= 0
    values, cell = values[inside], cell[inside]
    sums = values.new_zeros((n_cells, *values.shape[1:])).index_add(0, cell, values)
    count = torch.zeros(n_cells, device=values.device, dtype=values.dtype).index_add(
        0, cell, torch.ones_like(cell, dtype=values.dtype)
    )
    return sums / count.clamp_min(1).view(-1, *[1] * (values.ndim - 1)), count > 0


def spread(means: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """Return the largest less the smallest of the groups' means (G, ...) -> (...), 0 with fewer than two of them.

    Parameters
    ----------
    there : (G,) or (G, ...) bool
        Which means are of something.
    """
    there = there.view(*there.shape, *[1] * (means.ndim - there.ndim)).expand_as(means)
    high = means.masked_fill(~there, -torch.inf).amax(0)
    low = means.masked_fill(~there, torch.inf).amin(0)
    enough = there.sum(0) >= 2
    return torch.where(enough, high - low, torch.zeros_like(high))
