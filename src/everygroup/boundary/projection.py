"""The smallest step that satisfies several linear constraints at once: a small quadratic programme, batched."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest_step(margins: Tensor, gradients: Tensor) -> Tensor:
    """Return the shortest delta with margins + gradients . delta <= 0 for every constraint.

    Parameters
    ----------
    margins : Tensor, (b, m)
        Values at delta = 0.
    gradients : Tensor, (b, m, D)
        Slopes of the values.

    Returns
    -------
    Tensor, (b, D)
        The projection of 0 onto the polyhedron. Where the constraints contradict each other, the step that satisfies
        the farthest single one.

    Notes
    -----
    Dual: delta = -sum_k lambda_k g_k with lambda >= 0 minimising 1/2 lambda' Q lambda - margins' lambda, Q = g g'.
    Solved by the active-set method of Lawson and Hanson (1974) in float64; m is small, so each round is one batched
    solve of an m x m system.
    """
    lengths = torch.linalg.vector_norm(gradients, dim=2)
    safe = lengths.clamp_min(torch.finfo(gradients.dtype).tiny)
    unit = gradients / safe[:, :, None]
    gaps = margins / safe  # distances to the single hyperplanes; unit slopes make Q well scaled
    exact = _in_float64(unit)
    dual = _solve((exact @ exact.transpose(1, 2)).cpu(), _in_float64(gaps).cpu())
    step = -(dual.to(unit)[:, None, :] @ unit)[:, 0]
    single = gaps.clamp_min(0.0)
    far, worst = single.max(dim=1)
    fallback = -far[:, None] * unit.gather(1, worst[:, None, None].expand(-1, 1, unit.shape[2]))[:, 0]
    # contradictory constraints have no nearest point: the dual then runs away
    residual = (gaps + (unit @ step[:, :, None])[:, :, 0]).amax(dim=1)
    sound = torch.isfinite(step).all(dim=1) & (residual <= 1e-4 * far + 1e-12)
    return torch.where(sound[:, None], step, fallback)


def _in_float64(x: Tensor) -> Tensor:
    return x.cpu().double() if x.device.type == "mps" else x.double()  # mps has no float64


def _solve(gram: Tensor, gaps: Tensor) -> Tensor:
    """Minimise 1/2 l' Q l - gaps' l over l >= 0, for every row of the batch."""
    count = gaps.shape[1]
    identity = torch.eye(count, dtype=gram.dtype)
    scale = gaps.abs().amax(dim=1, keepdim=True).clamp_min(1e-300)
    passive = torch.zeros_like(gaps, dtype=torch.bool)
    dual = torch.zeros_like(gaps)
    for _ in range(3 * count + 1):
        violation = (gaps - (gram @ dual[:, :, None])[:, :, 0]).masked_fill(passive, float("-inf"))
        worst, entering = violation.max(dim=1)
        todo = worst > 1e-10 * scale[:, 0]
        if not bool(todo.any()):
            break
        passive[todo, entering[todo]] = True
        for _ in range(count + 1):
            pair = passive[:, :, None] & passive[:, None, :]
            system = torch.where(pair, gram, 0.0) + identity * torch.where(passive, 1e-13, 1.0)[:, :, None]
            trial = torch.linalg.solve(system, torch.where(passive, gaps, 0.0))
            wrong = passive & (trial <= 0)
            if not bool(wrong.any()):
                dual = trial
                break
            share = torch.where(wrong, dual / (dual - trial).clamp_min(1e-300), 1.0).amin(dim=1, keepdim=True)
            dual = (dual + share * (trial - dual)).clamp_min(0.0)
            passive &= ~(wrong & (dual <= 1e-14 * scale))
            dual = torch.where(passive, dual, 0.0)
    return dual
