"""Orthogonal features: what the diagnosis network sees lies beside the directions in which a group predictor sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner


@method(
    "FCRO (fair classification by representation orthogonality)",
    "Deng et al. On fairness of medical image classification with multiple sensitive attributes via learning "
    "orthogonal representations. IPMI 2023",
    needs="hidden layer",
    cost=2,
    branch="disentanglement",
)
class Orthogonal(Learn):
    r"""CE(f(x), y) + column ||F U||^2 / B + row ||F_c^T S_c||_F^2 / q^2, F (B, q) the network's features and S those of
    a group predictor that was trained before and is held, all of length 1 (c: centred in the batch).

    U are the left singular vectors of S^T of a class's training samples that hold `kept` of the squared singular
    values: the first loss is 0 where features lie in their null space, the second where a feature does not vary with
    any of S. Both are computed within every class, as the paper's conditional version. S is of the images as they are,
    not augmented; both networks have the same backbone, so that the directions belong together. A class with fewer
    samples than two in a batch is left out.
    """

    column: float = Field(80.0, ge=0, description="weight of the loss by direction, the paper's")
    row: float = Field(500.0, ge=0, description="weight of the loss by sample; 0 with column=0 is ERM")
    kept: float = Field(0.99, gt=0, le=1, description="share of the squared singular values that makes the directions")

    def cost(self, groups: Sequence[str]) -> float:
        """Count the group predictor."""
        return 1 + bool(self.column or self.row)

    def learner(self, lab: Lab) -> Learner:
        """Look up the group predictor, and find its directions."""
        net = lab.network()
        if not self.column and not self.row:
            return Learner(net)
        with torch.random.fork_rng(devices=[]):
            seen = lab.features(lab.group_predictor().network)
        seen = seen / np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), 1e-12)
        y = lab.target.truth(lab.train)[:]
        spaces = [directions(seen[y == k], self.kept) for k in range(lab.target.n_outputs)]
        return Beside(net, seen, spaces, self.column, self.row)


def directions(seen: np.ndarray, kept: float) -> np.ndarray:
    """Return the left singular vectors of seen^T (q, r) that hold a share of the squared singular values."""
    if not len(seen):
        return np.zeros((seen.shape[1], 0))
    _, values, vectors = np.linalg.svd(seen.astype(np.float64), full_matrices=False)
    share = np.cumsum(values**2) / max(float((values**2).sum()), 1e-300)
    return np.ascontiguousarray(vectors[: int(np.searchsorted(share, kept)) + 1].T)


class Beside(Learner):
    """The loss above."""

    net: Any
    seen: torch.Tensor

    def __init__(
        self, net: nn.Module, seen: np.ndarray, spaces: Sequence[np.ndarray], column: float, row: float
    ) -> None:
        super().__init__(net)
        self.column, self.row = column, row
        self.register_buffer("seen", torch.tensor(seen, dtype=torch.float32), persistent=False)
        for k, space in enumerate(spaces):
            self.register_buffer(f"space{k}", torch.tensor(space, dtype=torch.float32), persistent=False)

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        h = self.net.features(x)
        by_column, by_row = self.terms(h.float(), batch)
        return batch.loss(self.net.head(h)) + self.column * by_column + self.row * by_row

    def terms(self, h: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Both losses, means over the batch's classes."""
        u = F.normalize(h, dim=1)
        seen = self.seen[torch.from_numpy(batch.index).to(self.seen.device)]
        columns, rows = [h.sum() * 0], [h.sum() * 0]
        for k in torch.unique(batch.y).tolist():
            inside = batch.y == k
            if int(inside.sum()) < 2:
                continue
            columns.append((u[inside] @ self.get_buffer(f"space{k}")).square().sum() / inside.sum())
            own, other = (v[inside] - v[inside].mean(0) for v in (u, seen))
            rows.append((own.T @ other).square().sum() / h.shape[1] ** 2)
        n = max(1, len(columns) - 1)
        return torch.stack(columns).sum() / n, torch.stack(rows).sum() / n
