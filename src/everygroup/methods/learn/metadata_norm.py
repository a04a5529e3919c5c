"""Metadata normalisation: what the groups explain of the features, beyond the diagnosis, is taken away."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.training import Batch, Learner


@method(
    "MDN (metadata normalisation)",
    "Lu et al. Metadata normalization. CVPR 2021",
    needs="hidden layer",
    needs_group_at_test=True,
    every_group=True,
    branch="disentanglement",
)
class MetadataNorm(Learn):
    r"""Features f become r = f - M_a beta_a, with f = M beta + e by least squares, M = [class, group, 1].

    The classes are in M so that what the group shares with the diagnosis is left to the diagnosis; only the groups'
    columns (centred, one left out, so that they and the constant are no copies of each other) are taken away. In a
    batch of B of N samples

    .. math:: \beta = \tfrac{N}{B} (M^T M)^{-1} M_B^T f

    and a running mean of it (momentum `momentum`) is used at prediction, scaled, so that it holds for any batch size.
    The last batch norm, so to say. Every group is answered by its own plain network: the layer shifts features by a
    constant of the group, and so the logits. Where no group is known nothing is taken away. Samples without a group are
    not trained on.
    """

    answers: ClassVar[Literal["by group or blind"]] = "by group or blind"

    momentum: float = Field(0.1, gt=0, le=1, description="share of a batch in the running coefficients")
    strength: float = Field(1.0, ge=0, le=1, description="share that is taken away; 0 is ERM")

    def learner(self, lab: Lab) -> Learner:
        """Find (M^T M)^-1 of the training samples, and build the network."""
        return Normalised(lab.network(), design(lab), self.momentum, self.strength)


def design(lab: Lab) -> tuple[np.ndarray, int]:
    """Return M (n, c) of the training samples with a known group, and how many of its columns are classes."""
    known = lab.known
    y, group = lab.target.truth(lab.train)[:][known], lab.train.group[known]
    classes = np.eye(lab.target.n_outputs)[y][:, 1:]
    groups = np.eye(len(lab.groups))[group][:, 1:]
    share = np.eye(len(lab.groups))[group].mean(0)[1:]
    return np.concatenate([classes, groups - share, np.ones((len(y), 1))], 1), classes.shape[1]


class Residual(Learner):
    """What both kinds of metadata normalisation share: rows of M, shifts of groups, plain networks for them.

    Parameters
    ----------
    made : (n, c) ndarray, int
        `design`.
    """

    net: Any
    offset: torch.Tensor
    beta: torch.Tensor

    def __init__(self, net: nn.Module, made: tuple[np.ndarray, int], strength: float) -> None:
        super().__init__(net)
        matrix, self.n_classes = made
        self.n, self.c, self.strength = len(matrix), matrix.shape[1], strength
        self.n_groups = self.c - self.n_classes
        groups = matrix[:, self.n_classes : -1]
        top = groups.max(0, initial=-1.0) if len(groups) else np.zeros(0)
        share = np.where(groups.any(0), 1 - top, 0.0)  # a centred column is 1 - share, or -share
        self.register_buffer("offset", torch.tensor(share, dtype=torch.float32), persistent=False)

    def rows(self, y: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
        """M of a batch, (B, c)."""
        classes = F.one_hot(y, self.n_classes + 1)[:, 1:].to(self.offset.dtype)
        return torch.cat([classes, self.of_groups(group), torch.ones_like(classes[:, :1])], 1)

    def of_groups(self, group: torch.Tensor) -> torch.Tensor:
        """The groups' columns of M, (B, G - 1)."""
        return F.one_hot(group.clamp_min(0), self.n_groups)[:, 1:].to(self.offset.dtype) - self.offset

    def taken(self, beta: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
        """What is taken away from the features of samples with these groups, (B, q)."""
        away = self.strength * self.of_groups(group) @ beta[self.n_classes : -1]
        return torch.where((group >= 0)[:, None], away, torch.zeros_like(away))

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits with the coefficients that are kept."""
        h = self.net.features(x)
        group = torch.full((len(x),), -1, device=x.device) if group is None else group
        logits: torch.Tensor = self.net.head(h - self.taken(self.beta, group))
        return logits

    def answering(self, group: int | None) -> nn.Module:
        """Return the plain network of a group: its shift of features as one of logits."""
        plain: Any = copy.deepcopy(self.net)
        if group is not None:
            with torch.no_grad():
                away = self.taken(self.beta, torch.tensor([group], device=self.beta.device))
                plain.head.bias.sub_((away @ plain.head.weight.T)[0])
        return plain  # type: ignore[no-any-return]


class Normalised(Residual):
    """Coefficients from every batch, and their running mean."""

    def __init__(self, net: nn.Module, made: tuple[np.ndarray, int], momentum: float, strength: float) -> None:
        super().__init__(net, made, strength)
        self.momentum = momentum
        inverse = np.linalg.pinv(made[0].T @ made[0])
        self.register_buffer("inverse", torch.tensor(inverse, dtype=torch.float32), persistent=False)
        self.register_buffer("beta", torch.zeros(self.c, self.net.head.in_features))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """ERM's, of the residuals; the gradient goes through the coefficients."""
        h = self.net.features(x)
        m = self.rows(batch.y, batch.group)
        inverse: Any = self.inverse
        beta = (self.n / len(x)) * inverse @ m.T @ h.to(m.dtype)
        batch.notes["beta"] = beta.detach()
        return batch.loss(self.net.head(h - self.taken(beta, batch.group).to(h.dtype)))

    def after_update(self, batch: Batch) -> None:
        """Take the batch's coefficients into the running mean; the first ones stand for themselves."""
        updates: Any = self.updates
        share = 1.0 if int(updates) == 0 else self.momentum
        self.beta.lerp_(batch.notes["beta"], share)
        updates += 1
