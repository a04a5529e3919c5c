"""Many weighted ridge-penalised logistic regressions on the same samples, in one batched solve."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from everygroup.console import warn

TOLERANCE = 3e-6
MOST_ROUNDS = 1000


@dataclass(frozen=True)
class Heads:
    """What was solved: float64 `weight` (M, K, d), `bias` (M, K) and weighted mean cross-entropy `loss` (M,)."""

    weight: np.ndarray
    bias: np.ndarray
    loss: np.ndarray


def logistic_heads(
    x: np.ndarray, truth: np.ndarray, weights: np.ndarray, l2: np.ndarray, *, tolerance: float = TOLERANCE
) -> Heads:
    r"""Minimise, for every fit m, the convex

    .. math:: \frac{1}{\sum_i w_{im}} \sum_i w_{im} \, \mathrm{CE}(W_m x_i + b_m, y_i) + \frac{\lambda_m}{2} \|W_m\|^2

    Parameters
    ----------
    x : (n, d)
    truth : (n, K)
        Shares of the classes, usually 0 and 1.
    weights : (n, M)
        Not negative; a fit a column.
    l2 : (M,)
        lambda, positive: then the minimum is unique, and does not depend on where the search begins.
    tolerance : float
        A fit is done when the square root of its Newton decrement, in the norm of the bound below, is smaller.

    Returns
    -------
    Heads
        Of two classes the first has zeros: what is penalised is the one logit's weights, as elsewhere.

    Notes
    -----
    Steps are those of a quadratic bound: the Hessian of the cross-entropy is nowhere larger than c X' diag(w) X, c =
    1/4 for two classes, 1/2 for more (Bohning. Annals of the Institute of Statistical Mathematics 44 (1992) 197-200).
    They are accelerated (Nesterov), and the acceleration is dropped where it points uphill (O'Donoghue and Candes.
    Foundations of Computational Mathematics 15 (2015) 715-732). Fits that are done leave the batch. All in float64 on
    one thread, so that the bits do not depend on the number of threads.
    """
    with _one_thread():
        return _solve(x, truth, weights / weights.sum(0), l2, tolerance)


def _solve(x: np.ndarray, truth: np.ndarray, weights: np.ndarray, l2: np.ndarray, tolerance: float) -> Heads:
    n, n_classes = truth.shape
    two = n_classes == 2
    columns = 1 if two else n_classes
    design = torch.cat([torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64)), torch.ones(n, 1).double()], 1)
    answer = torch.from_numpy(truth[:, 1:] if two else truth).double()[:, :, None]
    d, n_fits = design.shape[1], weights.shape[1]
    share = torch.from_numpy(np.asarray(weights, dtype=np.float64))
    penalty = torch.from_numpy(np.asarray(l2, dtype=np.float64))[:, None] * torch.ones(d).double()
    penalty[:, -1] = 0.0  # the bias is free
    inverse = _inverse_bounds(design, share, penalty, 0.25 if two else 0.5)

    found = torch.zeros(n_fits, d, columns).double()
    theta, ahead, pace = found.clone(), found.clone(), torch.ones(n_fits).double()
    left, w = torch.arange(n_fits), share
    for _ in range(MOST_ROUNDS):
        z = (design @ ahead.permute(1, 2, 0).reshape(d, -1)).view(n, columns, len(left))
        excess = torch.sigmoid(z) if two else torch.softmax(z, 1)
        excess.sub_(answer).mul_(w[:, None])
        slope = (design.T @ excess.view(n, -1)).view(d, columns, len(left)).permute(2, 0, 1)
        slope = slope + penalty[:, :, None] * ahead
        step = torch.bmm(inverse, slope)
        moved = ahead - step
        change = moved - theta
        uphill = (slope * change).sum((1, 2)) > 0
        pace = torch.where(uphill, 1.0, pace)
        faster = (1 + torch.sqrt(1 + 4 * pace**2)) / 2
        momentum = torch.where(uphill, 0.0, (pace - 1) / faster)
        theta, ahead, pace = moved, moved + momentum[:, None, None] * change, faster
        done = (slope * step).sum((1, 2)) < tolerance**2
        if done.any():
            found[left[done]] = theta[done]
            on = ~done
            left, theta, ahead, pace, penalty = left[on], theta[on], ahead[on], pace[on], penalty[on]
            w, inverse = w[:, on], inverse[on]
            if not len(left):
                break
    else:
        warn(f"{len(left)} of {n_fits} linear heads were not solved to the end in {MOST_ROUNDS} rounds.")
        found[left] = theta
    if two:
        found = torch.cat([torch.zeros_like(found), found], 2)
    z = (design @ found.permute(1, 2, 0).reshape(d, -1)).view(n, n_classes, n_fits)
    entropy = -(torch.from_numpy(truth)[:, :, None] * torch.log_softmax(z, 1)).sum(1)
    result = found.transpose(1, 2).numpy()
    return Heads(result[:, :, :-1].copy(), result[:, :, -1].copy(), (share * entropy).sum(0).numpy())


def _inverse_bounds(design: torch.Tensor, w: torch.Tensor, penalty: torch.Tensor, bound: float) -> torch.Tensor:
    """Return the inverse of every fit's quadratic bound, (M, d, d); equal weights share what is costly."""
    different, which = torch.unique(w.T.contiguous(), dim=0, return_inverse=True)
    gram = torch.stack([design.T @ (design * column[:, None]) for column in different])
    floor = 1e-10 * gram.diagonal(dim1=1, dim2=2).amax(1, keepdim=True)  # where a weight of 0 leaves nothing
    return torch.cholesky_inverse(torch.linalg.cholesky(bound * gram[which] + torch.diag_embed(penalty + floor[which])))


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
